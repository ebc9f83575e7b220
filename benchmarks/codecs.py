"""Time our entropy coders beside their references, in one process and on the same data.

    python benchmarks/codecs.py

Huffman runs beside dahuffman (same table, same bytes), and so does the range coder on the same symbols,
which it codes in fewer bytes; run-length coding beside zlib on the same quantised bytes, on a ReLU feature
(half zeros) and on a signed one (no zeros). One sample has 200,704 values (1024 x 14 x 14). Ours counts
everything from NumPy array to bytes and back, checks and quantization included; zlib gets its bytes
ready-made, dahuffman its symbols as a list. Processor time; takes about 15 seconds. Every codec on
features of a real network: throughput.py.
"""

import zlib
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
from dahuffman.huffmancodec import PrefixCodec
from numpy.typing import NDArray

from benchmarks.shared import markdown, parser
from bottleneck import codecs
from bottleneck.codecs.entropy.huffman import Huffman
from bottleneck.codecs.jit import Loop
from bottleneck.measure.timing import processor_ms

HEADER = ["codec", "payload B", "ms", "ns/symbol", "reference", "ms", "ratio"]
ZLIB = SimpleNamespace(encode=lambda data: zlib.compress(data, 6), decode=zlib.decompress)


class Timed(NamedTuple):
    """A sample's payload, and milliseconds of coding it."""

    payload: bytes
    encode_ms: float
    decode_ms: float


def timed(coder: Any, sample: Any, repeats: int) -> Timed:
    """Time one coder on one sample."""
    payload = coder.encode(sample)
    encode_ms = processor_ms(lambda: coder.encode(sample), repeats)
    return Timed(payload, encode_ms, processor_ms(lambda: coder.decode(payload), repeats))


def compared(
    name: str, kind: str, ours: Timed, reference: str, theirs: Timed, elements: int
) -> list[list[str]]:
    """Two lines of the table: both times, their ratio, and ours per symbol."""
    return [
        [
            f"{name} {direction}, {kind}",
            f"{len(ours.payload):,}",
            f"{mine:.3f}",
            f"{mine * 1e6 / elements:.2f}",
            f"{reference}, {len(theirs.payload):,} B",
            f"{other:.2f}",
            f"{other / mine:.1f}x",
        ]
        for direction, mine, other in (
            ("encode", ours.encode_ms, theirs.encode_ms),
            ("decode", ours.decode_ms, theirs.decode_ms),
        )
    ]


def of_symbols(rng: np.random.Generator, shape: tuple[int, ...], repeats: int) -> list[list[str]]:
    """Huffman and the range coder against dahuffman, on symbols of which half or nine tenths are 0."""
    rows = []
    for zeros in (0.5, 0.9):
        symbols = (rng.geometric(zeros, shape) - 1).astype(np.int32)
        huffman = codecs.create("huffman", shape).fit([symbols])
        assert isinstance(huffman.coder, Huffman)
        few = max(3, repeats // 4)  # the reference is slow
        theirs = timed(PrefixCodec(huffman.coder.dahuffman_table()), symbols.ravel().tolist(), few)
        assert theirs.payload == huffman.encode(symbols)
        for codec in (huffman, codecs.create("range", shape).fit([symbols])):
            ours = timed(codec, symbols, repeats)
            assert np.array_equal(codec.decode(ours.payload), symbols)
            rows += compared(codec.name, f"{zeros:.0%} zeros", ours, "dahuffman", theirs, symbols.size)
    return rows


def of_feature(feature: NDArray[np.float32], kind: str, repeats: int) -> list[list[str]]:
    """Run-length coding against zlib on the same quantization, one byte per symbol."""
    rows = []
    for bits in (2, 4, 8):
        ours = timed(codecs.create("rle", feature.shape, bits=bits), feature, repeats)
        quantised = codecs.create("quantised", feature.shape, levels=2**bits, whole_bytes=True)
        theirs = timed(ZLIB, quantised.encode(feature), repeats)
        rows += compared(f"rle n={bits}", kind, ours, "zlib-6", theirs, feature.size)
    return rows


def portable(rng: np.random.Generator, repeats: int) -> Timed:
    """The range coder without a compiler, on 512 symbols."""
    symbols = (rng.geometric(0.5, (32, 4, 4)) - 1).astype(np.int32)
    with patch.object(Loop, "__call__", Loop.py_func):
        return timed(codecs.create("range", symbols.shape).fit([symbols]), symbols, repeats)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    options = parser(__doc__)
    options.add_argument("--repeats", type=int, default=25, help="timed calls per cell; the median is shown")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--channels", type=int, default=1024, help="of a sample, of 14 x 14 each")
    given = options.parse_args(arguments)
    rng, shape = np.random.default_rng(given.seed), (given.channels, 14, 14)
    source = np.zeros(shape, np.int32)
    target = np.empty_like(source)
    floor = processor_ms(lambda: np.copyto(target, source), given.repeats)
    rows = of_symbols(rng, shape, given.repeats)
    signed = rng.normal(size=shape).astype(np.float32)
    for feature, kind in ((np.maximum(signed, 0), "ReLU"), (signed, "signed")):
        rows += of_feature(feature, kind, given.repeats)
    print(markdown(rows, HEADER))
    interpreted = portable(rng, given.repeats)
    print(
        f"\nRange coder without a compiler, 512 symbols: {interpreted.encode_ms:.2f} ms and "
        f"{interpreted.decode_ms:.2f} ms.\nFloor: copying the {source.size:,} int32 takes {floor:.3f} ms, "
        f"{floor * 1e6 / source.size:.2f} ns/symbol."
    )


if __name__ == "__main__":
    main()
