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


@pytest.mark.parametrize("command", ["serve", "stream", "demo", "export"])
def test_both_halves_start_without_the_training_stack(command):
    """Server and device load a frontier with PyTorch alone; the rest takes twice as long as that."""
    never = {"lightning", "pytorch_lightning", "torchmetrics", "torchvision", "torch._dynamo", "transformers"}
    code = f"""
import sys
import bottleneck.commands.{command}
from bottleneck.data.scans import scans
import bottleneck
device, server = bottleneck.load("zoo:digits/default")
server(device(scans("val")[0][0]))
print({never!r} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


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
