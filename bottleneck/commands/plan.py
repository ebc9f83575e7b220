"""`bottleneck plan`: finish on the device, send a picture, or split, and where; see `bottleneck.runtime`."""

from collections.abc import Sequence
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from bottleneck.commands.deciding import frontiers_of, policy_of
from bottleneck.commands.link import link_of
from bottleneck.commands.setup import cut_of, suite_channels
from bottleneck.cut import Cut
from bottleneck.deploy.frontier import numbered_bundles
from bottleneck.devices import device_of
from bottleneck.runtime.device_times import on_device
from bottleneck.runtime.energy import Energy
from bottleneck.runtime.measuring import Way, device_only, measure, server_only, shared
from bottleneck.runtime.plan import Plan
from bottleneck.show import provenance
from bottleneck.show.plan import crossover_table, draw_plan, plan_table


def plan_from(cfg: DictConfig) -> Plan:
    """Measure every strategy of a configuration (`conf/plan.yaml`), and judge them on its link.

    Raises:
        ValueError: If a number is impossible, or a bundle belongs to another network.
    """
    if cfg.samples < 1:
        raise ValueError(f"samples={cfg.samples} leaves nothing to measure. Use 1 or more.")
    link, energy = link_of(cfg), _energy_of(cfg)
    policy_of(cfg, frozen=1.0)  # a wrong one must not cost the measuring
    folders, cut = frontiers_of(cfg), cut_of(cfg)
    samples = [
        (image, cut.images.collate([(image, target)])[1])
        for image, target in cut.images.subset(cfg.subset).spread(cfg.samples)
    ]
    if cfg.device_times is not None and not Path(cfg.device_times).expanduser().is_file():
        raise FileNotFoundError(f"device_times={cfg.device_times} is no file.")
    strategies = measure(ways_of(cfg, cut, folders), samples, cut.task)
    if cfg.device_times is not None:
        strategies = on_device(strategies, Path(cfg.device_times).expanduser())
    return Plan(
        strategies,
        link,
        policy_of(cfg, frozen=strategies[0].value),
        cut.task.metric,
        f"{cut.model.name} on {cut.images.name}, n = {len(samples)}",
        energy,
        provenance.measured(device_of(cut.model)) | {"device_times": cfg.device_times},
    )


def ways_of(cfg: DictConfig, cut: Cut, folders: Sequence[Path]) -> list[Way]:
    """The device alone, every picture of the suite, every bundle of the folders.

    Args:
        cfg: Has the suite.
        cut: Network and data, cut at the input.
        folders: Of frontiers or bundles.
    """
    pictures = suite_channels(cfg.suite, cut, "input")
    cut.fit(pictures)
    ways = [device_only(cut.model)]
    for picture in pictures:
        family = cfg.suite.input[picture.family]
        codec = family if picture.setting is None else family[picture.setting]
        ways.append(server_only(cut.model, picture, codec))
    return ways + shared(cut.model, [pair for folder in folders for pair in numbered_bundles(folder)])


def _energy_of(cfg: DictConfig) -> Energy | None:
    """The device's constants; `None` where none is given."""
    given = {key: value for key, value in cfg.energy.items() if value is not None}
    if given and "computing" not in given:
        raise ValueError(
            f"energy.computing is missing beside energy.{next(iter(given))}. Give the device's watts."
        )
    return Energy(**given) if given else None


def run(cfg: DictConfig) -> None:
    """Measure, decide, print, and draw."""
    folder = Path(HydraConfig.get().runtime.output_dir)
    plan = plan_from(cfg)
    plan.write(folder / "plan.json")
    draw_plan(plan, folder / "plan.png")
    print(plan_table(plan), crossover_table(plan), plan.advice, sep="\n\n")
    print(f"\nWritten to {folder}: plan.json, plan.png")
