"""Times of strategies are taken on the device itself, from exported graphs, without PyTorch."""

import json
import subprocess
import sys

import numpy as np
import pytest

from bottleneck.deploy.bundle import Bundle
from bottleneck.deploy.export import export
from bottleneck.runtime.device_times import on_device
from bottleneck.runtime.link import Link
from bottleneck.runtime.plan import Plan
from bottleneck.runtime.policies import Policy
from bottleneck.runtime.strategy import Spread, Strategy


def strategies(bundle):
    common = {"device_ms": Spread([1]), "payload_bytes": Spread([9]), "server_ms": Spread([1]), "value": 0.9}
    return [
        Strategy("device", None, **common),
        Strategy("png", "input", codec={"name": "png"}, **common),
        Strategy("packed", "input", codec={"name": "packed", "tables": {"bits": 5}}, **common),
        Strategy("layer2-0", "layer2", bundle=bundle, point=0, **common),
    ]


@pytest.mark.slow
def test_script_times_every_strategy_without_torch(tmp_path, digits_network, bundle_folder, digits_images):
    """Where torch cannot be imported each strategy is run on each image, and the plan takes the times."""
    pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
    pytest.importorskip("onnxscript", reason="the extra `onnx` is not installed")
    export(bundle_folder, digits_network, tmp_path / "onnx")
    found = strategies(Bundle.read(bundle_folder).id)
    Plan(found, Link(1e5), Policy(), "accuracy_top1").write(tmp_path / "plan.json")
    np.save(tmp_path / "images.npy", digits_images[:5].numpy())
    code = "import sys; sys.modules['torch'] = None; from bottleneck.runtime.device_times import main; main()"
    files = [str(tmp_path / name) for name in ("plan.json", "images.npy", "onnx")]
    done = subprocess.run([sys.executable, "-c", code, *files], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    times = json.loads(done.stdout)
    assert {name: len(taken) for name, taken in times.items()} == {
        "device": 5,
        "png": 5,
        "packed": 5,
        "layer2-0": 5,
    }
    (tmp_path / "times.json").write_text(done.stdout)
    assert [s.device_ms.samples for s in on_device(found, tmp_path / "times.json")] == [
        tuple(times[s.name]) for s in found
    ]


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"device": [1.0]}', '{"device": [], "png": [1], "layer2-0": [1]}']
)
def test_files_without_all_times_are_refused(tmp_path, content):
    """A file that is damaged, foreign, or lacks a strategy is refused by name."""
    (tmp_path / "times.json").write_text(content)
    with pytest.raises(ValueError, match=r"device_times=.*times\.json has no times of"):
        on_device(strategies("b"), tmp_path / "times.json")
