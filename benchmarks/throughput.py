"""Time every codec on real features of one network: python benchmarks/throughput.py OVERRIDE...

    python benchmarks/throughput.py experiment=imagenette data.root=PATH
    python benchmarks/throughput.py experiment=imagenette data.root=PATH splits='[_blocks.15,_blocks.2]'

Codes the feature of one validation image at each split point with every method of the suite `paper`, and its
symbols on 16 levels with the codecs of trained latents. Beside them, on the same symbols as
bytes: dahuffman, zlib 1 and 6, zstd 3, and a plain copy of the float32 feature, in whose time all others are
given (processor time of one thread, median). Codecs that are fitted are fitted on 64 training images.
Overrides are those of `python evaluate.py`.
"""

import logging
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import zstandard
from dahuffman import HuffmanCodec
from hydra import compose, initialize_config_dir
from numpy.typing import NDArray
from tabulate import tabulate

from bottleneck import codecs
from bottleneck.commands.config import config_dir
from bottleneck.experiment import Experiment, suite_methods
from bottleneck.measure.timing import processor_ms

SPLITS = ["_blocks.15", "_blocks.10", "_blocks.2"]
FITTED_ON, REPEATS, LEVELS = 64, 9, 16


@dataclass
class Coder:
    """A way to send one array: a name and both directions."""

    name: str
    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]
    array: Any


def coders(experiment: Experiment, at: str) -> tuple[NDArray[np.float32], list[Coder]]:
    """The feature of one validation image, and everything that can send it."""
    net = experiment.split(at)
    images = experiment.images.subset("train")
    chosen = np.linspace(0, len(images) - 1, FITTED_ON).astype(int).tolist()
    with torch.no_grad():
        training = torch.cat([net.head(images[index][0][None]) for index in chosen])
        feature = net.head(experiment.image)
    array = feature[0].numpy()
    found = references(as_symbols(array).astype(np.uint8))
    for name in codecs.names("symbols"):
        codec = codecs.create(name, array.shape).fit([as_symbols(sample) for sample in training.numpy()])
        found.append(Coder(name, codec.encode, codec.decode, as_symbols(array)))
    for method in suite_methods(experiment.cfg.suite, net, "feature"):
        method.fit([(training, torch.zeros(len(training)))])
        codec = method.codec
        found.append(Coder(method.name, codec.encode, codec.decode, method.arrays(feature)[0]))
    return array, found


def as_symbols(feature: NDArray[np.float32]) -> NDArray[np.int32]:
    """The feature on evenly spaced levels, as a trained latent would be."""
    low, high = feature.min(), feature.max()
    return np.round((feature - low) / (high - low) * (LEVELS - 1)).astype(np.int32)


def references(symbols: NDArray[np.uint8]) -> list[Coder]:
    """Well-known coders of the same symbols, one byte each; dahuffman takes them as a list."""
    listed, raw = symbols.ravel().tolist(), symbols.tobytes()
    table = HuffmanCodec.from_data(listed)
    compressor, decompressor = zstandard.ZstdCompressor(3), zstandard.ZstdDecompressor()
    return [
        Coder("dahuffman", table.encode, table.decode, listed),
        Coder("zlib-1 of bytes", lambda data: zlib.compress(data, 1), zlib.decompress, raw),
        Coder("zlib-6 of bytes", lambda data: zlib.compress(data, 6), zlib.decompress, raw),
        Coder("zstd-3 of bytes", compressor.compress, decompressor.decompress, raw),
    ]


def line(coder: Coder, copy_ms: float, elements: int) -> list[str]:
    """Bytes, bits per element, times, and times in copies of the feature."""
    payload = coder.encode(coder.array)
    assert np.shape(coder.decode(payload)) == np.shape(coder.array)
    times = [
        processor_ms(lambda: coder.encode(coder.array), REPEATS),
        processor_ms(lambda: coder.decode(payload), REPEATS),
    ]
    return [
        coder.name,
        f"{len(payload):,}",
        f"{8 * len(payload) / elements:.3f}",
        *(f"{ms:.3f}" for ms in times),
        *(f"{ms / copy_ms:,.0f}" for ms in times),
    ]


def main(overrides: list[str]) -> None:
    """Print one table for each split point."""
    logging.basicConfig(level=logging.WARNING)
    torch.set_num_threads(1)
    chosen = [o for o in overrides if o.startswith("splits=")]
    splits = chosen[0].removeprefix("splits=").strip("[]").split(",") if chosen else SPLITS
    others = [o for o in overrides if o not in chosen]
    with initialize_config_dir(config_dir(), version_base="1.3"):
        cfg = compose("evaluate", [*others, "device=cpu", "suite=paper"])
    experiment = Experiment.from_config(cfg)
    for at in splits:
        feature, found = coders(experiment, at)
        copy_ms = processor_ms(feature.copy, 999)
        print(f"\n{experiment.model.name} at {at}, {feature.shape}: a copy takes {1e3 * copy_ms:.1f} µs\n")
        header = [
            "codec",
            "bytes",
            "bits/element",
            "encode ms",
            "decode ms",
            "encode copies",
            "decode copies",
        ]
        rows = [line(coder, copy_ms, feature.size) for coder in found]
        print(tabulate(rows, header, tablefmt="github", disable_numparse=True), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
