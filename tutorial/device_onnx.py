"""The device without PyTorch: NumPy, ONNX Runtime and bottleneck.codecs, and what `bottleneck export` wrote.

pip install numpy onnxruntime && pip install --no-deps split-bottleneck
python device_onnx.py EXPORT IMAGES.npy > payloads.txt
"""

import sys
from pathlib import Path

import numpy as np
import onnxruntime

from bottleneck import codecs
from bottleneck.runtime.device.exports import exports_in


class Device:
    """`payload = device(image)` for an image C×H×W as the network takes it."""

    def __init__(self, folder: Path):
        export = exports_in(folder)[0]  # refused where a bit of it has changed
        self.codec = codecs.from_dict(export.about["codec"])
        self.graph = onnxruntime.InferenceSession(export.graph("device"))

    def __call__(self, image: np.ndarray) -> bytes:
        (coded,) = self.graph.run(None, {"image": image[None]})
        return self.codec.encode(coded[0])


if __name__ == "__main__":
    device = Device(Path(sys.argv[1]))
    for image in np.load(sys.argv[2]):
        print(device(image).hex())  # send these bytes
