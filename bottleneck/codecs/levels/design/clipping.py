"""Where to clip a feature that is then quantized to few levels.

A narrow range cuts large values off, a wide one is coarse, and the best depends on the number of levels.
Every rule looks at training features only and gives both ends of the range.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable

import numpy as np

from bottleneck.codecs.levels.design.activation_model import ASYMMETRY, ActivationModel
from bottleneck.codecs.levels.design.training_values import SortedValues, TrainingValues

Range = tuple[float, float]

_GRID = np.geomspace(1e-3, 1, 12)  # distances of a range's ends from the mean, before the best is refined
_PERCENTILE = 99.9


def best_range(
    error: Callable[[float, float], float], values: Range, mean: float, deviation: float, free_low: bool
) -> Range:
    """The range of least error: the best of a grid, because there are local minima, then refined.

    Args:
        error: Of a range low .. high.
        values: Where values lie.
        mean: Of the values.
        deviation: Of the values, above 0.
        free_low: Whether the lower end is chosen too; else it is 0.
    """
    from scipy.optimize import minimize  # loads slowly

    def scaled_error(ends: np.ndarray) -> float:
        low, high = limits(ends)
        return error(low, high) / deviation**2 if low < high else np.inf

    def limits(ends: np.ndarray) -> Range:
        """From distances to the mean in deviations, the unit in which the search converges."""
        low, high = (mean + deviation * end for end in (ends[0], ends[-1]))
        return (float(low) if free_low else 0.0), float(high)

    below, above = ((end - mean) / deviation * _GRID for end in values)
    starts = itertools.product(below, above) if free_low else above[:, None]
    start = min((np.array(ends) for ends in starts), key=scaled_error)
    found = minimize(scaled_error, start, method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-13})
    return limits(found.x)


def from_model(values: TrainingValues, n_levels: int, slope: float, free_low: bool) -> Range:
    """The best range for the distribution that activations follow, given their mean and variance.

    Where no such distribution has these moments, the best range for the values themselves.
    """
    try:
        # Behind an activation the paper's asymmetry; without one, neither sign is special.
        asymmetry = ASYMMETRY if slope < 1 else 1.0
        model = ActivationModel.from_moments(values.mean, values.variance, slope, asymmetry)
    except ValueError:
        return from_values(values, n_levels, slope, free_low)
    error = functools.partial(model.squared_error, n_levels=n_levels)
    return best_range(error, model.support, values.mean, values.variance**0.5, free_low)


def from_values(values: TrainingValues, n_levels: int, slope: float, free_low: bool) -> Range:
    """The range of least squared error on the training values themselves."""
    error = functools.partial(uniform_error, values.draw, n_levels=n_levels)
    extremes = values.low, values.high
    return best_range(error, extremes, values.mean, values.variance**0.5, free_low)


def from_laplace_scale(values: TrainingValues, n_levels: int, slope: float, free_low: bool) -> Range:
    """Around the mean, as many mean deviations as suit a symmetric Laplace density.

    A range that starts at 0 is half of one with twice the levels.

    Source: Banner, Nahshan and Soudry, "Post training 4-bit quantization" (ACIQ), NeurIPS 2019; for numbers
    of levels that are no powers of two by the equation behind their table.
    """
    from scipy.special import lambertw  # loads slowly

    both_sides = n_levels if free_low else 2 * n_levels
    reach = float(lambertw(3 * both_sides**2).real) * float(np.abs(values.draw.values - values.mean).mean())
    return (values.mean - reach, values.mean + reach) if free_low else (0.0, reach)


def from_percentile(values: TrainingValues, n_levels: int, slope: float, free_low: bool) -> Range:
    """Cut off the largest 0.1 % of training values, and of the smallest where both ends are chosen."""
    low, high = np.percentile(values.draw.values, [100 - _PERCENTILE, _PERCENTILE])
    return (float(low) if free_low else 0.0), float(high)


def from_extremes(values: TrainingValues, n_levels: int, slope: float, free_low: bool) -> Range:
    """Cut off nothing."""
    return (values.low if free_low else 0.0), values.high


def uniform_error(values: SortedValues, low: float, high: float, n_levels: int) -> float:
    """Mean squared error of the uniform quantizer with its outer levels at the ends of a range."""
    levels = np.linspace(low, high, n_levels)
    counts, sums, squares = values.cells((levels[1:] + levels[:-1]) / 2)
    return float((squares - 2 * levels * sums + levels**2 * counts).sum()) / values.values.size


#: Rule by name. Each takes training values, the number of levels, the slope of the activation below 0 (1
#: where there is none), and whether the lower end is chosen too; else it is 0.
RULES: dict[str, Callable[[TrainingValues, int, float, bool], Range]] = {
    "model": from_model,
    "empirical": from_values,
    "aciq": from_laplace_scale,
    "percentile": from_percentile,
    "minmax": from_extremes,
}
