"""Time every codec on real features of one network.

    python benchmarks/throughput.py experiment=imagenette_paper data.root=PATH
    python benchmarks/throughput.py experiment=imagenette_paper data.root=PATH --splits _blocks.15 _blocks.2

Codes the feature of one validation image at each split point with every method of the suite `paper`, and its
symbols on 16 levels with the codecs of trained latents. Beside them, on the same symbols as
bytes: dahuffman, zlib 1 and 6, zstd 3, and a plain copy of the float32 feature, in whose time all others are
given (processor time of one thread, median). Codecs that are fitted are fitted on `--fitted` training images.
Overrides are those of `bottleneck evaluate`.
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import zstandard
from dahuffman import HuffmanCodec
from numpy.typing import NDArray
from omegaconf import DictConfig

from benchmarks.shared import composed, markdown, parser
from bottleneck import codecs
from bottleneck.commands.setup import cut_of, suite_channels
from bottleneck.cut import Cut
from bottleneck.measure.timing import processor_ms

LEVELS = 16
HEADER = ["codec", "bytes", "bits/element", "encode ms", "decode ms", "encode copies", "decode copies"]


@dataclass
class Coder:
    """A way to send one array: a name and both directions."""

    name: str
    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]
    array: Any


def coders(cut: Cut, suite: DictConfig, fitted: int) -> tuple[NDArray[np.float32], list[Coder]]:
    """The feature of one validation image, and everything that can send it."""
    images = cut.images.subset("train")
    chosen = np.linspace(0, len(images) - 1, fitted).astype(int).tolist()
    with torch.no_grad():
        training = torch.cat([cut.net.head(images[index][0][None]) for index in chosen])
        feature = cut.net.head(cut.image)
    array = feature[0].numpy()
    symbols = as_symbols(array)
    found = references(symbols.astype(np.uint8))
    for name in codecs.names("symbols"):
        codec = codecs.create(name, array.shape).fit([as_symbols(sample) for sample in training.numpy()])
        found.append(Coder(name, codec.encode, codec.decode, symbols))
    for channel in suite_channels(suite, cut, "feature"):
        codec = channel.fit([(training, None)]).codec
        found.append(Coder(channel.name, codec.encode, codec.decode, channel.coded(feature)[0]))
    return array, found


def as_symbols(feature: NDArray[np.float32]) -> NDArray[np.int32]:
    """The feature on evenly spaced levels, as a trained latent would be."""
    low, high = feature.min(), feature.max()
    found: NDArray[np.int32] = np.round((feature - low) / (high - low) * (LEVELS - 1)).astype(np.int32)
    return found


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


def line(coder: Coder, copy_ms: float, elements: int, repeats: int) -> list[str]:
    """Bytes, bits per element, times, and times in copies of the feature."""
    payload = coder.encode(coder.array)
    assert np.shape(coder.decode(payload)) == np.shape(coder.array)
    times = [
        processor_ms(lambda: coder.encode(coder.array), repeats),
        processor_ms(lambda: coder.decode(payload), repeats),
    ]
    return [
        coder.name,
        f"{len(payload):,}",
        f"{8 * len(payload) / elements:.3f}",
        *(f"{ms:.3f}" for ms in times),
        *(f"{ms / copy_ms:,.0f}" for ms in times),
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one table for each split point."""
    options = parser(__doc__)
    options.add_argument("overrides", nargs="*", help="of bottleneck evaluate")
    options.add_argument("--splits", nargs="+", default=["_blocks.15", "_blocks.10", "_blocks.2"])
    options.add_argument("--fitted", type=int, default=64, help="training images that codecs are fitted on")
    options.add_argument("--repeats", type=int, default=9, help="timed calls; the median is shown")
    given = options.parse_intermixed_args(arguments)
    torch.set_num_threads(1)
    cfg = composed("evaluate", ["suite=paper", *given.overrides, "device=cpu", f"split='{given.splits[0]}'"])
    cut = cut_of(cfg)
    for at in given.splits:
        feature, found = coders(cut.at(at), cfg.suite, given.fitted)
        copy_ms = processor_ms(feature.copy, 999)
        print(f"\n{cut.model.name} at {at}, {feature.shape}: a copy takes {1e3 * copy_ms:.1f} µs\n")
        print(
            markdown([line(coder, copy_ms, feature.size, given.repeats) for coder in found], HEADER),
            flush=True,
        )


if __name__ == "__main__":
    main()
