"""Operating points compared: which ones to keep, and how much better one set is than another.

    (rate, value) of trials ──► frontier ──┬──► hypervolume        one search, one number
                                           ├──► rate_at            bytes at a stated value
                                           └──► bd_rate, bd_value  one frontier against another

A rate is smaller-is-better, in bytes, bits or bpp as long as one comparison keeps to one unit; a value is
larger-is-better, a task metric in [0, 1] or any other. Nothing is assumed about the order of the points,
and every function reduces them to their frontier first, so dominated points never change an answer.
"""

import math

import numpy as np
from numpy.typing import ArrayLike


def _checked(rates: ArrayLike, values: ArrayLike, of: str = "") -> tuple[np.ndarray, np.ndarray]:
    """Both as float64, `(n,)`; the errors call them `{of}rates` and `{of}values`."""
    rate, value = np.asarray(rates, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if rate.ndim != 1 or rate.shape != value.shape:
        raise ValueError(
            f"{of}rates has shape {rate.shape} and {of}values {value.shape}. "
            "Give one rate and one value per operating point, both of shape (n,)."
        )
    for name, numbers in (("rates", rate), ("values", value)):
        wrong = np.flatnonzero(~np.isfinite(numbers))
        if len(wrong):
            raise ValueError(
                f"{of}{name}[{wrong[0]}]={numbers[wrong[0]]} is not finite. "
                "Leave out operating points that were not measured."
            )
    return rate, value


def _log_rates(rates: np.ndarray, of: str = "") -> np.ndarray:
    """Natural logarithms, `(n,)`."""
    wrong = np.flatnonzero(rates <= 0)
    if len(wrong):
        raise ValueError(
            f"{of}rates[{wrong[0]}]={rates[wrong[0]]} has no logarithm. Give positive rates; "
            "a method that sends nothing is no point on this axis."
        )
    found: np.ndarray = np.log(rates)
    return found


def frontier(rates: ArrayLike, values: ArrayLike) -> np.ndarray:
    """Find the operating points that no other point beats: less rate or more value, and neither worse.

    Comparisons are exact. Of equal points the first is kept; of points with equal rates only the best
    value, of points with equal values only the smallest rate. Round the inputs first if smaller
    differences should not count.

    Args:
        rates: Smaller is better. Shape `(n,)`; `n` may be 0.
        values: Larger is better. Shape `(n,)`.

    Returns:
        Indices into the inputs, by rising rate, hence by rising value. Shape `(k,)`, k <= n.

    Raises:
        ValueError: If the shapes differ or a number is NaN or infinite; the message gives its index.

    Source: Datta et al., ICPR 2022: sort by bpp, keep strict improvements.
    """
    rate, value = _checked(rates, values)
    order = np.lexsort((-value, rate))  # stable, so of equal points the first comes first
    best_before = np.maximum.accumulate(np.concatenate(([-np.inf], value[order])))[:-1]
    return order[value[order] > best_before]


def hypervolume(rates: ArrayLike, values: ArrayLike, reference: tuple[float, float]) -> float:
    """Measure the area that operating points dominate, up to a reference point.

        value ▲      ┌───────┤     A larger area is a better search: more value at less rate. Areas
              │   ┌──┘░░░░░░░│     compare only with one reference, and give most weight to the large
              │   │░░░░░░░░░░│     rates; give logarithms of the rates and of the reference's rate
            V ┼───┴──────────┴──►  to weigh ratios instead.
              │              R  rate

    Args:
        rates: Smaller is better. Shape `(n,)`; `n` may be 0.
        values: Larger is better. Shape `(n,)`.
        reference: `(R, V)`, the largest rate and the smallest value that count. Points at or beyond
            either contribute nothing.

    Returns:
        Area in units of rate times units of value; 0 where no point counts.

    Raises:
        ValueError: If the shapes differ or a number, the reference's included, is NaN or infinite.

    Source: Zitzler & Thiele, PPSN 1998.
    """
    rate, value = _checked(rates, values)
    largest, smallest = reference
    if not (math.isfinite(largest) and math.isfinite(smallest)):
        raise ValueError(
            f"reference={reference} bounds no area. Give a finite pair: the largest rate and the smallest "
            "value that count."
        )
    counts = (rate < largest) & (value > smallest)
    rate, value = rate[counts], value[counts]
    kept = frontier(rate, value)
    widths = np.diff(np.append(rate[kept], [largest]))
    return float(widths @ (value[kept] - smallest))


def rate_at(rates: ArrayLike, values: ArrayLike, target: float) -> float | None:
    """Read the rate that a value costs off the frontier.

    Between two points of the frontier the logarithm of the rate is linear in the value. There is no
    extrapolation: a target at or below the frontier's first value costs the first point's rate.

    Args:
        rates: Smaller is better, positive. Shape `(n,)`; `n` may be 0.
        values: Larger is better. Shape `(n,)`.
        target: The value to reach, for example the frozen network's less one point.

    Returns:
        Rate in the unit of `rates`; `None` if no point reaches the target.

    Raises:
        ValueError: If the shapes differ, a number is NaN or infinite, a rate is not positive, or the
            target is NaN.
    """
    rate, value = _checked(rates, values)
    log_rate = _log_rates(rate)
    if math.isnan(target):
        raise ValueError("target=nan is no value to reach. Give a number in the unit of the values.")
    kept = frontier(rate, value)
    rate, log_rate, value = rate[kept], log_rate[kept], value[kept]
    after = int(np.searchsorted(value, [target])[0])  # the first point that reaches the target
    if after == len(value):
        return None
    if after == 0 or value[after] == target:
        return float(rate[after])
    share = (target - value[after - 1]) / (value[after] - value[after - 1])
    between = np.exp((1 - share) * log_rate[after - 1] + share * log_rate[after])
    return float(np.clip(between, rate[after - 1], rate[after]))


def bd_rate(anchor: ArrayLike, test: ArrayLike) -> float:
    """Average what `test` saves or wastes against `anchor` at equal value (Bjøntegaard delta rate).

    The mean over the values that both frontiers reach of the difference in log rate, each frontier
    interpolated by a monotone piecewise cubic (PCHIP), as a relative change. A factor between the
    rates comes out as itself, whatever the curve and the unit.

    Args:
        anchor: Pairs (rate, value), at least 2 on the frontier, rates positive. Shape `(n, 2)`.
        test: Likewise; the number of points may differ. Shape `(m, 2)`.

    Returns:
        Relative change of the rate: -0.3 is 30 % fewer bytes at equal value.

    Raises:
        ValueError: If a frontier has fewer than 2 points, a rate is not positive, a number is NaN or
            infinite, or no interval of values is common to both; the message gives both intervals.

    Source: Bjøntegaard, VCEG-M33, 2001; piecewise cubic as in JCTVC-E137, 2011. What can go wrong with it:
        Herglotz et al., arXiv:2304.12852.
    """
    anchor_rate, anchor_value = _curve(anchor, "anchor")
    test_rate, test_value = _curve(test, "test")
    _check_overlap("values", anchor_value, test_value)
    return math.expm1(_mean_difference(anchor_value, anchor_rate, test_value, test_rate))


def bd_value(anchor: ArrayLike, test: ArrayLike) -> float:
    """Average what `test` gains or loses against `anchor` at equal rate (Bjøntegaard delta value).

    `bd_rate` with the axes exchanged: the mean difference in value over the log rates that both
    frontiers cover, so an octave at small rates counts as much as one at large rates.

    Args:
        anchor: Pairs (rate, value), at least 2 on the frontier, rates positive. Shape `(n, 2)`.
        test: Likewise; the number of points may differ. Shape `(m, 2)`.

    Returns:
        Difference in the unit of the values: 0.02 is two points more accuracy at equal rate.

    Raises:
        ValueError: As `bd_rate`, where no interval of rates is common to both.

    Source: As `bd_rate`.
    """
    anchor_rate, anchor_value = _curve(anchor, "anchor")
    test_rate, test_value = _curve(test, "test")
    _check_overlap("rates", anchor_rate, test_rate)
    return _mean_difference(anchor_rate, anchor_value, test_rate, test_value)


def _curve(points: ArrayLike, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Log rates and values of a frontier, both strictly rising, `(k,)` with k >= 2."""
    pairs = np.asarray(points, dtype=np.float64)
    if pairs.size == 0:
        pairs = pairs.reshape(0, 2)
    if pairs.ndim != 2 or pairs.shape[1] != 2:
        raise ValueError(f"{name} has shape {pairs.shape}. Give pairs (rate, value), shape (n, 2).")
    rates, values = _checked(pairs[:, 0], pairs[:, 1], f"{name} ")
    log_rates = _log_rates(rates, f"{name} ")
    kept = frontier(log_rates, values)  # of the logarithms: close rates can share one
    if len(kept) < 2:
        raise ValueError(
            f"{name} has {len(kept)} point(s) on its frontier, of {len(pairs)} given, and a curve needs 2. "
            "Measure more operating points."
        )
    return log_rates[kept], values[kept]


def _check_overlap(quantity: str, anchor: np.ndarray, test: np.ndarray) -> None:
    """Refuse two rising axes without a common interval; `rates` arrive as logarithms."""
    if max(anchor[0], test[0]) >= min(anchor[-1], test[-1]):
        ends = np.array([anchor[[0, -1]], test[[0, -1]]])
        (low, high), (test_low, test_high) = (np.exp(ends) if quantity == "rates" else ends).tolist()
        raise ValueError(
            f"anchor covers {quantity} [{low:.6g}, {high:.6g}] and test [{test_low:.6g}, {test_high:.6g}], "
            "which have no interval in common. Measure operating points in the gap."
        )


def _mean_difference(
    anchor_x: np.ndarray, anchor_y: np.ndarray, test_x: np.ndarray, test_y: np.ndarray
) -> float:
    """Mean of test's curve less anchor's over the x that both cover."""
    from scipy.interpolate import PchipInterpolator  # loads slowly

    low, high = max(anchor_x[0], test_x[0]), min(anchor_x[-1], test_x[-1])
    areas = [
        PchipInterpolator(x, y).integrate(low, high) for x, y in ((anchor_x, anchor_y), (test_x, test_y))
    ]
    return float((areas[1] - areas[0]) / (high - low))
