"""What would change the frozen network is refused before it can."""

from types import SimpleNamespace

import pytest
from pytorch_lightning.callbacks import EMAWeightAveraging, StochasticWeightAveraging

from bottleneck.training import Recipe
from bottleneck.training.checks import check_trainer


@pytest.mark.parametrize("precision", ["bf16-true", "16-true", "64-true", "transformer-engine-true"])
def test_precisions_that_convert_the_network_are_refused(precision):
    """Whole-network precisions are answered with the mixed ones."""
    with pytest.raises(ValueError, match="bf16-mixed or 16-mixed"):
        Recipe(trainer={"precision": precision})


@pytest.mark.parametrize("precision", ["32-true", "32", 32, "bf16-mixed", "16-mixed"])
def test_other_precisions_are_taken(precision):
    """Mixed precisions leave the network's weights alone."""
    check_trainer(precision)


def test_stochastic_weight_averaging_is_refused_with_the_reason():
    """It would compute the frozen network's statistics anew; the average that works is named."""
    with pytest.raises(ValueError, match=r"statistics of every BatchNorm.*EMAWeightAveraging"):
        Recipe().new_trainer(callbacks=[StochasticWeightAveraging(1e-3)])
    check_trainer("32-true", [EMAWeightAveraging(), SimpleNamespace()])


def test_recipe_checks_its_numbers():
    """A negative number of warm epochs, or a weight that is none, is refused."""
    with pytest.raises(ValueError, match=r"warm_start\.epochs=-1"):
        Recipe(warm_epochs=-1)
    with pytest.raises(ValueError, match="alpha=-2"):
        Recipe(warm_alpha=-2)
