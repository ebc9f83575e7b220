"""Both graphs of an export as functions of arrays, whichever runtime they are for."""

import numpy as np
import pytest
import torch


def graphs_of(folder):
    """The device's and the server's: a batch of images or of what is coded to an array."""
    return [
        _onnx(folder / f"{half}.onnx") or _program(folder / f"{half}.pt2") for half in ("device", "server")
    ]


def _onnx(path):
    if not path.exists():
        return None
    runtime = pytest.importorskip("onnxruntime", reason="extra `onnx` is not installed")
    session = runtime.InferenceSession(path)
    return lambda batch: session.run(None, {session.get_inputs()[0].name: np.asarray(batch)})[0]


def _program(path):
    program = torch.export.load(path).module()
    given = "image" if path.stem == "device" else "coded"

    @torch.no_grad()
    def run(batch):
        output = program(**{given: torch.as_tensor(batch)})
        return getattr(output, "logits", output).numpy()

    return run
