"""Scripts as they are started, and what they need at hand."""

import importlib
import warnings

import pytest
import torch
from safetensors.torch import save_file

from bottleneck.models.embedded import EMBEDDED


@pytest.fixture
def run(capsys, digits_network, tmp_path, monkeypatch):
    """Runs a script's main in this process, with the digits network at hand, and returns what it prints.

    It has a folder of its own to stand in, and may leave nothing there.
    """
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)

    def start(name, *arguments):
        capsys.readouterr()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # Lightning's advice is not ours to follow here
            importlib.import_module(f"benchmarks.{name}").main([str(argument) for argument in arguments])
        assert not list(here.iterdir())
        return capsys.readouterr().out

    return start


@pytest.fixture
def weights(tmp_path):
    """Writes weights of an embedded network that was never trained: all wrong, but there at once."""

    def write(name):
        torch.manual_seed(0)
        path = tmp_path / f"{name}.safetensors"
        save_file(EMBEDDED[name]().network.state_dict(), path)
        return path

    return write
