"""Learning what channels tell of each other."""

import numpy as np
import torch

from bottleneck.codecs.entropy.context.learning import learn


def samples():
    rng = np.random.default_rng(0)
    loud = np.rint(rng.normal(0, 5, (300, 1, 4, 4)))
    return np.concatenate([loud // 2, loud], axis=1).astype(np.int32)


def test_the_same_seed_learns_the_same_and_nothing_else_is_drawn():
    """Twice the same bits, and the generators that a training shares stay where they were."""
    before = torch.get_rng_state()
    one, same = learn(samples(), 2, 4), learn(samples(), 2, 4)
    assert one.to_dict() == same.to_dict()
    assert torch.equal(before, torch.get_rng_state())


def test_who_says_most_is_coded_first():
    """The order is by mean square, and no more groups than channels are made."""
    weights = learn(samples(), 16, 4)
    assert weights.order.tolist() == [1, 0]
    assert weights.groups == 2


def test_large_symbols_are_looked_at_in_larger_units():
    """Symbols of thousands do not end beyond the reach of what is looked at."""
    assert learn(samples(), 2, 4).shift <= 2
    assert learn(1000 * samples(), 2, 4).shift >= 10


def test_learning_needs_no_gradients_from_outside():
    """Whoever measures, without gradients or in inference mode, fits the same weights."""
    wanted = learn(samples(), 2, 4).to_dict()
    for without in (torch.no_grad, torch.inference_mode):
        with without():
            assert learn(samples(), 2, 4).to_dict() == wanted
