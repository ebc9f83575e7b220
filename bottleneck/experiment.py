"""From a composed configuration to live objects: what `train.py`, `evaluate.py` and the search start from."""

import copy
import dataclasses
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from filelock import FileLock
from hydra.utils import get_method, instantiate
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from bottleneck import codecs
from bottleneck.bundle import Bundle
from bottleneck.data.base import ImageData
from bottleneck.data.feature_cache import FeatureCache
from bottleneck.data.features import CachedFeatures, LiveFeatures, features_of
from bottleneck.end_to_end import EndToEndSystem
from bottleneck.evaluation import Reference, evaluate, reference_on
from bottleneck.layouts import shape_channels_first
from bottleneck.methods import Method, Untransformed
from bottleneck.models import PixelNetwork, weights_identity
from bottleneck.results import Result
from bottleneck.splitting import SplitModel, split, split_open, trace
from bottleneck.system import BottleneckSystem
from bottleneck.tasks import Task
from bottleneck.unit import Unit

log = logging.getLogger(__name__)

Features = CachedFeatures | LiveFeatures


@dataclass
class Experiment:
    """A frozen network and a data set, from which any split point can be measured.

    Attributes:
        cfg: The composed configuration.
        model: The frozen network, on the configured device.
        images: The data set.
        task: Loss and metrics.
        image: One image, uint8 `(1, C, H, W)`, on the device.
    """

    cfg: DictConfig
    model: PixelNetwork
    images: ImageData
    task: Task
    image: Tensor

    @classmethod
    def from_config(cls, cfg: DictConfig) -> "Experiment":
        """Make the network and find the data.

        Raises:
            ValueError: If network and data set disagree about channels or classes, or `subset` is empty.
        """
        images: ImageData = instantiate(cfg.data)
        cache = Path(cfg.cache.dir).expanduser()
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / "download.lock"):  # parallel processes must not download at once
            images.prepare_data()
        images.setup()
        if not images.count(cfg.subset):
            raise ValueError(
                f"subset={cfg.subset} is empty. Set data.holdout to a share above 0, such as 0.1."
            )
        model: PixelNetwork = instantiate(cfg.model).to(torch_device(cfg.device)).eval()
        if images.image_shape[0] != model.input_shape[0]:
            raise ValueError(
                f"The network takes {model.input_shape[0]} channels, data set {images.name} has "
                f"{images.image_shape[0]}. Choose a model= and a data= that belong together."
            )
        task: Task = instantiate(cfg.task, num_classes=images.num_classes)
        image = images.subset("val")[0][0][None].to(torch_device(cfg.device))
        with torch.no_grad():
            task.check_output(model(image), image)
        return cls(cfg, model, images, task, image)

    def split(self, at: str, replace: bool | None = None) -> SplitModel:
        """The network cut at a split point, frozen; with `open_cut=true` wherever that is.

        Args:
            at: The split point.
            replace: Whether units may replace the module there; `None`: as the configured unit does.
        """
        if self.cfg.open_cut:
            return split_open(trace(self.model, self.image), at).freeze()
        if replace is None:
            unit_type = cast(Any, get_method(self.cfg.unit._target_)).__self__
            replace = at != "input" and unit_type.replaces
        return split(self.model, at, self.image, replace).freeze()

    def features(self, net: SplitModel) -> Features:
        """The data set's features at a split point, from the cache where the configuration has one."""
        cache = self.cfg.cache
        enabled = cache.enabled and net.point.name != "input"  # images are stored already
        return features_of(
            self.images, net, FeatureCache(cache.dir, cache.dtype, cache.max_gb) if enabled else None
        )

    def new_unit(self, net: SplitModel, features: Features) -> Unit:
        """An untrained unit that fits the features at a split point.

        Raises:
            ValueError: If the split point is the uint8 image itself.
        """
        calibration, _ = next(iter(features.batches("train")))
        if not calibration.is_floating_point():
            raise ValueError(
                f"split={net.point.name} sends {calibration.dtype} pixels, on which no bottleneck can be "
                "trained. Use split=normalize, or a later split point."
            )
        options: dict[str, Any] = {"features": net.sent(calibration), "layout": net.entry.layout}
        if net.replaced is not None:
            with torch.no_grad():
                options["replaced"] = net.feature(calibration)
        return instantiate(self.cfg.unit, **options)

    def system(self, unit: Unit, net: SplitModel) -> BottleneckSystem:
        """What Lightning trains on features while the network stays frozen."""
        return BottleneckSystem(unit, net, **self._training())

    def end_to_end_system(self, unit: Unit, net: SplitModel, frozen: PixelNetwork) -> EndToEndSystem:
        """What Lightning trains on images, network and unit together; see `unfrozen`."""
        return EndToEndSystem(unit, net, frozen, **self._training())

    def _training(self) -> dict[str, Any]:
        cfg = self.cfg
        return {
            "task": self.task,
            "objective": instantiate(cfg.objective),
            "rate": instantiate(cfg.rate),
            "alpha": cfg.alpha,
            "pixels": self.image.shape[-2] * self.image.shape[-1],
            "optimizer": instantiate(cfg.optimizer),
            "scheduler": instantiate(cfg.scheduler),
        }

    def unfrozen(self) -> "Experiment":
        """The same experiment on a copy of the network that may change, hence without a feature cache."""
        cfg = copy.deepcopy(self.cfg)
        cfg.cache.enabled = False
        return dataclasses.replace(self, cfg=cfg, model=copy.deepcopy(self.model))

    def at(self, point: Any) -> "Experiment":
        """The same network and data with another operating point configured.

        Args:
            point: Has `latent_channels`, `stride`, `step` and `alpha`.
        """
        cfg = copy.deepcopy(self.cfg)
        cfg.alpha = point.alpha
        cfg.unit.update(latent_channels=point.latent_channels, stride=point.stride, step=point.step)
        return dataclasses.replace(self, cfg=cfg)

    def reference(self, net: SplitModel, features: Features, subset: str) -> Reference:
        """What the frozen network does on a subset, for many calls of `measure`."""
        return reference_on(net, features.batches(subset), self.task, self.image)

    def measure(
        self,
        net: SplitModel,
        features: Features,
        methods: list[Method],
        subset: str,
        reference: Reference | None = None,
    ) -> list[Result]:
        """Rows for the frozen network and every method on a subset."""
        about = {"dataset": self.images.name, "model": self.model.name, "seed": self.cfg.seed}
        return evaluate(net, features.batches(subset), methods, self.task, self.image, about, reference)

    def bundle(self, net: SplitModel, method: Method, result: dict[str, Any]) -> Bundle:
        """The operating point of a trained unit's method, ready to be saved."""
        assert method.unit is not None, "an untrained method has no bundle"
        options = cast(dict[str, Any], OmegaConf.to_container(self.cfg.model, resolve=True))
        model = {key: value for key, value in options.items() if key != "cache_dir"}  # this machine's path
        return Bundle(
            unit=method.unit.eval(),
            codec=method.codec,
            split=net.point.name,
            network=weights_identity(self.model),
            task=self.task.name,
            image_shape=self.images.image_shape,
            preprocessing=self.images.preprocessing,
            model=model,
            result={**result, "alpha": self.cfg.alpha},
        )


def suite_methods(suite: DictConfig, net: SplitModel, at: str) -> list[Method]:
    """The suite's untrained methods at a split point, without those whose library is missing.

    Args:
        suite: The `suite` group: for `feature` and `input` a mapping from method name to codec options.
        net: The network, split where the methods are to be measured.
        at: `feature` or `input`.
    """
    layout = net.point.layout
    shape = shape_channels_first(net.point.shape, layout)
    methods = []
    for name, options in (suite[at] or {}).items():
        try:
            methods.append(Method(name, codecs.create(shape=shape, **options), Untransformed(layout)))
        except codecs.MissingLibraryError as error:
            log.warning("%s is not measured: %s", name, error)
    return methods


def torch_device(name: str) -> torch.device:
    """The device of a configuration: `auto` takes the GPU where there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"device={name} is unknown. Use auto, cpu or cuda.") from error


def latent_codec(unit: Unit, options: Mapping[str, Any]) -> codecs.Codec:
    """A codec for a unit's symbols, or for its latent, without tables yet.

    Args:
        unit: Its latent's shape is the codec's.
        options: The codec's name and options, as the group `codec` has them.

    Raises:
        ValueError: If the codec is unknown or codes something else.
    """
    codec = codecs.create(shape=unit.latent_shape, **options)
    if codec.input not in ("symbols", "feature"):
        raise ValueError(
            f"codec {codec.name!r} codes {codec.input}, a bottleneck sends symbols or its latent. "
            f"Choose from {codecs.names('symbols') + codecs.names('feature')}."
        )
    return codec


def also_methods(cfg: DictConfig, unit: Unit, row: str, codec: str) -> list[Method]:
    """The latent of a unit through further codecs, unfitted: a row `<row>-<codec>` for each.

    Args:
        cfg: The composed configuration; `also_codecs` names the codecs.
        unit: Trained, or to be trained before the methods are fitted.
        row: What the unit's row through its own codec is called.
        codec: That codec's name, which is left out.

    Raises:
        ValueError: If a codec is unknown or codes neither symbols nor the latent.
    """
    return [
        Method.of_unit(f"{row}-{name}", latent_codec(unit, {"name": name}), unit)
        for name in cfg.also_codecs
        if name != codec
    ]
