"""Rows become curves, and curves are compared."""

import pytest

from bottleneck.measure.curves import bd_rates, bytes_at, curve_name, curves
from bottleneck.measure.results import Result


def row(method, payload_bytes, value, split="layer2"):
    family, _, setting = method.partition("-")
    return Result(
        method=method,
        task="classification",
        dataset="digits",
        model="m",
        n=500,
        metric="top1",
        baseline=1.0,
        split=split,
        payload_bytes=payload_bytes,
        value=value,
        family=family,
        setting=setting,
    )


def test_settings_of_a_family_share_a_curve():
    """Rows of one family at one split point are one curve, whatever their names say."""
    first, second = row("rle-4", 1.0, 0.9), row("rle-8", 2.0, 0.95)
    second.method = "something else"
    assert curve_name(first) == curve_name(second) == "rle at layer2"
    first.family = None  # as in rows of release 0.1
    assert curve_name(first) == "rle-4 at layer2"


def test_curves_run_by_rising_payload_and_split_points_stay_apart():
    """Points are ordered by bytes, the frozen network is on no curve, two splits are two curves."""
    rows = [row("frozen", None, 1.0), row("rle-4", 40.0, 0.9), row("rle-2", 20.0, 0.8)]
    rows.append(row("rle-2", 9.0, 0.7, "in"))
    found = curves(rows)
    assert list(found) == ["rle at layer2", "rle at in"]
    assert [member.payload_bytes for member in found["rle at layer2"]] == [20.0, 40.0]


def test_half_the_bytes_is_minus_fifty_percent_whatever_the_direction_asked():
    """A curve at half the bytes saves 50 %, seen from the other side it costs 100 %."""
    full = [row(f"rle-{n}", 100.0 * n, 0.8 + 0.02 * n) for n in (1, 2, 4)]
    half = [row(f"zstd-{n}", 50.0 * n, 0.8 + 0.02 * n) for n in (1, 2, 4)]
    saved = bd_rates(full + half)
    assert saved["rle at layer2"]["zstd at layer2"] == pytest.approx(-0.5)
    assert saved["zstd at layer2"]["rle at layer2"] == pytest.approx(1.0)


def test_what_cannot_be_compared_is_none_and_single_points_are_left_out():
    """Curves without a common metric give None; one point, or points that one beats, make no curve."""
    low = [row("rle-1", 10.0, 0.1), row("rle-2", 20.0, 0.2)]
    high = [row("zstd-1", 10.0, 0.8), row("zstd-2", 20.0, 0.9)]
    beaten = [row("png-1", 10.0, 0.5), row("png-2", 20.0, 0.4)]
    assert bd_rates([*low, *high, *beaten, row("raw", 99.0, 1.0)]) == {
        "rle at layer2": {"zstd at layer2": None},
        "zstd at layer2": {"rle at layer2": None},
    }


def test_bytes_at_a_value_lie_between_the_points_around_it():
    """The logarithm of the bytes is linear between points; rows that sent nothing do not count."""
    rows = [row("frozen", None, 1.0), row("rle-1", 10.0, 0.8), row("rle-2", 40.0, 0.9)]
    assert bytes_at(rows, 0.85) == pytest.approx(20)
    assert bytes_at(rows, 0.95) is None
