"""One operating point before it is trained: everything that decides its rate and its accuracy."""

import difflib
import inspect
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from torch import nn

from bottleneck.loss.density import DensityRate
from bottleneck.loss.drop import DropTarget
from bottleneck.loss.objectives import Objective, TaskLoss
from bottleneck.loss.rates import L1Rate, RateFactory, SumOfRates
from bottleneck.loss.several import SeveralLosses
from bottleneck.loss.target import ByteTarget
from bottleneck.loss.total import Loss, check_alpha
from bottleneck.unit import latent_codec, unit_class
from bottleneck.unit.base import check_whole
from bottleneck.unit.quantizer import check_step

SPAN = 8.0  # the largest of several rates over the smallest
_NEAR = 0.05  # of the bytes asked for: who ends as near has got them
# What the cut gives, never the user.
_FROM_FEATURES = ("features", "replaced", "channels", "size", "layout", "out_channels", "class_tokens")
_COUNTS = ("latent_channels", "stride")


@dataclass(frozen=True, eq=False)
class OperatingPoint:
    """What is trained, and towards what; checked when it is made.

    Attributes:
        unit: Options of the unit, such as `latent_channels`, `stride` and `step`.
        alpha: Weight of the task in the loss; larger: more rate, better task.
        kind: The unit's kind, one of `bottleneck.unit.UNITS`.
        rate: Makes what is paid for the latent from its shape, the pixels of an image and the step.
        objective: What is weighed against the rate.
        target_bytes: Mean payload that is wanted; the price of the rate adapts to it while training (needs a
            rate in bits). `None`: the rate is paid as it is.
        headroom: Towards how many times that payload the training is steered, 1 to 2; the quantization step
            brings it down at the end. Coarse steps behind a training with finer ones lose less than one
            towards few bytes does.
        target_drop: Metric below the frozen network's that is wanted instead, such as 0.01, judged on the
            samples of `select`.
        rates: At how many rates one unit is trained, from `target_bytes` down to `SPAN` times less.
        codec: Name and options of the codec that makes the bytes.
        losses: What of a quantized latent is lost while the unit trains (`unit.losses`).
        seed: Of the unit's first weights and of the order of samples.

    Raises:
        ValueError: If a kind, a codec or an option is unknown, an option missing, a number out of range, two
            targets are given, or the codec codes neither symbols nor latents.
    """

    unit: Mapping[str, Any]
    alpha: float
    kind: str = "depthwise"
    rate: RateFactory = L1Rate
    objective: Objective = field(default_factory=TaskLoss)
    target_bytes: float | None = None
    headroom: float = 1.0
    target_drop: float | None = None
    rates: int = 1
    codec: Mapping[str, Any] = field(default_factory=lambda: {"name": "range"})
    losses: nn.Module = field(default_factory=nn.Identity)
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "alpha", check_alpha(self.alpha))
        for name in ("unit", "codec"):
            if not isinstance(given := getattr(self, name), Mapping):
                raise ValueError(f"{name}={given!r} must be a mapping of options.")
            object.__setattr__(self, name, dict(given))
        self._check_unit()
        self.loss([(1, 1, 1)], 1, 1.0)  # the rate's own options are checked now
        whole = isinstance(self.seed, numbers.Real) and not float(self.seed) % 1
        if not whole or not 0 <= self.seed < 2**32:
            raise ValueError(f"seed={self.seed} must be a whole number from 0 to {2**32 - 1}.")
        check_whole("rates", self.rates)
        if self.rates > 1:
            self.losses_by_rate((1, 1, 1), 1)
        if not isinstance(self.headroom, numbers.Real) or not 1 <= float(self.headroom) <= 2:
            raise ValueError(f"headroom={self.headroom} must be from 1 to 2, as far as a step goes.")
        if self.rates > 1 and self.headroom > 1:
            raise ValueError(
                f"headroom={self.headroom} is for one payload, and unit.rates={self.rates} for several."
            )
        if "name" not in self.codec:
            raise ValueError(f"codec={dict(self.codec)} has no name. Give one, such as range.")
        latent_codec([(1, 1, 1)], **self.codec)  # of a codec's options all but its shape are known

    def _check_unit(self) -> None:
        """Refuse options that no such unit has or can do without, and those that count nothing."""
        known = {
            name: parameter
            for function in (unit_class(self.kind), unit_class(self.kind).from_features)
            for name, parameter in inspect.signature(function).parameters.items()
            if name not in _FROM_FEATURES and parameter.kind != inspect.Parameter.VAR_KEYWORD
        }
        for name in self.unit:
            if name not in known:
                similar = difflib.get_close_matches(name, known, n=3) or sorted(known)
                raise ValueError(f"unit.{name} is no option of unit {self.kind!r}. Similar names: {similar}.")
        for name, parameter in known.items():
            if parameter.default is inspect.Parameter.empty and name not in self.unit:
                raise ValueError(f"unit {self.kind!r} needs unit.{name}.")
        for name, value in self.unit.items():
            each = value if isinstance(value, (list, tuple)) else [value]  # one for each of several tensors
            for own in each:
                if name in _COUNTS:
                    check_whole(name, own)
                elif name == "step":
                    check_step(own)

    def loss(self, latent_shapes: Sequence[tuple[int, ...]], pixels: int, step: float) -> Loss:
        """What training minimises, for a unit with such latents (`Unit.latent_shapes`); see `Rate`."""
        rates = [self.rate(shape, pixels, step) for shape in latent_shapes]
        rate = rates[0] if len(rates) == 1 else SumOfRates(rates)
        return Loss(rate, self.alpha, self._target())

    def losses_by_rate(self, latent_shape: tuple[int, ...], pixels: int) -> SeveralLosses:
        """What training minimises at each of several rates, for latents in steps of the quantizer.

        Raises:
            ValueError: If no payload is asked for, or the rate is no density of each channel.
        """
        if self.target_bytes is None:
            raise ValueError(
                f"unit.rates={self.rates} are rates up to target_bytes=; set it, with rate=density."
            )
        targets = self.target_bytes * SPAN ** -np.linspace(0, 1, self.rates)
        rate = self.rate(latent_shape, pixels, 1.0)  # of all of them: the latent is the same
        if not isinstance(rate, DensityRate):
            raise ValueError(
                f"unit.rates={self.rates} share a density of the latent, and {type(rate).__name__} has none. "
                "Use rate=density."
            )
        return SeveralLosses([Loss(rate, self.alpha, ByteTarget(float(target))) for target in targets])

    def _target(self) -> ByteTarget | DropTarget | None:
        if self.target_bytes is not None and self.target_drop is not None:
            raise ValueError(
                f"target_bytes={self.target_bytes} and target_drop={self.target_drop} exclude each other: "
                "one price cannot follow both. Set one of them to null."
            )
        if self.target_drop is not None:
            return DropTarget(self.target_drop)
        return None if self.target_bytes is None else ByteTarget(self.target_bytes, headroom=self.headroom)

    @property
    def replaces(self) -> bool:
        """Whether the unit takes the place of the module at the split point."""
        return unit_class(self.kind).replaces

    def missed(self, sent: float, lost: tuple[float, float]) -> str | None:
        """How what was measured differs from what was asked for, and the cure; `None` where it does not.

        Args:
            sent: Mean payload in bytes.
            lost: Interval of the metric below the frozen network's.
        """
        if self.target_drop is not None and lost[0] > self.target_drop:
            return (
                f"{lost[0]:.4f} of the metric and more is lost, above target_drop={self.target_drop:g}: "
                "further bytes buy this unit next to nothing. Train longer (trainer.max_epochs), or give it "
                "more channels (unit.latent_channels)."
            )
        if self.target_bytes is None or self.rates > 1 or abs(sent / self.target_bytes - 1) <= _NEAR:
            return None
        differs = "these images differ from those that it was weighed on (data.holdout)"
        if sent > self.target_bytes:
            return (
                f"{sent:.1f} bytes are sent, more than target_bytes={self.target_bytes:g}: {differs}, or the "
                "training was too short to get there (trainer.max_epochs)."
            )
        return (
            f"{sent:.1f} bytes are sent, fewer than target_bytes={self.target_bytes:g}: {differs}, or "
            "further ones buy this unit next to nothing. Ask for fewer, or give it more channels "
            "(unit.latent_channels)."
        )

    def at(
        self,
        *,
        alpha: float | None = None,
        target_bytes: float | None = None,
        target_drop: float | None = None,
        **unit: Any,
    ) -> Self:
        """The same point with another alpha, another target of either kind, other options of the unit."""
        keeps = target_bytes is None and target_drop is None
        return replace(
            self,
            alpha=self.alpha if alpha is None else alpha,
            target_bytes=self.target_bytes if keeps else target_bytes,
            target_drop=self.target_drop if keeps else target_drop,
            unit={**self.unit, **unit},
        )
