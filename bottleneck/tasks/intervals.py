"""95 % intervals: of proportions, within what is possible, and of whatever resampled samples show."""

import math

import numpy as np
from scipy.stats import binomtest

Interval = tuple[float, float]


def proportion_interval(value: float, n: int) -> Interval:
    """Wilson's interval of a proportion `value` that was seen on `n` samples."""
    found = binomtest(round(value * n), n).proportion_ci(0.95, method="wilson")
    return float(found.low), float(found.high)


def paired_interval(reference: np.ndarray, scores: np.ndarray) -> Interval:
    """Interval of the difference of two proportions, `reference` less `scores`, seen on the same samples.

    Where both agree on all samples it is narrow, and not empty: a few more samples might show a difference.

    Args:
        reference: 1 for each sample that was right, else 0. Shape `(n,)`.
        scores: The same samples, judged through something else.

    Source: Newcombe, "Improved confidence intervals for the difference between binomial proportions based on
    paired data", Statistics in Medicine 1998, method 10 without its correction for continuity.
    """
    n = len(reference)
    first, second = reference.mean(), scores.mean()
    (low_1, high_1), (low_2, high_2) = proportion_interval(first, n), proportion_interval(second, n)
    spread = math.sqrt(first * (1 - first) * second * (1 - second))
    correlation = ((reference * scores).mean() - first * second) / spread if spread else 0.0

    def half(left: float, right: float) -> float:
        return math.sqrt(max(0.0, left**2 - 2 * correlation * left * right + right**2))

    difference = first - second
    return (
        float(max(-1.0, difference - half(first - low_1, high_2 - second))),
        float(min(1.0, difference + half(high_1 - first, second - low_2))),
    )


def resamples(count: int, times: int) -> np.ndarray:
    """How often each of `count` samples counts in `times` bootstrap samples, the same for every call.

    Returns:
        `(times, count)`, float64.
    """
    drawn = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), size=times)
    return drawn.astype(np.float64)


def middle(values: np.ndarray, point: float) -> Interval:
    """The middle 95 % of resampled values, with the value of the samples themselves in any case."""
    low, high = np.percentile(values, [2.5, 97.5])
    return min(float(low), point), max(float(high), point)
