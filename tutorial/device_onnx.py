"""The device without PyTorch: NumPy, ONNX Runtime and bottleneck.codecs, and what `bottleneck export` wrote.

pip install numpy onnxruntime && pip install --no-deps split-bottleneck
python device_onnx.py EXPORT IMAGES.npy > payloads.txt
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime

from bottleneck import codecs


class Device:
    """`payload = device(image)` for an image C×H×W as the network takes it."""

    def __init__(self, folder: Path):
        description = json.loads((folder / "export.json").read_text())
        self.codec = codecs.from_dict(description["codec"])
        self.graph = onnxruntime.InferenceSession(folder / "device.onnx")

    def __call__(self, image: np.ndarray) -> bytes:
        (symbols,) = self.graph.run(None, {"image": image[None]})
        return self.codec.encode(symbols[0])


if __name__ == "__main__":
    device = Device(Path(sys.argv[1]))
    for image in np.load(sys.argv[2]):
        print(device(image).hex())  # send these bytes
