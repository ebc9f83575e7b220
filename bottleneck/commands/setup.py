"""From a composed configuration to the objects that commands work with."""

import contextlib
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from filelock import FileLock
from omegaconf import DictConfig, OmegaConf

from bottleneck import codecs
from bottleneck.channel import Channel
from bottleneck.commands.construct import construct
from bottleneck.commands.values import listed, torch_device
from bottleneck.cut import Cut
from bottleneck.data.base import ImageData
from bottleneck.devices import fast_in_bfloat16
from bottleneck.features import FeatureCache
from bottleneck.files import writable
from bottleneck.loss import OperatingPoint
from bottleneck.models import Network
from bottleneck.tasks import Task
from bottleneck.training import Recipe
from bottleneck.unit import Unit, latent_codec

log = logging.getLogger(__name__)


def cut_of(cfg: DictConfig, kind: str | None = None) -> Cut:
    """The network and the data of a configuration, cut at its split point.

    Args:
        cfg: The composed configuration.
        kind: Kind of the units that will stand there, if any.

    Raises:
        ValueError: If network and data do not belong together, or `subset` is empty.
    """
    images: ImageData = construct(cfg.data)
    with _alone(cfg):  # parallel processes must not download at once
        images.prepare_data()
    images.setup()
    if not images.count(cfg.subset):
        raise ValueError(f"subset={cfg.subset} is empty. Set data.holdout to a share above 0, such as 0.1.")
    model: Network = construct(cfg.model).to(torch_device(cfg.device)).eval()
    task: Task = construct(cfg.task, num_classes=images.num_classes)
    made = cast(dict[str, Any], OmegaConf.to_container(cfg.model, resolve=True))
    cache = cfg.cache
    return Cut(
        model,
        images,
        task,
        "+".join(map(str, listed(cfg.split))),
        kind=kind,
        open_cut=cfg.open_cut,
        cache=FeatureCache(cache.dir, cache.dtype, cache.max_gb) if cache.enabled else None,
        made=made,
    )


def point_of(cfg: DictConfig) -> OperatingPoint:
    """The operating point of a configuration."""
    unit = cast(dict[str, Any], OmegaConf.to_container(cfg.unit, resolve=True))
    return OperatingPoint(
        kind=unit.pop("kind"),
        unit=unit,
        alpha=cfg.alpha,
        rate=construct(cfg.rate),
        objective=construct(cfg.objective),
        target_bytes=cfg.target_bytes,
        headroom=cfg.headroom,
        target_drop=cfg.target_drop,
        rates=unit.pop("rates", 1),
        codec=cast(dict[str, Any], OmegaConf.to_container(cfg.codec, resolve=True)),
        losses=construct(cfg.loss),
        seed=cfg.seed,
    )


def recipe_of(cfg: DictConfig) -> Recipe:
    """How the configuration trains. Loggers and callbacks are made for each run."""
    torch_device(cfg.device)  # which the accelerator follows, is the key to name
    trainer = cast(dict[str, Any], OmegaConf.to_container(cfg.trainer, resolve=True))
    epochs, steps = trainer.get("max_epochs"), trainer.get("max_steps")
    if epochs in (None, -1) and steps in (None, -1):
        told = "null" if epochs is None else epochs
        raise ValueError(
            f"trainer.max_epochs={told} never ends. Give a whole number, or +trainer.max_steps=..."
        )
    if trainer.get("precision") == "bf16-mixed" and not fast_in_bfloat16(cfg.device):
        log.warning("trainer.precision=bf16-mixed takes longer than 32-true here, up to fourteen times.")
    return Recipe(
        optimizer=construct(cfg.optimizer),
        scheduler=construct(cfg.scheduler),
        warm_epochs=cfg.warm_start.epochs,
        warm_alpha=cfg.warm_start.alpha,
        warm_objective=construct(cfg.warm_start.objective),
        settle_epochs=cfg.settle.epochs,
        settle_pace=cfg.settle.pace,
        cutmix=cfg.cutmix,
        average=cfg.average,
        trainer={key: value for key, value in trainer.items() if key not in ("logger", "callbacks")},
    )


def suite_channels(suite: DictConfig, cut: Cut, side: str) -> list[Channel]:
    """The suite's untrained channels at a cut, without those whose library is missing.

    Args:
        suite: The `suite` group: for `feature` and `input` a mapping from family to settings, and from those
            to a codec's options; a family of one has the options in the settings' place.
        cut: Where they send.
        side: `feature` or `input`.
    """
    channels = []
    for family, settings in (suite[side] or {}).items():
        for setting, options in ({None: settings} if "name" in settings else settings).items():
            name = family if setting is None else f"{family}-{setting}"
            try:
                codec = cut.codec(**options)
            except codecs.MissingLibraryError as error:
                log.warning("%s is not measured: %s", name, error)
                continue
            channels.append(cut.channel(codec, name=name, family=family, setting=setting))
    return channels


def also_channels(cut: Cut, unit: Unit, names: Sequence[str], own: str, **label: Any) -> list[Channel]:
    """The latent of a unit through further codecs, unfitted.

    Args:
        cut: Where the unit stands.
        unit: Trained, or to be trained before the channels are fitted.
        names: The codecs.
        own: The unit's own codec, which is left out.
        label: `name`, `family` and `setting` of the unit's row through its own codec.

    Raises:
        ValueError: If a codec is unknown, or codes neither symbols nor latents.
    """
    return [
        cut.channel(
            latent_codec(unit.latent_shapes, name),
            unit,
            **{**label, "name": f"{label['name']}-{name}", "family": f"{label['family']}-{name}"},
        )
        for name in names
        if name != own
    ]


def _alone(cfg: DictConfig) -> contextlib.AbstractContextManager[Any]:
    """A lock in the cache's folder, which is made; none in a filled cache that can only be read.

    Raises:
        ValueError: If nothing can be written there, and nothing is there.
    """
    folder = Path(cfg.cache.dir).expanduser()
    try:
        return FileLock(writable(folder) / "download.lock")
    except OSError as error:
        if FeatureCache(folder).root.is_dir():
            return contextlib.nullcontext()
        raise ValueError(f"cache.dir={error} Set cache.dir, or BOTTLENECK_CACHE.") from error


def settings_of(unit: Unit, alpha: float | None) -> Mapping[str, Any]:
    """What reports say of a trained unit."""
    return {**unit.options, "alpha": alpha}
