"""One fixed order of which every prefix is a fair draw."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bottleneck.data.stratify import stratified_order


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60))
def test_every_prefix_is_stratified(labels):
    """However many samples are taken, they hold one and the same share of every class, rounded."""
    labels = np.array(labels)
    order = stratified_order(labels)
    assert sorted(order) == list(range(len(labels)))
    classes, sizes = np.unique(labels, return_counts=True)
    for n in range(len(labels) + 1):
        taken = np.array([(labels[order[:n]] == label).sum() for label in classes])
        assert ((taken - 0.5) / sizes).max() <= ((taken + 0.5) / sizes).min() + 1e-9


def test_order_is_pinned():
    """The order is shuffled, and is this one for good: moving it would move every split ever reported."""
    assert stratified_order(np.array([0, 0, 0, 0, 1, 1])).tolist() == [1, 5, 3, 2, 4, 0]


def test_no_samples():
    """Nothing to order gives an empty order."""
    assert stratified_order(np.array([], dtype=np.int64)).tolist() == []
