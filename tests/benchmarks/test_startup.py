"""`benchmarks/startup.py` does on little what it says it does."""

import importlib

import pytest

from tests.benchmarks.printed import tables


def test_startup_measures_every_command(run, monkeypatch):
    """Each command has its line, with its seconds beside what it may take; one past that is an exit code."""
    startup = importlib.import_module("benchmarks.startup")
    monkeypatch.setattr(startup, "COMMANDS", {("trian",): 1.0})
    (line,) = tables(run("startup", "--repeats", 1))[0]
    assert line["command"] == "`bottleneck trian`"
    assert 0 < float(line["seconds"]) < float(line["at most"])
    monkeypatch.setattr(startup, "COMMANDS", {("trian",): 0.0})
    with pytest.raises(SystemExit, match="too slow: `bottleneck trian`"):
        run("startup", "--repeats", 1)
