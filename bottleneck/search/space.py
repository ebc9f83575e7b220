"""The search space: what an operating point is drawn from.

Source: Datta et al., ICPR 2022: uniform over the discrete C_r and S, uniform over Q, and alpha = 10^L with
L uniform.
"""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from optuna import Trial

from bottleneck.loss import OperatingPoint

_TARGETS = {"target_bytes": "a payload", "target_drop": "a drop"}


@dataclass(frozen=True)
class Space:
    """Choices and ranges of the four parameters; a single value pins one.

    Attributes:
        latent_channels: Choices of C_r.
        stride: Choices of S.
        step: Lowest and highest Q.
        log10_alpha: Lowest and highest L, with alpha = 10^L.
        target_bytes: Lowest and highest payload that is aimed at, uniform in its logarithm, in place of
            alpha; `None`: alpha is drawn.
        target_drop: Lowest and highest drop of the metric that is aimed at, likewise.
    """

    latent_channels: Sequence[int]
    stride: Sequence[int]
    step: Sequence[float]
    log10_alpha: Sequence[float]
    target_bytes: Sequence[float] | None = None
    target_drop: Sequence[float] | None = None

    def __post_init__(self) -> None:
        for name in ("latent_channels", "stride"):
            choices = _as_tuple(getattr(self, name))
            if not choices or not all(is_number(each) and each == each // 1 >= 1 for each in choices):
                raise ValueError(f"space.{name}={choices}: give positive whole numbers to choose from.")
            object.__setattr__(self, name, tuple(int(choice) for choice in choices))
        for name in ("step", "log10_alpha", *_TARGETS):
            if getattr(self, name) is None and name in _TARGETS:
                continue
            given = _as_tuple(getattr(self, name))
            limits = given * 2 if len(given) == 1 else given
            if len(limits) != 2 or not all(map(is_number, limits)) or not limits[0] <= limits[1] < math.inf:
                raise ValueError(f"space.{name}={given}: give [lowest, highest], or one value to pin it.")
            if name == "log10_alpha" and limits[1] > sys.float_info.max_10_exp:
                raise ValueError(
                    f"space.log10_alpha={given}: alpha = 10^L is too large a number. Use L up to "
                    f"{sys.float_info.max_10_exp}, such as 1.5."
                )
            object.__setattr__(self, name, tuple(float(limit) for limit in limits))
        for name, what in (("step", "a quantization step"), *_TARGETS.items()):
            if getattr(self, name) is not None and getattr(self, name)[0] <= 0:
                raise ValueError(f"space.{name}={getattr(self, name)}: {what} must be positive.")
        if self.target_bytes is not None and self.target_drop is not None:
            raise ValueError(
                f"space.target_bytes={self.target_bytes} and space.target_drop={self.target_drop} exclude "
                "each other. Set one of them to null."
            )

    def fitting(self, size: tuple[int, int]) -> "Space":
        """The space without strides as large as the feature map's height or width.

        Raises:
            ValueError: If no stride is left.
        """
        strides = tuple(stride for stride in self.stride if stride < min(size) or stride == 1)
        if not strides:
            raise ValueError(f"space.stride={self.stride}: none is smaller than the feature map {size}.")
        return replace(self, stride=strides)

    def check(self, point: OperatingPoint) -> None:
        """Refuse targets that no training from this point can have, before anything is computed.

        Raises:
            ValueError: As the operating point does.
        """
        for name in _TARGETS:
            for limit in getattr(self, name) or ():
                point.at(**{name: limit})

    def draw(self, trial: Trial) -> dict[str, float]:
        """What a trial trains: `latent_channels`, `stride`, `step`, and `alpha` or a target."""
        drawn = {
            "latent_channels": trial.suggest_categorical("latent_channels", self.latent_channels),
            "stride": trial.suggest_categorical("stride", self.stride),
            "step": trial.suggest_float("step", *self.step),
        }
        for name in _TARGETS:
            if (limits := getattr(self, name)) is not None:
                return {**drawn, name: trial.suggest_float(name, *limits, log=True)}
        return {**drawn, "alpha": 10 ** trial.suggest_float("log10_alpha", *self.log10_alpha)}


def is_number(value: Any) -> bool:
    """Whether a value is one, and no word or yes and no."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _as_tuple(value: float | Sequence[float]) -> tuple[float, ...]:
    return tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else (value,)
