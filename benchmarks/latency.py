r"""Who should split at all: what a device waits for, image by image, in four runtimes.

    python benchmarks/latency.py BUNDLE experiment=imagenette_paper data.root=PATH --rows latency.jsonl

Median milliseconds at batch 1 of three ways to an answer: the whole network on the device; head, encoder and
quantizer of a trained bundle on the device and the rest on a server; the image as JPEG to the server. Network
and device's half run in eager PyTorch, `torch.compile`, ONNX Runtime, and ONNX Runtime with 8-bit weights and
activations, static, calibrated on training images. Accuracies are of validation images, through real bytes
where something is sent; 8 bits are usable within `--margin` of what the same graph has in float. Overrides
are those of `bottleneck evaluate`.

The second table says on which links splitting is the fastest of the three if the server takes no time: above
the rate at which computing everything locally is faster, below the one at which the JPEG, larger and ready
sooner, has arrived as well. The JPEG is the smallest measured one that keeps the margin.
"""

import json
import logging
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnxruntime
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from tabulate import tabulate
from torch import nn

from benchmarks.shared import composed, parser
from bottleneck.commands.setup import cut_of
from bottleneck.cut import Cut
from bottleneck.data.base import ImageData
from bottleneck.deploy.bundle import Bundle
from bottleneck.deploy.export import DeviceGraph, write_onnx
from bottleneck.deploy.networks import check_network
from bottleneck.measure.timing import median_ms

QUALITIES = (10, 20, 50, 80)  # of JPEG
RUNTIMES = ("eager", "compile", "onnx", "onnx-int8")
PICTURES = "Pillow"  # in the runtime's place where the image itself is sent
TURN = 10  # images that a graph takes before it is the next one's turn
QUANTIZED = ["Conv", "MatMul", "Gemm"]

Graph = Callable[[np.ndarray], np.ndarray]  # a batch of one in, its output


class Samples(NamedTuple):
    """Validation images uint8 `(1, C, H, W)` with their labels."""

    images: list[np.ndarray]
    labels: np.ndarray


class Calibration(CalibrationDataReader):  # type: ignore[misc]  # it comes without types
    """Training images, one at a time."""

    def __init__(self, images: list[np.ndarray]):
        self._left = iter(images)

    def get_next(self) -> dict[str, np.ndarray] | None:
        image = next(self._left, None)
        return None if image is None else {"image": image}


class TakesImage(nn.Module):
    """A network whose argument is called `image`."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.network(image)
        return found


def some_of(images: ImageData, subset: str, count: int) -> Samples:
    """Samples that are evenly spread over a subset, so that all classes take part."""
    pairs = images.subset(subset).spread(count)
    return Samples([image[None].numpy() for image, _ in pairs], np.array([int(label) for _, label in pairs]))


def runtimes(module: nn.Module, calibration: list[np.ndarray], folder: Path, args: Any) -> dict[str, Graph]:
    """A module of images in the runtimes that were asked for."""
    folder.mkdir()
    image = torch.from_numpy(calibration[0]).repeat(2, 1, 1, 1)
    write_onnx(module, {"image": image}, folder / "float")
    graphs = {
        "eager": _of_torch(module),
        "compile": _of_torch(torch.compile(module)),
        "onnx": _of_onnx(folder / "float.onnx", args.threads),
    }
    if "onnx-int8" in args.runtimes:
        quant_pre_process(str(folder / "float.onnx"), str(folder / "folded.onnx"))  # folds BatchNorm
        quantize_static(
            str(folder / "folded.onnx"),
            str(folder / "int8.onnx"),
            Calibration(calibration),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=QUANTIZED,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        graphs["onnx-int8"] = _of_onnx(folder / "int8.onnx", args.threads)
    return {name: graph for name, graph in graphs.items() if name in args.runtimes}


def _of_torch(module: Callable[[torch.Tensor], torch.Tensor]) -> Graph:
    return lambda image: module(torch.from_numpy(image)).numpy()


def _of_onnx(file: Path, threads: int) -> Graph:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # it warns of shapes that depend on the batch
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return lambda image: session.run(None, {"image": image})[0]


def accuracy(answer: Callable[[np.ndarray], np.ndarray], samples: Samples) -> float:
    """Share of the samples whose largest logit is right."""
    found = [int(answer(image).argmax()) for image in samples.images]
    return float((np.array(found) == samples.labels).mean())


def alternating_ms(graphs: dict[Any, Graph], images: list[np.ndarray]) -> dict[Any, float]:
    """Median milliseconds of each graph; they take turns, so that a slow moment hits all alike."""
    times: dict[Any, list[float]] = {key: [] for key in graphs}
    for start in range(0, len(images), TURN):
        for key, graph in graphs.items():
            times[key].append(median_ms(graph, images[start : start + TURN]))
    return {key: statistics.median(medians) for key, medians in times.items()}


def measure(
    bundle: Bundle, cut: Cut, calibration: list[np.ndarray], samples: Samples, args: Any
) -> list[dict[str, Any]]:
    """One row per way and runtime; `ms` up to the symbols, `code_ms` from there to bytes."""
    rows: list[dict[str, Any]] = []
    timed = samples.images[: args.timed]
    channel = cut.channel(bundle.codec, bundle.unit)
    sizes: list[int] = []

    def served(symbols: np.ndarray) -> np.ndarray:
        payload = bundle.codec.encode(symbols[0])
        sizes.append(len(payload))
        found: np.ndarray = cut.net.tail(channel.receive([payload])).numpy()
        return found

    with tempfile.TemporaryDirectory() as folder:
        graphs = {
            (way, runtime): graph
            for way, module in {
                "whole network": TakesImage(cut.model),
                "split": DeviceGraph(cut.net.head, bundle.unit, bundle.codec.input),
            }.items()
            for runtime, graph in runtimes(module.eval(), calibration, Path(folder) / way, args).items()
        }
        times = alternating_ms(graphs, timed)
        for (way, runtime), graph in graphs.items():
            row: dict[str, Any] = {"way": way, "runtime": runtime, "ms": times[way, runtime]}
            if way == "split":
                row["code_ms"] = median_ms(bundle.codec.encode, [graph(image)[0] for image in timed])
                sizes.clear()
                row["value"] = accuracy(lambda image, graph=graph: served(graph(image)), samples)  # type: ignore[misc]
                row["payload_bytes"] = float(np.mean(sizes))
            else:
                row["value"] = accuracy(graph, samples)
            rows.append({**row, "n": len(samples.labels)})
    in_float = {row["way"]: row["value"] for row in rows if row["runtime"] == "onnx"}
    for row in rows:
        row["usable"] = row["value"] >= in_float[row["way"]] - args.margin
    for quality in QUALITIES:
        row = picture(cut.at("input"), quality, samples, timed)
        rows.append({**row, "usable": row["value"] >= in_float["whole network"] - args.margin})
    return rows


def picture(whole: Cut, quality: int, samples: Samples, timed: list[np.ndarray]) -> dict[str, Any]:
    """The row of the image as JPEG."""
    jpeg = whole.channel(whole.codec("jpeg", quality=quality))
    sent = [jpeg.transmit(torch.from_numpy(image)) for image in samples.images]
    arrived = Samples([one.feature.numpy() for one in sent], samples.labels)
    return {
        "way": f"JPEG {quality}",
        "runtime": PICTURES,
        "ms": median_ms(jpeg.send, [torch.from_numpy(image) for image in timed]),
        "payload_bytes": float(np.mean([one.payload_bytes for one in sent])),
        "value": accuracy(_of_torch(whole.net.tail), arrived),
        "n": len(samples.labels),
    }


def links(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """For each runtime the rates in kbit/s between which splitting is the fastest way; `None`: there is none.

    A link of r kbit/s takes 8 * bytes / r milliseconds.
    """
    by_way = {(row["way"], row["runtime"]): row for row in rows}
    jpegs = [row for row in rows if row["runtime"] == PICTURES and row["usable"]]
    jpeg = min(jpegs, key=lambda row: row["payload_bytes"], default=None)
    found = []
    for runtime in dict.fromkeys(row["runtime"] for row in rows if row["way"] == "split"):
        whole, split = by_way["whole network", runtime], by_way["split", runtime]
        device_ms, size = split["ms"] + split["code_ms"], split["payload_bytes"]
        lowest = 8 * size / (whole["ms"] - device_ms) if whole["ms"] > device_ms else None
        highest = None
        if jpeg is not None and device_ms > jpeg["ms"]:
            highest = 8 * (jpeg["payload_bytes"] - size) / (device_ms - jpeg["ms"])
        found.append(
            {
                "runtime": runtime,
                "usable": whole["usable"] and split["usable"],
                "faster than the whole network above kbit/s": lowest,
                f"faster than {jpeg['way'] if jpeg else 'JPEG'} below kbit/s": highest,
                "fastest somewhere": lowest is not None and (highest is None or lowest < highest),
            }
        )
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, write the rows, print both tables."""
    options = parser(__doc__)
    options.add_argument("bundle", type=Path)
    options.add_argument("--rows", type=Path, required=True, help="JSON lines; an older file is replaced")
    options.add_argument("--images", type=int, default=500, help="validation images that are judged")
    options.add_argument("--timed", type=int, default=100, help="of these, how many are timed")
    options.add_argument("--calibration", type=int, default=100, help="images that 8 bits are fitted on")
    options.add_argument("--margin", type=float, default=0.01, help="of accuracy")
    options.add_argument(
        "--runtimes", nargs="+", choices=RUNTIMES, default=RUNTIMES, help="compile takes minutes"
    )
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("overrides", nargs="*", help="of bottleneck evaluate")
    args = options.parse_intermixed_args(arguments)
    if "onnx" not in args.runtimes:
        options.error("--runtimes takes onnx, which the others are compared with, and any others")
    for chatty in ("root", "onnx_ir", "onnxscript"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    torch.set_num_threads(args.threads)
    bundle = Bundle.read(args.bundle)
    cfg = composed("evaluate", [*args.overrides, "device=cpu", f"split='{bundle.split}'"])
    cut = cut_of(cfg, bundle.unit.kind)
    check_network(bundle, cut.model)
    calibration = some_of(cut.images, "train", args.calibration).images
    with torch.no_grad():
        rows = measure(bundle, cut, calibration, some_of(cut.images, "val", args.images), args)
    args.rows.write_text("".join(json.dumps(row) + "\n" for row in rows))
    columns = ("way", "runtime", "ms", "code_ms", "payload_bytes", "value", "n", "usable")
    print(tabulate([{key: row.get(key) for key in columns} for row in rows], "keys", "github"), end="\n\n")
    print(tabulate(links(rows), "keys", "github", floatfmt=".1f"))


if __name__ == "__main__":
    main()
