"""What decides, and a device with exported graphs, runs where there is no PyTorch."""

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "runtime.md"

DECIDES = [
    "link",
    "strategy",
    "policies",
    "estimator",
    "controller",
    "prober",
    "crossovers",
    "energy",
    "plan",
]
DECIDES += ["traces", "simulation", "device.client", "device.graphs", "device_times"]


@pytest.mark.parametrize("forbidden", ["torch", "filelock", "hydra", "optuna", "pytorch_lightning"])
def test_decisions_need_numpy_alone(forbidden):
    """A device without PyTorch can choose and send; and nothing of the training stack is loaded."""
    code = f"import sys; sys.modules[{forbidden!r}] = None\n" + "".join(
        f"import bottleneck.runtime.{name}\n" for name in DECIDES
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_guide_names_what_a_device_has_to_install():
    """Of what this package depends on, nothing else is loaded by the client and by exported points."""
    pytest.importorskip("onnxruntime")
    named = re.search(r"^pip install (numpy .*)$", GUIDE.read_text(), re.M).group(1).split()
    ours = {re.match(r"[\w-]+", each).group() for each in importlib.metadata.requires("split-bottleneck")}
    others = ours - {"split-bottleneck", *named}
    owners = importlib.metadata.packages_distributions()
    blocked = [
        module for module, names in owners.items() if others & set(names) and not set(named) & set(names)
    ]
    assert {"torch", "hydra", "scipy", "numba"} <= set(blocked)
    code = f"import sys; sys.modules.update(dict.fromkeys({blocked!r}))\n"
    code += "import onnxruntime\nfrom bottleneck.runtime import Client, GraphHalf\n"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_devices_half_has_short_names():
    """What a capture loop of one's own needs comes from `bottleneck.runtime` itself."""
    from bottleneck import runtime
    from bottleneck.runtime.device import client, graphs, torch_half

    assert runtime.Client is client.Client
    assert (runtime.TorchHalf, runtime.GraphHalf) == (torch_half.TorchHalf, graphs.GraphHalf)
    with pytest.raises(AttributeError, match="has no attribute 'Clinet'"):
        _ = runtime.Clinet
