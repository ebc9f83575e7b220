"""How activations are distributed: an asymmetric Laplace density behind a leaky ReLU.

::

    X ~ asymmetric Laplace(rate, location, asymmetry) ─► Y = X where X >= 0, slope · X elsewhere

              mass or a steep piece ┐
    density of Y:  ── left tail ──── 0 ── up to the location ── right tail ──►      exponentials all

Mean and variance of training features fix rate and location; from then on the squared error of any range of
levels is a sum of closed-form integrals, so the best range is found without touching a feature again.

Source: Cohen, Choi and Bajić, "Lightweight compression of neural network feature tensors for collaborative
intelligence", ICME 2020, arXiv:2105.06002. Locations above 0 and networks without an activation (slope 1)
are ours.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Asymmetry of the papers' model; 1, the symmetric density, suits features without an activation.
ASYMMETRY = 0.5

_MOST_SCALED_LOCATION = 50.0  # beyond, Y hardly differs from a constant, or from always 0
_TAIL = 60.0  # a tail's density falls by e^-60 within so many of its decay lengths


class _Pieces(NamedTuple):
    """Densities ``scale · exp(growth · (y - anchor))`` on ``low .. high``, each of shape ``(n, 1)``."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    scale: NDArray[np.float64]
    growth: NDArray[np.float64]
    anchor: NDArray[np.float64]

    def second_moment(self, edges: NDArray[np.float64], centres: NDArray[np.float64]) -> float:
        """Sum over cells of the integral of ``(y - centre)^2`` times the density.

        Args:
            edges: Of the cells, rising, infinite ones allowed. Shape ``(n_cells + 1,)``.
            centres: One per cell. Shape ``(n_cells,)``.
        """
        y = np.clip(edges, self.low, self.high)
        is_end = np.isinf(y)  # of a tail, where the density is 0
        y = np.where(is_end, self.anchor, y)
        density = np.where(is_end, 0.0, self.scale * np.exp(self.growth * (y - self.anchor)))
        upper = density[:, 1:] * self._polynomial(y[:, 1:] - centres)
        return float((upper - density[:, :-1] * self._polynomial(y[:, :-1] - centres)).sum())

    def _polynomial(self, d: NDArray[np.float64]) -> NDArray[np.float64]:
        """What the antiderivative of ``d^2 exp(growth · d)`` is times that exponential."""
        return ((d - 2 / self.growth) * d + 2 / self.growth**2) / self.growth


@dataclass(frozen=True)
class ActivationModel:
    """The density of activations.

    Attributes:
        rate: lambda, above 0: how fast the density of X falls, per unit of the feature.
        location: mu: the mode of X, in units of the feature.
        slope: Of the activation for negative values, 0 to 1. 0: ReLU, which leaves a mass at 0;
            1: no activation.
        asymmetry: kappa, above 0: below 1, the tail to the right is the longer one.
    """

    rate: float
    location: float
    slope: float = 0.0
    asymmetry: float = ASYMMETRY

    @classmethod
    def from_moments(
        cls, mean: float, variance: float, slope: float = 0.0, asymmetry: float = ASYMMETRY
    ) -> ActivationModel:
        """The model with this mean and variance of Y.

        Scaled by the rate, mean over deviation depends on one unknown only, and rises with it.

        Raises:
            ValueError: If no such model has these moments, as where features hardly vary.
        """
        from scipy.optimize import brentq  # loads slowly

        def excess(scaled_location: float) -> float:
            unit_mean, unit_variance = cls(1.0, scaled_location, slope, asymmetry).moments
            return unit_mean / math.sqrt(unit_variance) - mean / deviation

        deviation = math.sqrt(variance) if variance > 0 else math.nan
        low, high = -_MOST_SCALED_LOCATION, _MOST_SCALED_LOCATION
        if not (math.isfinite(mean) and excess(low) <= 0 <= excess(high)):
            raise ValueError(
                f"no asymmetric Laplace density behind slope {slope} has mean {mean:.6g} and variance "
                f"{variance:.6g}. Set the range in another way, such as clipping='empirical'."
            )
        scaled_location = float(brentq(excess, low, high, xtol=1e-13, rtol=1e-13))
        unit_variance = cls(1.0, scaled_location, slope, asymmetry).moments[1]
        rate = math.sqrt(unit_variance) / deviation
        return cls(rate, scaled_location / rate, slope, asymmetry)

    @property
    def moments(self) -> tuple[float, float]:
        """Mean and variance of Y."""
        # E[(y - c)^2] at c = 0 and c = 1: their difference is 1 - 2 mean.
        at_0, at_1 = (
            self._pieces.second_moment(_EVERYWHERE, np.array([c])) + self._mass_at_zero * c**2
            for c in (0.0, 1.0)
        )
        mean = (1 - at_1 + at_0) / 2
        return mean, at_0 - mean**2

    def density(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Density of Y, without the mass that a ReLU leaves at 0. Shape as `y`, ``(n,)``."""
        low, high, scale, growth, anchor = self._pieces
        inside = (y >= low) & (y < high)
        exponent = np.where(inside, growth * (y - anchor), -np.inf)
        pieces: NDArray[np.float64] = scale * np.exp(exponent)
        return np.asarray(pieces.sum(axis=0))

    def squared_error(self, low: float, high: float, n_levels: int) -> float:
        """Mean squared error of the uniform quantizer with its outer levels at the ends of a range.

        Clipping is part of it: what lies outside goes to the nearest end.
        """
        values = np.linspace(low, high, n_levels)
        edges = np.concatenate([[-np.inf], (values[1:] + values[:-1]) / 2, [np.inf]])
        error_at_zero = float(np.abs(values).min()) ** 2
        return self._pieces.second_moment(edges, values) + self._mass_at_zero * error_at_zero

    @property
    def support(self) -> tuple[float, float]:
        """Where Y practically lies: beyond, its density has fallen by e^-60."""
        right = max(self.location, 0.0) + _TAIL / (self.rate * self.asymmetry)
        left = min(self.location, 0.0) - _TAIL * self.asymmetry / self.rate
        return self.slope * left, right

    @functools.cached_property
    def _pieces(self) -> _Pieces:
        """The density of Y without its mass at 0: that of X, cut at 0 and at the location, then stretched."""
        scale = self.rate / (self.asymmetry + 1 / self.asymmetry)
        location, slope = self.location, self.slope
        pieces = []
        for low, high, growth in (
            (-math.inf, location, self.rate / self.asymmetry),
            (location, math.inf, -self.rate * self.asymmetry),
        ):
            if high > 0:
                pieces.append((max(low, 0.0), high, scale, growth, location))
            if low < 0 and slope > 0:
                left, right = slope * low, slope * min(high, 0.0)
                pieces.append((left, right, scale / slope, growth / slope, slope * location))
        return _Pieces(*np.array(pieces).T[:, :, None])

    @functools.cached_property
    def _mass_at_zero(self) -> float:
        """Probability of exactly 0."""
        if self.slope > 0:
            return 0.0
        rate, kappa, location = self.rate, self.asymmetry, self.location
        if location > 0:
            return kappa**2 / (1 + kappa**2) * math.exp(-rate / kappa * location)
        return 1 - math.exp(rate * kappa * location) / (1 + kappa**2)


_EVERYWHERE = np.array([-np.inf, np.inf])
