"""Size bins, one payload of an image in each."""

from types import SimpleNamespace

import numpy as np
import pytest

from bottleneck.analyze.sizes import Sizes, _crossover, binned


def test_image_counts_once_in_a_bin_with_the_payload_nearest_to_its_middle():
    """Two qualities of one image in one bin are one entry; another image may be in another bin."""
    edges = np.array([10.0, 1000.0, 100_000.0])
    coarse = np.array([20, 2000]), np.array([0.0, 1.0])
    fine = np.array([110, 5]), np.array([1.0, 0.0])  # 110 is nearest to 100, the middle; 5 is too small
    assert binned([coarse, fine], edges) == ([1.0, 1.0], [1, 1])
    assert binned([coarse], edges) == ([0.0, 1.0], [1, 1])


def test_empty_bin_has_no_value():
    """Where no payload falls, there is no metric and no image."""
    sent = [(np.array([50]), np.array([1.0]))]
    assert binned(sent, np.array([1.0, 10.0, 100.0])) == ([None, 1.0], [0, 1])


def test_feature_crosses_over_where_it_stays_at_least_as_good():
    """The first bin from which on the feature is never worse; bins that one curve lacks do not count."""
    edges = np.array([1.0, 2.0, 4.0, 8.0, 16.0])
    assert _crossover([0.5, 0.6, 0.7, None], [0.6, 0.5, 0.7, 0.1], edges) == 4.0
    assert _crossover([0.5, 0.6, 0.7, 0.8], [0.4, 0.5, 0.6, 0.7], edges) is None


def options(**changes):
    given = {"pictures": ["jpeg"], "qualities": [5, 90], "bins": 4, "bytes": [100, 10_000], **changes}
    return SimpleNamespace(**given)


def test_input_and_feature_are_sent_as_pictures_of_every_quality():
    """Each curve counts at most one payload of an image and bin, from bytes that a decoder has read."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (6, 3, 32, 32)).astype(np.uint8)
    features = rng.normal(size=(6, 8, 8, 8)).astype(np.float32)
    seen = []

    def scores(arrays):
        seen.append(arrays)
        return np.ones(len(arrays))

    found = Sizes.of(images, features, options(), scores, scores)
    assert set(found.value) == {"jpeg, input", "jpeg, feature"}
    assert all(0 < sum(count) <= 12 and max(count) <= 6 for count in found.count.values())
    assert {value for values in found.value.values() for value in values} == {1.0, None}
    assert [part.dtype for part in seen] == [np.uint8, np.uint8, np.float32, np.float32, np.uint8]
    assert all(not np.array_equal(part, images) for part in seen[:2]), "lossy"
    assert found.edges == pytest.approx([100, 316.2, 1000, 3162.3, 10_000], rel=1e-3)


@pytest.mark.parametrize("wrong", [{"bytes": [100, 100]}, {"bytes": [0, 5]}, {"bytes": [5]}, {"bins": 0}])
def test_empty_range_is_refused(wrong):
    """Sizes that leave no bin are refused with their values."""
    with pytest.raises(ValueError, match=r"sizes\.bytes=.* give no bins"):
        Sizes.of(
            np.zeros((1, 1, 8, 8), np.uint8), np.zeros((1, 1, 8, 8), np.float32), options(**wrong), len, len
        )
