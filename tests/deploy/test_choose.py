"""A point of a frontier is named by what a link and a deadline allow."""

import pytest

from bottleneck.deploy.choose import Candidate, candidates, choose

POINTS = [
    Candidate(0, 0.95, 0.99, payload_bytes=5.0, device_ms=2.0, server_ms=1.0),
    Candidate(1, 0.97, 0.99, payload_bytes=20.0, device_ms=2.0, server_ms=1.0),
    Candidate(2, 0.98, 0.99, payload_bytes=100.0, device_ms=9.0, server_ms=1.0),
]


@pytest.mark.parametrize(
    ("limits", "point"),
    [
        ({}, 2),
        ({"max_bytes": 20}, 1),
        ({"max_bytes": 19.9}, 0),
        ({"max_ms": 9.5}, 1),
        ({"max_ms": 20, "kbit_s": 16}, 1),  # 100 bytes take 50 ms, 20 take 10
        ({"min_metric": 0.96}, 1),
        ({"min_metric": 0.96, "max_bytes": 200}, 1),
    ],
)
def test_the_best_point_within_the_limits_is_chosen(limits, point):
    """The highest metric that bytes and milliseconds allow; with a metric to reach, the fewest bytes."""
    assert choose(POINTS, **limits).point == point


def test_limits_that_nothing_keeps_are_answered_with_what_is_near():
    """Each limit is named with what the points have; a link needs a rate above 0."""
    with pytest.raises(
        ValueError, match=r"max_bytes=3 \(points have 5 bytes at least\) and max_ms=1 \(.* 3 ms"
    ):
        choose(POINTS, max_bytes=3, max_ms=1)
    with pytest.raises(ValueError, match=r"min_metric=0.99 \(points have 0.98 at most\)"):
        choose(POINTS, min_metric=0.99)
    with pytest.raises(ValueError, match="kbit_s=0 must be above 0"):
        choose(POINTS, kbit_s=0)


def test_a_point_is_named_by_its_own_number():
    """What `choose` names is what the frontier's device takes, where numbers are left out too."""
    assert [each.point for each in candidates("zoo:digits/default")] == [0, 1, 2, 3, 5]
    assert choose(candidates("zoo:digits/default")).point == 5
