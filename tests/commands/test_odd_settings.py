"""Settings at and beyond their limits: a sentence that names the key, or a sane result."""

import logging

import pytest
from hydra import compose, initialize_config_dir

from bottleneck.commands.config import config_dir
from bottleneck.commands.train import train_and_measure as train

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Lightning's advice is not ours to follow

SHORT = (
    "device=cpu",
    "trainer.enable_progress_bar=false",
    "trainer.max_epochs=1",
    "data.val_limit=40",
    "data.train_limit=64",
    "suite.feature=null",
    "suite.input=null",
    "also_codecs=[]",
)


def composed(*overrides):
    with initialize_config_dir(config_dir(), version_base="1.3"):
        return compose("train", [*SHORT, *overrides])


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        ("unit.step=0", "unit.step=0 is no quantization step"),
        ("unit.step=nan", "unit.step=nan is no quantization step"),
        ("unit.step=1e-30", "unit.step=1e-30 is far too small"),
        ("alpha=nan", "alpha=nan must be a number"),
        ("unit.latent_channels=0", "unit.latent_channels=0 must be a whole number"),
        ("unit.latent_channels=2.5", "unit.latent_channels=2.5 must be a whole number"),
        ("unit.stride=0", "unit.stride=0 must be a whole number"),
        ("data.train_limit=1", "no batch of two training samples"),
        ("seed=-1", "seed=-1 must be a whole number from 0"),
        ("seed=99999999999", "seed=99999999999 must be a whole number"),
        ("optimizer.lr=1e10", "Training diverged"),
        ("split=[]", "split='' is no split point"),
        ("subset=foo", "no subset 'foo'"),
    ],
)
def test_beyond_the_limits_a_sentence_names_the_key(overrides, problem, tmp_path):
    """No raw error of a library, and nothing is trained for nothing."""
    with pytest.raises(ValueError, match=problem):
        train(composed(*overrides.split()), tmp_path)


@pytest.mark.parametrize(
    "overrides",
    [
        "unit.step=1e30",
        "alpha=0",
        "alpha=1e30",
        "unit.latent_channels=100",
        "unit.stride=100",
        "data.val_limit=1",
        "data.batch_size=100000",
        "trainer.max_epochs=0",
        "optimizer.lr=0",
        "rate=density target_bytes=1e-9",
        "rate=density target_bytes=1e9",
    ],
)
def test_at_the_limits_there_is_a_sane_result(overrides, tmp_path, caplog):
    """Bytes are counted and the metric is one; a unit that is of no use is called so."""
    with caplog.at_level(logging.WARNING):
        rows = train(composed(*overrides.split()), tmp_path)
    own = next(row for row in rows if row.kind == "trained")
    assert own.payload_bytes >= 1
    assert 0 <= own.value <= 1
    assert own.n > 30 or "val_limit=1" in overrides
    if own.value <= 0.1 and own.n > 30:
        assert "of no use" in caplog.text
