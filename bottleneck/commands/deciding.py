"""What `conf/decide.yaml` says, for every command that decides."""

import math
from pathlib import Path

from omegaconf import DictConfig

from bottleneck.commands.values import listed
from bottleneck.deploy.places import found
from bottleneck.runtime.policies import Policy


def frontiers_of(cfg: DictConfig) -> list[Path]:
    """Folders of frontiers or bundles; where none is named, the digits' frontier of the zoo.

    Args:
        cfg: Has `frontier`, what `bottleneck.load` takes, or a list of such; `model` may name the network.

    Raises:
        ValueError: If none is named, and the network is not that of the digits, or what is named is no path.
        FileNotFoundError: If a folder is missing.
    """
    if cfg.frontier is None:
        name = cfg.model.get("name") if "model" in cfg else "digits_resnet"
        if name != "digits_resnet":
            raise ValueError(
                f"frontier=null stands for the digits' frontier, model.name={name} has none yet. Run "
                "`bottleneck search`, and give frontier=studies/NAME/frontier, or a bundle's folder."
            )
        return [found("zoo:digits/default")]
    if not (named := listed(cfg.frontier)):
        raise ValueError("frontier=[] names none. Give folders, or null for the digits' frontier.")
    folders = [found(path) for path in named]
    for folder in folders:
        if not folder.is_dir():
            raise FileNotFoundError(
                f"frontier={folder} is no folder. `bottleneck search` writes studies/NAME/frontier."
            )
    return folders


def policy_of(cfg: DictConfig, frozen: float) -> Policy:
    """What is wanted of a strategy.

    Args:
        cfg: Has `policy` and `budget`.
        frozen: The frozen network's metric, of which `budget.drop` may be lost.

    Raises:
        ValueError: If a limit is impossible.
    """
    drop, latency = cfg.budget.drop, cfg.budget.latency
    if not 0 <= drop <= 1:
        raise ValueError(f"budget.drop={drop} is no share of a metric. Give 0 to 1, such as 0.03.")
    name = cfg.policy or ("accuracy" if latency is None else "latency")
    return Policy(name, math.inf if latency is None else latency, max(0.0, frozen - drop))
