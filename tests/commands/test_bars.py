"""Bars are for people: logs hold lines."""

import sys

import pytest
from hydra import compose, initialize_config_dir

from bottleneck.commands.config import config_dir
from bottleneck.commands.plan import plan_from
from bottleneck.commands.train import train_and_measure

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Lightning's advice
FEW = ("device=cpu", "data.train_limit=40", "data.val_limit=20", "suite.feature=null", "also_codecs=[]")


def composed(name, *overrides):
    with initialize_config_dir(config_dir(), version_base="1.3"):
        return compose(name, [*FEW, *overrides])


def work(folder):
    """Fill a cache, train, send, and measure strategies: everything that has a bar."""
    short = ("trainer.max_epochs=2", "suite=features", f"cache.dir={folder}/cache")
    train_and_measure(composed("train", *short), folder)
    plan_from(composed("plan", "samples=2", f"frontier={folder}/bundle"))


def test_a_log_holds_lines(tmp_path, capfd):
    """Where stderr is a pipe or a file nothing draws over itself."""
    work(tmp_path)
    assert "\r" not in "".join(capfd.readouterr())


def test_a_terminal_has_bars(tmp_path, capfd, monkeypatch):
    """Where stderr is a terminal, each of them is drawn."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    work(tmp_path)
    told = capfd.readouterr().err
    for bar in ("(once):", "Training, epoch 2 of 2: 100%", "Sending in 1 way at layer2:", "Measuring: 100%"):
        assert bar in told
