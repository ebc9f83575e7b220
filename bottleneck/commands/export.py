"""`bottleneck export`: both halves of a bundle as graphs, for machines without PyTorch."""

from pathlib import Path

from omegaconf import DictConfig
from torch import nn

from bottleneck.commands.construct import construct
from bottleneck.deploy.bundle import Bundle
from bottleneck.deploy.export import export
from bottleneck.deploy.networks import named_network
from bottleneck.deploy.places import bundle_at


def network_of(cfg: DictConfig, bundle: Bundle) -> nn.Module:
    """The network of the configuration, or else the one that a bundle names.

    Args:
        cfg: May have `model`.
        bundle: One of those that will run.

    Raises:
        ValueError: If the bundle's network cannot be made from its name alone.
    """
    if "model" in cfg:
        network: nn.Module = construct(cfg.model)
        return network
    return named_network(bundle)


def run(cfg: DictConfig) -> None:
    """Export, and list the files."""
    if cfg.bundle is None:
        raise ValueError("bundle= names no bundle. Give the folder that train or the plugin wrote.")
    if cfg.target not in ("onnx", "torch"):
        raise ValueError(f"target={cfg.target} is unknown. Choose onnx or torch.")
    if not isinstance(cfg.folder, str | None):
        raise ValueError(f"folder={cfg.folder} must be a path, or null: beside the bundle's files.")
    bundle = bundle_at(cfg.bundle)
    folder = Path(cfg.folder or bundle / cfg.target).expanduser()
    export(bundle, network_of(cfg, Bundle.read(bundle)), folder, cfg.target)
    for file in sorted(folder.iterdir()):
        print(f"{file}: {file.stat().st_size:,} bytes")
