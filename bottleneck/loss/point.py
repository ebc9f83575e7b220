"""One operating point before it is trained: everything that decides its rate and its accuracy."""

import difflib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from bottleneck import codecs
from bottleneck.loss.objectives import Objective, TaskLoss
from bottleneck.loss.rates import L1Rate, RateFactory
from bottleneck.loss.total import check_alpha
from bottleneck.unit import unit_class

_FROM_FEATURES = ("features", "replaced")  # given by the cut, never by the user


@dataclass(frozen=True)
class OperatingPoint:
    """What is trained, and towards what; checked when it is made.

    Attributes:
        unit: Options of the unit, such as `latent_channels`, `stride` and `step`.
        alpha: Weight of the task in the loss; larger: more rate, better task.
        kind: The unit's kind, one of `bottleneck.unit.UNITS`.
        rate: Makes what is paid for the latent from its shape and the pixels of an image.
        objective: What is weighed against the rate.
        codec: Name and options of the codec that makes the bytes.
        seed: Of the unit's first weights and of the order of samples.

    Raises:
        ValueError: If a kind, a codec or an option is unknown, a number out of range, or the codec codes
            neither symbols nor latents.
    """

    unit: Mapping[str, Any]
    alpha: float
    kind: str = "depthwise"
    rate: RateFactory = L1Rate
    objective: Objective = field(default_factory=TaskLoss)
    codec: Mapping[str, Any] = field(default_factory=lambda: {"name": "range"})
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "alpha", check_alpha(self.alpha))
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
        self.rate((1, 1, 1), 1)  # its own options are checked now
        # Of a codec's options all but its shape are known already.
        coded = codecs.create(shape=(1, 1, 1), **self.codec).input
        if coded not in ("symbols", "feature"):
            raise ValueError(
                f"codec {self.codec['name']!r} codes {coded}, a bottleneck sends symbols or its latent. "
                f"Choose from {codecs.names('symbols') + codecs.names('feature')}."
            )

    @property
    def replaces(self) -> bool:
        """Whether the unit takes the place of the module at the split point."""
        return unit_class(self.kind).replaces

    def at(self, *, alpha: float, **unit: Any) -> Self:
        """The same point with another alpha and other options of the unit."""
        return replace(self, alpha=alpha, unit={**self.unit, **unit})
