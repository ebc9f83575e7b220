"""A cut: a frozen network, a data set and a task at one split point.

                 ┌──► features ──┬──► new_unit, training
    images ─► head               ├──► fit: tables of codecs
                 │               └──► measure: rows, beside what the frozen network does
                 └──────────────────► frozen: its own row

Training, evaluation, search and analyses start from one. What is the same at every split point, the network,
the data and what the frozen network makes of them, is shared by `at`.
"""

import copy
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from bottleneck import codecs
from bottleneck.channel import Channel
from bottleneck.data.base import ImageData
from bottleneck.data.fitting import output_for
from bottleneck.deploy.bundle import Bundle
from bottleneck.devices import device_of
from bottleneck.features import CachedFeatures, FeatureCache, LiveFeatures, features_of
from bottleneck.features.probes import check_probes, with_probes
from bottleneck.features.sources import head_output
from bottleneck.identity import behaviour, unwrapped, weights_identity
from bottleneck.loss.point import OperatingPoint
from bottleneck.measure.harness import Measured, Tally, Times, judge_frozen, measure, row, time_halves
from bottleneck.measure.health import guesses
from bottleneck.measure.results import Result
from bottleneck.models import Network
from bottleneck.splitting import SplitModel, split, split_open, trace
from bottleneck.tasks import Task
from bottleneck.unit import Unit, unit_class
from bottleneck.unit.fitting import unit_for


class Cut:
    """A frozen network on a data set, cut at one split point.

    Args:
        model: The network, on the device where everything is to run.
        images: The data set, set up. What it leaves open of sizes is as the network's own library has it.
        task: Loss and metrics.
        at: The split point's name; where several tensors are sent together, their names joined by `+`, or
            the last of them.
        kind: Kind of the units that will stand there. A kind that replaces the module at the split point
            moves the end of the head before it.
        open_cut: Whether the cut need not be closed; it can then be measured, and not deployed.
        cache: Where features are kept; `None`: the head runs on every batch.
        made: How the network was made, for bundles.

    Attributes:
        net: The network in two halves, frozen.
        image: One image, uint8 `(1, C, H, W)`, on the network's device.
        trainable: What is trained here: `bottleneck`, with it `tail`, or `all` of the network.

    Raises:
        ValueError: If network and data set disagree about channels, sizes or classes, or the cut is not
            closed.
    """

    def __init__(
        self,
        model: Network,
        images: ImageData,
        task: Task,
        at: str,
        *,
        kind: str | None = None,
        open_cut: bool = False,
        cache: FeatureCache | None = None,
        made: Mapping[str, Any] | None = None,
    ):
        model = cast(Network, unwrapped(model))
        self.images = images = images.suited(model.preprocessing)
        self.model, self.task, self.cache = model, task, cache
        self.made = dict(made or {})
        self.image: Tensor = images.subset("val")[0][0][None].to(device_of(model))
        task.check_output(output_for(model, images, self.image), self.image)
        self._tallies: dict[str, Tally] = {}
        self.trainable = "bottleneck"
        self._original: Cut | None = None  # with the network as it was, where this one may change
        self._split(at, kind, open_cut)

    def __repr__(self) -> str:
        return f"Cut of {self.model.name} at {self.net.point}, on {self.images.name}"

    def _split(self, at: str, kind: str | None, open_cut: bool) -> None:
        self.open_cut = open_cut
        if open_cut:
            self.net: SplitModel = split_open(trace(self.model, self.image), at).freeze()
        else:
            replace = kind is not None and at != "input" and unit_class(kind).replaces
            self.net = split(self.model, at, self.image, replace).freeze()
        self._times: dict[str, Times] = {}
        self.__dict__.pop("features", None)  # those of another split point

    def at(self, at: str, kind: str | None = None) -> "Cut":
        """The same network and data at another split point; see the constructor."""
        other = copy.copy(self)  # it shares what the frozen network did with the samples
        other._split(at, kind, open_cut=False)
        return other

    def unfrozen(self, kind: str) -> "Cut":
        """The same cut of a copy of the network that may change, compared with the network as it is."""
        other = copy.copy(self)
        other._original, other.trainable = self, "all"
        other.model, other.cache = copy.deepcopy(self.model), None
        other._split(self.net.point.name, kind, self.open_cut)
        return other

    def with_own_tail(self, weights: Mapping[str, Tensor] | None = None) -> "Cut":
        """The same cut with a copy of the tail that may change, compared with the network as it is.

        Args:
            weights: The copy's state dict; `None`: as the network's tail is.
        """
        other = copy.copy(self)  # the head is the same, and so are its features
        other._original, other.trainable = self, "tail"
        other.net = self.net.with_own_tail(weights)
        return other

    @cached_property
    def features(self) -> CachedFeatures | LiveFeatures:
        """What the head gives on every subset, from the cache where there is one."""
        at_input = self.net.point.name == "input"  # images are stored already
        return features_of(self.images, self.net, None if at_input else self.cache)

    def probed(self, count: int) -> CachedFeatures:
        """The features, with gradient probes of what trains and validates in their batches.

        They are computed once; see `features.probes`.

        Args:
            count: For each sample.

        Raises:
            ValueError: If the network returns no logits, or so few classes have fewer directions, before
                anything is computed; if features are not cached, or there is no room for probes.
        """
        check_probes(count, self.task, output_for(self.model, self.images, self.image))
        return with_probes(self.features, self.net, self.task, self.cache, count)

    @property
    def pixels(self) -> int:
        """Pixels of the image that enters the head, over which rates are counted."""
        return self.image.shape[-2] * self.image.shape[-1]

    def check(self, point: OperatingPoint) -> None:
        """Refuse a point whose unit cannot stand here, before features are computed.

        Raises:
            ValueError: As `new_unit`.
        """
        with torch.no_grad():
            given, _ = head_output(self.net, self.image, ())
            pair = torch.cat([given, given])  # of one value no BatchNorm knows how it varies
            unit_for(self.net, pair, point.kind, point.unit)

    def new_unit(self, point: OperatingPoint) -> Unit:
        """An untrained unit that fits the features here.

        Raises:
            ValueError: If this is the uint8 image itself, or the unit does not take such features.
        """
        given, _ = next(iter(self.features.batches("train")))
        return unit_for(self.net, given, point.kind, point.unit)

    def channel(self, codec: codecs.Codec, unit: Unit | None = None, **label: Any) -> Channel:
        """A channel at this cut.

        Args:
            codec: Its tables may be fitted later, by `fit`.
            unit: What stands here; `None`: the feature itself is coded.
            label: The channel's `name`, `family` and `setting`.
        """
        point = self.net.point
        where: dict[str, Any] = {"layout": point.layout, "parts": point.parts, "adapter": self.net.adapter}
        return Channel(codec, unit, **where, **label)

    def codec(self, name: str, **options: Any) -> codecs.Codec:
        """A codec for the feature itself.

        Raises:
            MissingLibraryError: If the codec's library is not installed.
            ValueError: If an option is unknown or out of range.
        """
        shapes = [part.layout.shape_channels_first(part.shape) for part in self.net.point.sent]
        return codecs.for_parts(shapes, name, **options)

    def fit(self, channels: Sequence[Channel]) -> None:
        """Fit the codecs' tables on the training samples."""
        for channel in channels:
            channel.fit(self.features.batches("train"))

    def frozen(self, subset: str = "val") -> Result:
        """What the frozen network does on a subset, computed once for all cuts of it."""
        tally = self._tally(subset)
        return row(tally, tally, method="frozen", kind="frozen", **self._about(subset))

    def measure(
        self, channels: Sequence[Channel], subset: str = "val", seed: int | None = None
    ) -> list[Result]:
        """A row for every channel on a subset, through real bytes.

        Args:
            channels: Their codecs fitted.
            subset: `train`, `select` or `val`.
            seed: Of the training, for the rows.
        """
        return [measured.row for measured in self.samples(channels, subset, seed)]

    def samples(
        self, channels: Sequence[Channel], subset: str = "val", seed: int | None = None
    ) -> list[Measured]:
        """As `measure`, and what became of each sample."""
        if not channels:
            return []
        frozen, about = self._tally(subset), self._about(subset)
        batches = self.features.batches(subset)
        found = measure(self.net, batches, channels, self.task, self.image, frozen, {**about, "seed": seed})
        for one in found:
            one.row.trainable = self.trainable if one.row.kind == "trained" else None
        return found

    def guesses(self, row: Result, subset: str = "val") -> str | None:
        """Why a trained channel with this row on a subset only guesses, and its cure, or `None`."""
        if row.metric != "accuracy_top1":  # of others nobody knows what guessing reaches
            return None
        classes = self.images.targets(subset)
        return guesses(row, float(np.bincount(classes).max() / len(classes)))

    def bundle(self, channel: Channel, result: Mapping[str, Any]) -> Bundle:
        """The operating point of a trained channel, ready to be saved.

        Raises:
            ValueError: If the channel has no unit, or the cut is open.
        """
        if channel.unit is None or not self.net.point.complete:
            raise ValueError(
                f"{channel.name} at {self.net.point.name} makes no bundle, which takes a trained unit at a "
                "closed cut."
            )
        return Bundle(
            unit=channel.unit.eval(),
            codec=channel.codec,
            split=self.net.point.name,
            network=weights_identity(self.model),
            behaviour=behaviour(self.model, self.images.image_shape),
            task=self.task.name,
            image_shape=self.images.image_shape,
            preprocessing=self.images.preprocessing,
            model=self.made,
            result=dict(result),
            tail=self.net.tail.state_dict() if self.trainable == "tail" else None,
        )

    def _tally(self, subset: str) -> Tally:
        if self._original is not None:
            return self._original._tally(subset)
        if subset not in self._tallies:
            self._tallies[subset] = judge_frozen(self.net, self.features.batches(subset), self.task)
        return self._tallies[subset]

    def _about(self, subset: str) -> dict[str, Any]:
        """What every row here says."""
        if subset not in self._times:
            batches = self.features.batches(subset)
            self._times[subset] = time_halves(self.net, batches, self.task, self.image)
        times = self._times[subset]
        return {
            "dataset": self.images.name,
            "model": self.model.name,
            "split": self.net.point.name,
            "beside": list(self.net.point.beside),
            "head_ms": times.head_ms,
            "tail_ms": times.tail_ms,
        }
