"""What decides, and a device with exported graphs, runs where there is no PyTorch."""

import subprocess
import sys

import pytest

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


def test_the_devices_half_has_short_names():
    """What a capture loop of one's own needs comes from `bottleneck.runtime` itself."""
    from bottleneck import runtime
    from bottleneck.runtime.device import client, graphs, torch_half

    assert runtime.Client is client.Client
    assert (runtime.TorchHalf, runtime.GraphHalf) == (torch_half.TorchHalf, graphs.GraphHalf)
    with pytest.raises(AttributeError, match="has no attribute 'Clinet'"):
        _ = runtime.Clinet
