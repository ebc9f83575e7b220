"""Times of a plan's strategies on the device itself, which needs NumPy, ONNX Runtime and Pillow.

    python -m bottleneck.runtime.device_times plan.json IMAGES.npy EXPORT... > times.json

On the device: a plan.json of `bottleneck plan`, what `bottleneck export` wrote for each of its bundles, and
some images as they enter the network, uint8 `(n, C, H, W)`. Then, anywhere, `bottleneck plan device_times=
times.json`. Alone, the device finishes with the server's graph of the first export.
"""

import argparse
import dataclasses
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bottleneck import codecs
from bottleneck.runtime.device.exports import Export, exports_in
from bottleneck.runtime.plan import read_strategies
from bottleneck.runtime.strategy import Spread, Strategy

_WARM_UP = 3

Device = Callable[[NDArray[Any]], Any]


def devices(
    strategies: Sequence[Strategy], exports: Sequence[Path], shape: tuple[int, ...]
) -> dict[str, Device]:
    """What the device runs for each strategy, by name.

    Args:
        strategies: Of the plan.
        exports: Folders that `bottleneck export` wrote, or frontiers or bundles that have them.
        shape: Of an image, (C, H, W).

    Raises:
        FileNotFoundError: If a folder is no export.
        ValueError: If a bundle of the plan was not exported, or an export was changed since.
    """
    import onnxruntime  # the rest of this package does without

    points = [export for folder in exports for export in exports_in(folder)]
    exported = {export.about["bundle"]: export for export in points}

    def graph(data: bytes) -> Device:
        session = onnxruntime.InferenceSession(data)
        (given,) = session.get_inputs()
        return lambda array: session.run(None, {given.name: array})[0]

    def coded(export: Export) -> Device:
        head, codec = graph(export.graph("device")), codecs.from_dict(export.about["codec"])
        return lambda image: codec.encode(head(image[None])[0])

    def alone(export: Export) -> Device:
        head, tail = graph(export.graph("device")), graph(export.graph("server"))
        return lambda image: tail(head(image[None]))

    found: dict[str, Device] = {}
    for strategy in strategies:
        if strategy.kind == "device":
            found[strategy.name] = alone(points[0])
        elif strategy.codec is not None:
            found[strategy.name] = codecs.create(shape=shape, **strategy.codec).encode
        elif strategy.bundle in exported:
            found[strategy.name] = coded(exported[strategy.bundle])
        else:
            raise ValueError(
                f"{strategy.name} was not exported. Run `bottleneck export` for bundle {strategy.bundle}."
            )
    return found


def measured(ways: dict[str, Device], images: NDArray[Any]) -> dict[str, list[float]]:
    """Milliseconds of each way on each image; they take turns, so that a slow moment hits all alike."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for image in [*[images[0]] * _WARM_UP, *images]:
        for name, way in ways.items():
            start = time.perf_counter()
            way(image)
            times[name].append(1000 * (time.perf_counter() - start))
    return {name: found[_WARM_UP:] for name, found in times.items()}


def on_device(strategies: Sequence[Strategy], path: Path) -> list[Strategy]:
    """The strategies with the times of a file that this script wrote on the device.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is none, or lacks a strategy.
    """
    try:
        times = json.loads(path.read_text())
        return [dataclasses.replace(one, device_ms=Spread(times[one.name])) for one in strategies]
    except (KeyError, TypeError, ValueError) as error:
        lacking = error if isinstance(error, KeyError) else f"the plan's strategies ({error})"
        raise ValueError(
            f"device_times={path} has no times of {lacking}. Write it on the device, from a plan.json "
            "with the same strategies: python -m bottleneck.runtime.device_times"
        ) from error


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the times."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("plan", type=Path, help="plan.json")
    parser.add_argument("images", type=Path, help="uint8 (n, C, H, W), .npy")
    parser.add_argument("exports", type=Path, nargs="+", help="folders with export.json")
    args = parser.parse_args(arguments)
    images = np.load(args.images)
    ways = devices(read_strategies(args.plan), args.exports, images.shape[1:])
    print(json.dumps(measured(ways, images)))


if __name__ == "__main__":
    main()
