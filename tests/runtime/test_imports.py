"""What decides runs where only NumPy is installed."""

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
DECIDES += ["traces", "simulation"]


@pytest.mark.parametrize("forbidden", ["torch", "hydra", "optuna", "pytorch_lightning"])
def test_decisions_need_numpy_alone(forbidden):
    """A device without PyTorch can choose; and nothing of the training stack is loaded."""
    code = f"import sys; sys.modules[{forbidden!r}] = None\n" + "".join(
        f"import bottleneck.runtime.{name}\n" for name in DECIDES
    )
    subprocess.run([sys.executable, "-c", code], check=True)
