"""What should answer at once loads nothing that takes long."""

import subprocess
import sys

import pytest

_CODE = """
import sys
from bottleneck.commands import main
sys.argv = ["bottleneck", *sys.argv[1:]]
try:
    main()
finally:
    print("LOADED", *sys.modules)
"""

_STACK = {"pytorch_lightning", "lightning", "optuna", "sklearn", "torchmetrics", "transformers"}
_TORCH = {"torch", "torchvision", "numpy", "matplotlib", *_STACK}
_HYDRA = {"hydra", "omegaconf", *_TORCH}


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("arguments", "never"),
    [
        (["--help"], _HYDRA),
        (["train", "--help"], _HYDRA),
        (["trian"], _HYDRA),
        (["train", "unit.stpe=2"], _TORCH),
        (["train", "model=digits_resnt"], _TORCH),
        (["choose", "max_bytes=8"], _TORCH),
        # torchvision and PyTorch's compiler take two seconds each.
        (["profile"], {"torchvision", "torch._dynamo", "matplotlib.pyplot", *_STACK}),
    ],
    ids=["help", "help-of-a-command", "no-command", "no-key", "no-choice", "choose", "profile"],
)
def test_nothing_heavy_is_loaded(arguments, never, tmp_path):
    """Help needs no configuration, a slip of the pen or a choice no network, a profile no training."""
    done = subprocess.run(
        [sys.executable, "-c", _CODE, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    loaded = set(done.stdout.rpartition("LOADED")[2].split())
    assert "sys" in loaded, done.stderr
    assert not never & loaded


def test_a_question_leaves_nothing_behind(tmp_path):
    """`bottleneck choose` answers from what is written, and writes neither a folder nor a log."""
    done = subprocess.run(
        [sys.executable, "-m", "bottleneck", "choose", "max_bytes=8"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Point 3: 0.976 from 4.1 bytes" in done.stdout
    assert not list(tmp_path.iterdir())
