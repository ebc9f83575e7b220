"""How to train: what cannot be done is said before anything is computed."""

import functools

import pytest
import torch
from pytorch_lightning.accelerators import CUDAAccelerator, MPSAccelerator

from bottleneck.training import Recipe


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"trainer": {"max_epochs": 1.5}}, "trainer.max_epochs=1.5 must be a whole number"),
        ({"trainer": {"max_epochs": -3}}, "trainer.max_epochs=-3 must be a whole number"),
        (
            {"optimizer": functools.partial(torch.optim.Adam, lr=-1)},
            "optimizer= makes no optimizer of parameters: Invalid learning rate: -1",
        ),
        (
            {"optimizer": functools.partial(torch.optim.Adam, momentum=0.9)},
            "optimizer= makes no optimizer of parameters: .*momentum",
        ),
        ({"warm_epochs": -1}, "warm_start.epochs=-1 must be at least 0"),
        ({"settle_epochs": -2}, "settle.epochs=-2 must be at least 0"),
        ({"average": 1}, "average=1 is a decay, from 0"),
        ({"warm_alpha": -1}, r"warm_start\.alpha=-1 must be a number"),
        ({"cutmix": 2}, "cutmix=2 is a share of the samples"),
    ],
)
def test_what_cannot_be_done_is_refused_by_its_key(options, problem):
    """Each setting out of range is named with the range."""
    with pytest.raises(ValueError, match=problem):
        Recipe(**options)


def test_what_lightning_refuses_is_told_by_its_group():
    """An option that only Lightning knows about ends in its own words, and names `trainer=`."""
    with pytest.raises(ValueError, match=r"trainer= is refused by Lightning: .*recision 7"):
        Recipe(trainer={"precision": 7}).new_trainer()


@pytest.mark.parametrize("name", ["gpu", "cuda", "mps"])
def test_a_gpu_that_is_not_there_is_refused_by_its_key(name, monkeypatch):
    """The key and the one that it follows are named; where there is such a GPU it is taken."""
    for kind in (CUDAAccelerator, MPSAccelerator):
        monkeypatch.setattr(kind, "is_available", lambda: False)
    with pytest.raises(ValueError, match=rf"trainer\.accelerator={name}: .* no such device here.*device=cpu"):
        Recipe(trainer={"accelerator": name})
    Recipe(trainer={"accelerator": "cpu"})
    for kind in (CUDAAccelerator, MPSAccelerator):
        monkeypatch.setattr(kind, "is_available", lambda: True)
    Recipe(trainer={"accelerator": name})
