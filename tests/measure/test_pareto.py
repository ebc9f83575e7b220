"""Frontiers of operating points, their areas and the distances between them."""

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.interpolate import pchip_interpolate

from bottleneck.measure.pareto import bd_rate, bd_value, frontier, hypervolume, rate_at

quick = settings(deadline=None, max_examples=40)  # a busy machine is no failure

# Few distinct numbers, so that ties and duplicates are the rule.
COARSE = st.lists(st.tuples(st.integers(1, 6), st.integers(-2, 4)), max_size=14)
FINE = st.lists(st.tuples(st.floats(0.5, 12), st.floats(-1, 1)), max_size=10)
POINTS = COARSE | FINE
REFERENCES = st.tuples(st.integers(1, 9), st.integers(-4, 4))

CURVE = [(180.0, 0.52), (260.0, 0.61), (410.0, 0.66), (900.0, 0.695), (2100.0, 0.70)]
OTHER = [(150.0, 0.55), (300.0, 0.60), (700.0, 0.69), (2500.0, 0.71)]


@st.composite
def curves(draw):
    """Frontiers of 2 to 8 points that all reach values from 0.45 to 0.55 and rates from 300 to 400."""
    gap = st.floats(0.05, 1)
    steps = draw(st.lists(st.tuples(gap, gap), min_size=1, max_size=7))
    rise = np.cumsum([(0.0, 0.0), *steps], axis=0) / np.sum(steps, axis=0)
    low, high = draw(st.floats(0, 0.45)), draw(st.floats(0.55, 1))
    smallest, largest = draw(st.floats(10, 300)), draw(st.floats(400, 9000))
    rates = smallest * (largest / smallest) ** rise[:, 0]
    return np.stack([rates, low + (high - low) * rise[:, 1]], axis=1)


def columns(points):
    return [rate for rate, _ in points], [value for _, value in points]


def undominated(points):
    """Pairs on the frontier by comparing each point with each, once per pair, by rising rate."""

    def beaten(point):
        return any(p[0] <= point[0] and p[1] >= point[1] and tuple(p) != tuple(point) for p in points)

    return sorted({tuple(point) for point in points if not beaten(point)})


def union_of_rectangles(points, reference):
    """Dominated area, cell by cell of the grid that all coordinates span."""
    xs = sorted({min(rate, reference[0]) for rate, _ in points} | {reference[0]})
    ys = sorted({max(value, reference[1]) for _, value in points} | {reference[1]})
    return sum(
        (right - left) * (top - bottom)
        for left, right in pairwise(xs)
        for bottom, top in pairwise(ys)
        if any(rate <= left and value >= top for rate, value in points)
    )


def sampled_difference(anchor_x, anchor_y, test_x, test_y, n=20_000):
    """Mean over the midpoints of n slices of the interval that both axes cover."""
    low, high = max(anchor_x[0], test_x[0]), min(anchor_x[-1], test_x[-1])
    at = low + (np.arange(n) + 0.5) * (high - low) / n
    return np.mean(pchip_interpolate(test_x, test_y, at) - pchip_interpolate(anchor_x, anchor_y, at))


@pytest.mark.parametrize(
    ("points", "kept"),
    [
        ([], []),
        ([(3, 0.5)], [0]),
        ([(2, 0.9), (1, 0.5)], [1, 0]),  # sorted
        ([(1, 0.5), (2, 0.4), (3, 0.6)], [0, 2]),  # the second is dominated
        ([(1, 0.5), (2, 0.5), (3, 0.6)], [0, 2]),  # equal value: the smaller rate
        ([(2, 0.5), (1, 0.5)], [1]),
        ([(1, 0.5), (1, 0.7), (1, 0.6)], [1]),  # equal rate: the better value
        ([(2, 0.9), (1, 0.5), (2, 0.9), (1, 0.5), (1, 0.5)], [1, 0]),  # duplicates: the first
        ([(0.0, 0.5), (-0.0, 0.5)], [0]),  # equal zeros
        ([(-3, -0.5), (-2, -0.6), (0, -0.0), (1, 0.0)], [0, 2]),
        ([(1, 0.5), (1 + 2**-52, 0.5 + 2**-53)], [0, 1]),  # the least difference counts
    ],
)
def test_frontier_of_sets_made_by_hand(points, kept):
    """Ties go to the better point, duplicates to the first, and the indices come by rising rate."""
    found = frontier(*columns(points))
    assert found.dtype == np.intp
    assert found.tolist() == kept


@quick
@given(POINTS)
def test_frontier_agrees_with_comparing_each_with_each(points):
    """The kept points are the undominated ones, once each, and each is the first of its duplicates."""
    kept = frontier(*columns(points)).tolist()
    assert [points[index] for index in kept] == undominated(points)
    assert all(points.index(points[index]) == index for index in kept)


@pytest.mark.parametrize("seed", range(5))
def test_frontier_agrees_with_optuna(seed):
    """The search's own idea of its best trials holds the same operating points."""
    optuna = pytest.importorskip("optuna")
    points = np.random.default_rng(seed).integers(0, 12, (40, 2)).astype(float)
    study = optuna.create_study(directions=["minimize", "maximize"])
    study.add_trials([optuna.trial.create_trial(values=list(point)) for point in points])
    best = {tuple(trial.values) for trial in study.best_trials}
    assert {tuple(point) for point in points[frontier(*points.T)]} == best


@quick
@given(POINTS, st.randoms(use_true_random=False), REFERENCES)
def test_order_of_the_points_does_not_matter(points, random, reference):
    """A permutation changes neither the frontier nor its area nor a rate read off it."""
    shuffled = random.sample(points, len(points))
    rates, values = np.array(points).reshape(-1, 2).T
    new_rates, new_values = np.array(shuffled).reshape(-1, 2).T
    kept, new_kept = frontier(rates, values), frontier(new_rates, new_values)
    assert rates[kept].tolist() == new_rates[new_kept].tolist()
    assert values[kept].tolist() == new_values[new_kept].tolist()
    assert hypervolume(rates, values, reference) == hypervolume(new_rates, new_values, reference)
    assert rate_at(rates, values, 0.3) == rate_at(new_rates, new_values, 0.3)


@quick
@given(POINTS, st.data(), REFERENCES)
def test_dominated_points_change_nothing(points, data, reference):
    """A point that another one beats or equals can be added at the end without any effect."""
    assume(points)
    rate, value = data.draw(st.sampled_from(points))
    worse = (rate + data.draw(st.sampled_from([0, 0.5, 7])), value - data.draw(st.sampled_from([0, 0.25, 3])))
    before, after = columns(points), columns([*points, worse])
    assert frontier(*before).tolist() == frontier(*after).tolist()
    assert hypervolume(*before, reference) == hypervolume(*after, reference)
    assert rate_at(*before, 0.3) == rate_at(*after, 0.3)


@pytest.mark.parametrize(
    ("points", "area"),
    [
        ([], 0),
        ([(4, 0.5)], 6 * 0.5),
        ([(4, 0.5), (8, 0.75)], 6 * 0.5 + 2 * 0.25),
        ([(8, 0.75), (4, 0.5), (5, 0.5), (8, 0.25), (4, 0.5)], 6 * 0.5 + 2 * 0.25),
        ([(4, 0.5), (10, 0.75)], 6 * 0.5),  # at the largest rate: no width
        ([(4, 0.5), (12, 0.75)], 6 * 0.5),  # beyond it: would be negative
        ([(2, 0.0), (4, 0.5)], 6 * 0.5),  # at the smallest value: no height
        ([(2, -1.0), (4, 0.5)], 6 * 0.5),  # below it
        ([(12, 0.75), (2, -1.0)], 0),
    ],
)
def test_hypervolume_of_sets_made_by_hand(points, area):
    """Up to rate 10 and down to value 0, overlaps count once and points beyond the reference not at all."""
    assert hypervolume(*columns(points), (10, 0)) == area


@quick
@given(POINTS, REFERENCES)
def test_hypervolume_agrees_with_a_union_of_rectangles(points, reference):
    """The area is that of the union of the rectangles between the points and the reference."""
    expected = union_of_rectangles(points, reference)
    assert hypervolume(*columns(points), reference) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@quick
@given(POINTS, st.tuples(st.floats(0.5, 9), st.floats(-4, 4)), REFERENCES)
def test_hypervolume_never_falls(points, point, reference):
    """A further point or a further reference adds area or leaves it, up to rounding."""
    before = hypervolume(*columns(points), reference)
    assert hypervolume(*columns([*points, point]), reference) >= before - 1e-9
    assert hypervolume(*columns(points), (reference[0] + 1, reference[1] - 0.5)) >= before - 1e-9


@pytest.mark.parametrize("reference", [(np.inf, 0), (1, -np.inf), (np.nan, 0), (1, np.nan)])
def test_reference_that_bounds_no_area_is_refused(reference):
    """The reference has to be finite."""
    with pytest.raises(ValueError, match=r"reference=\(.* bounds no area\. Give a finite pair"):
        hypervolume([1], [0.5], reference)


@pytest.mark.parametrize(
    ("target", "rate"),
    [
        (-5, 100),
        (0.7, 100),
        (0.8, 100),
        (0.85, 200),
        (0.9, 400),
        (0.92, 400 * 2.5**0.4),
        (0.95, 1000),
        (0.951, None),
    ],
)
def test_rate_at_a_value_by_hand(target, rate):
    """Halfway in value is the geometric mean in rate, the ends are exact, and beyond them is no guess."""
    points = [(400, 0.9), (100, 0.8), (1000, 0.95), (300, 0.8), (400, 0.7)]
    found = rate_at(*columns(points), target)
    assert found == (None if rate is None else pytest.approx(rate, rel=1e-12))


@quick
@given(POINTS, st.floats(-3, 5))
def test_rate_at_is_the_inverse_of_the_curve(points, target):
    """At the rate found, the frontier drawn over log rate has the value asked for."""
    rates, values = np.array(undominated(points), dtype=float).reshape(-1, 2).T
    found = rate_at(*columns(points), target)
    if found is None:
        assert not len(values) or target > values[-1]
    elif target <= values[0]:
        assert found == rates[0]
    else:
        between = int((values < target).sum())
        assert rates[between - 1] <= found <= rates[between]
        share = (target - values[between - 1]) / (values[between] - values[between - 1])
        assert np.log(found) == pytest.approx(
            share * np.log(rates[between]) + (1 - share) * np.log(rates[between - 1]), abs=1e-9
        )


@quick
@given(POINTS)
def test_points_of_the_frontier_cost_their_own_rate(points):
    """A value that was measured costs what was measured, bit for bit."""
    rates, values = columns(points)
    for index in frontier(rates, values):
        assert rate_at(rates, values, values[index]) == rates[index]


def test_rate_at_stays_between_its_neighbours():
    """A value a hair from a measured one lies between the rates of its neighbours, rounding included."""
    for rate in range(1, 300):
        for target in (np.nextafter(0, 1), np.nextafter(1, 0)):
            assert rate <= rate_at([rate, rate + 1], [0, 1], target) <= rate + 1


def test_nothing_is_reached_by_no_points():
    """Without operating points every value is out of reach."""
    assert rate_at([], [], 0.5) is None


def test_target_that_is_no_number_is_refused():
    """NaN is an error rather than a value out of reach; infinity is out of reach."""
    with pytest.raises(ValueError, match="target=nan is no value to reach"):
        rate_at([1], [0.5], float("nan"))
    assert rate_at([1], [0.5], float("inf")) is None


@pytest.mark.parametrize(
    ("anchor", "test", "rate", "value"),
    [
        # Two points make straight lines over log rate, so these are exact.
        ([(100, 0.8), (400, 0.9)], [(100, 0.85), (400, 0.95)], -0.5, 0.05),
        ([(100, 0.8), (400, 0.9)], [(200, 0.8), (400, 0.9)], 2**0.5 - 1, -0.025),
        # They part from a common point; what only one of them covers does not count.
        ([(100, 0.8), (400, 0.9)], [(200, 0.85), (1600, 0.95)], 2**0.25 - 1, -0.1 / 12),
        ([(100, 0.8), (400, 0.9)], [(100, 0.8), (400, 0.9)], 0, 0),
    ],
)
def test_deltas_of_straight_lines(anchor, test, rate, value):
    """Between straight lines the deltas are what can be read off the picture."""
    assert bd_rate(anchor, test) == pytest.approx(rate, abs=1e-12)
    assert bd_value(anchor, test) == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize(
    ("anchor", "test", "published"),
    [
        (
            [(108048.8736, 43.6471), (61279.976, 40.3953), (33905.6656, 37.247), (18883.6928, 34.2911)],
            [(108061.2784, 43.6768), (61299.9936, 40.4232), (33928.7472, 37.2761), (18910.912, 34.3147)],
            -0.00465215420752807,
        ),
        (
            [(40433.8848, 37.5761), (7622.7456, 35.3756), (2394.488, 33.8977), (1017.6184, 32.0603)],
            [(40370.12, 37.5982), (7587.0024, 35.4025), (2390.0944, 33.9194), (1017.0984, 32.0822)],
            -0.018779823450567612,
        ),
    ],
)
def test_bd_rate_agrees_with_the_published_sheet(anchor, test, published):
    """Video coders' own numbers (JCTVC-E137, as in the tests of Netflix's VMAF) come out to 11 decimals."""
    assert bd_rate(anchor, test) == pytest.approx(published, abs=1e-11)


@quick
@given(curves(), curves())
def test_deltas_agree_with_sampling(anchor, test):
    """The deltas are the means of the interpolated differences over 20,000 samples of the common interval."""
    anchor_rate, anchor_value = np.log(anchor[:, 0]), anchor[:, 1]
    test_rate, test_value = np.log(test[:, 0]), test[:, 1]
    by_value = sampled_difference(anchor_value, anchor_rate, test_value, test_rate)
    by_rate = sampled_difference(anchor_rate, anchor_value, test_rate, test_value)
    assert np.log1p(bd_rate(anchor, test)) == pytest.approx(by_value, abs=1e-5)
    assert bd_value(anchor, test) == pytest.approx(by_rate, abs=1e-5)


@quick
@given(curves(), st.floats(0.01, 100))
def test_a_factor_between_the_rates_is_their_bd_rate(curve, factor):
    """The same curve at 0.7 times the rate is a delta of -0.3, whatever the curve."""
    for times in (0.7, factor):
        assert bd_rate(curve, curve * [times, 1]) == pytest.approx(times - 1, rel=1e-10, abs=1e-12)


@quick
@given(curves(), st.floats(-0.5, 0.5))
def test_a_shift_of_the_values_is_their_bd_value(curve, shift):
    """The same curve 0.02 higher is a delta of 0.02, whatever the curve."""
    for more in (0.02, shift):
        assert bd_value(curve, curve + np.array([0, more])) == pytest.approx(more, abs=1e-12)


@quick
@given(curves(), curves())
def test_deltas_turn_round_with_their_arguments(anchor, test):
    """Exchanging the two frontiers inverts the factor and the sign of the difference."""
    assert (1 + bd_rate(anchor, test)) * (1 + bd_rate(test, anchor)) == pytest.approx(1, rel=1e-10)
    assert bd_value(anchor, test) == pytest.approx(-bd_value(test, anchor), abs=1e-12)


@quick
@given(curves(), curves(), st.randoms(use_true_random=False))
def test_deltas_depend_on_the_frontier_alone(anchor, test, random):
    """Order, duplicates, dominated points and the unit of both rates leave the deltas as they are."""
    more = [*test, test[0], test[-1] * [1.5, 0.9]]
    random.shuffle(more)
    assert bd_rate(anchor, more) == bd_rate(anchor, test)
    assert bd_value(anchor, more) == bd_value(anchor, test)
    bpp = np.array([8 / 224**2, 1])
    assert bd_rate(anchor * bpp, test * bpp) == pytest.approx(bd_rate(anchor, test), rel=1e-9, abs=1e-12)
    assert bd_value(anchor * bpp, test * bpp) == pytest.approx(bd_value(anchor, test), abs=1e-12)


def test_rates_too_close_for_their_logarithms_are_one_point():
    """Neighbouring floats with one logarithm neither break the interpolation nor count as two points."""
    close = (float(np.nextafter(1e16, 2e16)), 0.55)
    assert np.log(1e16) == np.log(close[0])
    curve = [(1e15, 0.3), (1e16, 0.5), close, (1e17, 0.8)]
    assert bd_value(curve, [(rate, value + 0.02) for rate, value in curve]) == pytest.approx(0.02)
    with pytest.raises(ValueError, match="anchor has 1 point"):
        bd_value([(1e16, 0.5), close], curve)


@pytest.mark.parametrize("lowest", [0.75, 2])
def test_no_common_values_is_an_error(lowest):
    """Without a common interval of values there is no rate difference, and the error names both."""
    anchor, test = [(180, 0.5), (400, 0.7), (900, 0.75)], [(150, lowest), (800, 3)]
    with pytest.raises(
        ValueError, match=rf"anchor covers values \[0\.5, 0\.75\] and test \[{lowest}, 3\].*Measure"
    ):
        bd_rate(anchor, test)
    assert bd_value(anchor, test) > 0


@pytest.mark.parametrize("lowest", [900, 1000])
def test_no_common_rates_is_an_error(lowest):
    """Without a common interval of rates there is no value difference, and the error names both."""
    anchor, test = [(180, 0.5), (400, 0.7), (900, 0.75)], [(lowest, 0.5), (5000, 0.7)]
    with pytest.raises(
        ValueError, match=rf"anchor covers rates \[180, 900\] and test \[{lowest}, 5000\].*Measure"
    ):
        bd_value(anchor, test)
    assert bd_rate(anchor, test) > 0


@pytest.mark.parametrize("delta", [bd_rate, bd_value])
@pytest.mark.parametrize(
    ("points", "message"),
    [
        ([], r"has 0 point\(s\) on its frontier, of 0 given"),
        ([(100, 0.5)], r"has 1 point\(s\) on its frontier, of 1 given"),
        ([(100, 0.5), (200, 0.4), (100, 0.5)], r"has 1 point\(s\) on its frontier, of 3 given.*Measure more"),
        ([100, 0.5], r"has shape \(2,\)\. Give pairs"),
        ([(100, 0.5, 1), (200, 0.6, 2)], r"has shape \(2, 3\)\. Give pairs"),
        ([(100, 0.5), (0, 0.6)], r"rates\[1\]=0\.0 has no logarithm"),
        ([(-100, 0.5), (100, 0.6)], r"rates\[0\]=-100\.0 has no logarithm"),
        ([(100, 0.5), (200, float("nan"))], r"values\[1\]=nan is not finite"),
        ([(100, 0.5), (float("inf"), 0.6)], r"rates\[1\]=inf is not finite"),
    ],
)
def test_curves_that_are_none_are_refused(delta, points, message):
    """Too few points after the reduction, no pairs and no logarithm are errors that say which curve."""
    with pytest.raises(ValueError, match=f"^anchor {message}"):
        delta(points, CURVE)
    with pytest.raises(ValueError, match=f"^test {message}"):
        delta(CURVE, points)


@pytest.mark.parametrize(
    "function", [frontier, lambda *a: hypervolume(*a, (9, 0)), lambda *a: rate_at(*a, 0.5)]
)
@pytest.mark.parametrize(
    ("rates", "values", "message"),
    [
        ([1, float("nan")], [0.5, 0.6], r"^rates\[1\]=nan is not finite.*Leave out"),
        ([1, float("-inf")], [0.5, 0.6], r"^rates\[1\]=-inf is not finite"),
        ([1, 2], [None, 0.6], r"^values\[0\]=nan is not finite"),
        ([1, 2], [float("inf"), 0.6], r"^values\[0\]=inf is not finite"),
        ([1, 2], [0.5], r"rates has shape \(2,\) and values \(1,\)\. Give one rate"),
        ([[1, 2]], [[0.5, 0.6]], r"rates has shape \(1, 2\)"),
        (1, 0.5, r"rates has shape \(\)"),
    ],
)
def test_points_that_were_not_measured_are_refused(function, rates, values, message):
    """NaN, infinity and missing numbers are reported with their index, not sorted somewhere."""
    with pytest.raises(ValueError, match=message):
        function(rates, values)


def test_rate_at_needs_a_logarithm():
    """A rate of zero has no place on a logarithmic axis, on the frontier or off it."""
    with pytest.raises(ValueError, match=r"^rates\[1\]=0\.0 has no logarithm.*Give positive rates"):
        rate_at([1, 0], [0.5, 0.2], 0.4)


def test_inputs_stay_as_they_are():
    """No function writes into the arrays it is given."""
    points = np.array(CURVE[::-1])
    points.setflags(write=False)
    rates, values = points.T
    frontier(rates, values)
    hypervolume(rates, values, (1000, 0.5))
    rate_at(rates, values, 0.65)
    assert bd_rate(points, OTHER) != bd_value(points, OTHER)


def test_import_is_light():
    """Only the Bjøntegaard deltas load SciPy, and nothing loads the training stack."""
    code = (
        "import sys\nfrom bottleneck.measure.pareto import bd_rate, frontier\nfrontier([1], [2])\n"
        "assert not {'scipy', 'torch', 'optuna', 'matplotlib', 'sklearn'} & set(sys.modules)\n"
        "bd_rate([(1, 2), (3, 4)], [(1, 2), (3, 4)])\n"
        "assert not {'torch', 'optuna', 'matplotlib', 'sklearn'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
