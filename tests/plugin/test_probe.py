"""Learning a feature's size from one run."""

import pytest
import torch
from torch import nn

from bottleneck.plugin.probe import probe


class Outer(nn.Module):
    """An augmentation, then a network; `forward` runs the network alone."""

    def __init__(self):
        super().__init__()
        self.augment = nn.Upsample(scale_factor=2)
        self.model = nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())

    def forward(self, images=None):
        return self.model(images)


def test_image_is_what_enters_the_outermost_module_around_the_split_point():
    """An augmentation before the network does not count; the module's own call does, by keyword as well."""
    outer, small = Outer(), torch.rand(2, 3, 5, 6)
    feature, image = probe(outer, "model.1", lambda: outer.model(outer.augment(small)))
    assert image.shape == (1, 3, 10, 12)
    assert feature.shape == (2, 4, 10, 12)
    _, image = probe(outer, "model.1", lambda: outer(images=small))
    assert torch.equal(image, small[:1])


def test_module_is_left_as_it_was():
    """No statistics move, nothing behind the split point runs, no hook stays, modes come back."""
    outer, ran = Outer().train(), []
    outer.model[2].register_forward_pre_hook(lambda module, args: ran.append(module))
    probe(outer, "model.1", lambda: outer(torch.rand(2, 3, 5, 6)))
    assert not ran
    assert outer.model[0].num_batches_tracked == 0
    assert outer.training
    assert all(not m._forward_hooks for m in outer.modules())
    assert sum(len(m._forward_pre_hooks) for m in outer.modules()) == 1


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (lambda outer: outer.augment(torch.rand(1, 3, 4, 4)), "is not run by this module"),
        (lambda outer: outer(torch.rand(1, 5, 4, 4)), r"cannot be run ahead of training.*Pass example="),
    ],
)
def test_runs_that_show_nothing_are_refused(run, message):
    """A split point that is not reached, and a run that fails, are errors with a way out."""
    outer = Outer()
    with pytest.raises(ValueError, match=message):
        probe(outer, "model.1", lambda: run(outer))


def test_outputs_that_are_no_feature_map_are_refused():
    """A tuple is named for what it is."""

    class Pair(nn.Module):
        def forward(self, x):
            return x, x

    pair = nn.Sequential(Pair())
    with pytest.raises(ValueError, match="at='0' returns a tuple; a bottleneck needs one 4-D tensor"):
        probe(pair, "0", lambda: pair(torch.rand(1, 3, 4, 4)))
