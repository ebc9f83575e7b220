"""Settings that the plugin refuses before anything is trained."""

import pytest

from tests.plugin.helpers import QUIET, make_plugin

pytestmark = QUIET


def test_manual_optimization_is_refused(plain, trainer_of):
    """Where a module steps its own optimizers there is no loss to add the rate to."""
    plain.module.automatic_optimization = False
    with pytest.raises(ValueError, match="Plain optimizes manually"):
        trainer_of(plain.package, make_plugin()).fit(plain.module, plain.loader)


def test_whole_network_precisions_are_refused(plain, trainer_of):
    """A precision that converts the frozen weights is refused with the ones that work."""
    with pytest.raises(ValueError, match=r"precision=bf16-true .* Use bf16-mixed"):
        trainer_of(plain.package, make_plugin(), precision="bf16-true").fit(plain.module, plain.loader)


def test_averaging_of_frozen_statistics_is_refused(plain, trainer_of):
    """StochasticWeightAveraging would count the frozen BatchNorms' statistics anew; the reason is given."""
    averaging = plain.package.callbacks.StochasticWeightAveraging(swa_lrs=1e-3)
    with pytest.raises(ValueError, match=r"statistics of every BatchNorm.*Use EMAWeightAveraging"):
        trainer_of(plain.package, make_plugin(), averaging).fit(plain.module, plain.loader)


def test_averaging_comes_behind_the_plugin(plain, trainer_of):
    """In front of it the callback has copied a module without unit; the message has the order that works."""
    averaging = plain.package.callbacks.EMAWeightAveraging()
    with pytest.raises(ValueError, match=r"callbacks=\[BottleneckPlugin\(...\), EMAWeightAveraging"):
        trainer_of(plain.package, averaging, make_plugin()).fit(plain.module, plain.loader)
