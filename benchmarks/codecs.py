"""Time our entropy coders beside their references, in one process and on the same data.

    python benchmarks/codecs.py

Huffman runs beside dahuffman (same table, same bytes), and so does the range coder on the same symbols,
which it codes in fewer bytes; run-length coding beside zlib on the same quantised bytes, on a ReLU feature
(half zeros) and on a signed one (no zeros). One sample has 200,704 values (1024 x 14 x 14). Ours counts
everything from NumPy array to bytes and back, checks and quantization included; zlib gets its bytes
ready-made, dahuffman its symbols as a list. Processor time; takes about 15 seconds. Every codec on
features of a real network: throughput.py.
"""

from __future__ import annotations

import argparse
import zlib
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from bottleneck import codecs
from bottleneck.codecs.entropy.huffman import Huffman
from bottleneck.codecs.jit import Loop
from bottleneck.timing import processor_ms

SHAPE = (1024, 14, 14)
N = 1024 * 14 * 14


def row(name: str, payload: bytes, ours: float, reference: str, theirs: float) -> str:
    """One line of the table: both times, their ratio, and ours per symbol."""
    cells = [name, f"{len(payload):,}", f"{ours:.3f}", f"{ours * 1e6 / N:.2f}", reference, f"{theirs:.2f}"]
    return "| " + " | ".join([*cells, f"{theirs / ours:.1f}x"]) + " |"


def latent_rows(rng: np.random.Generator, repeats: int) -> list[str]:
    """Huffman and the range coder against dahuffman, on symbols of which half or nine tenths are 0."""
    from dahuffman.huffmancodec import PrefixCodec

    rows = []
    few = max(3, repeats // 4)  # the reference is slow
    for zeros in (0.5, 0.9):
        symbols = (rng.geometric(zeros, SHAPE) - 1).astype(np.int32)
        huffman = codecs.create("huffman", SHAPE).fit([symbols])
        assert isinstance(huffman.coder, Huffman)
        theirs = PrefixCodec(huffman.coder.dahuffman_table())
        as_list, same = symbols.ravel().tolist(), huffman.encode(symbols)
        assert theirs.encode(as_list) == same
        their_encode_ms = processor_ms(lambda: theirs.encode(as_list), few)  # noqa: B023  # called at once
        their_decode_ms = processor_ms(lambda: theirs.decode(same), few)  # noqa: B023
        for codec in (huffman, codecs.create("range", SHAPE).fit([symbols])):
            payload = codec.encode(symbols)
            assert np.array_equal(codec.decode(payload), symbols)
            encode_ms = processor_ms(lambda: codec.encode(symbols), repeats)  # noqa: B023
            decode_ms = processor_ms(lambda: codec.decode(payload), repeats)  # noqa: B023
            name, reference = f"{codec.name}, {zeros:.0%} zeros,", f"dahuffman, {len(same):,} B"
            rows += [
                row(f"{name} encode", payload, encode_ms, reference, their_encode_ms),
                row(f"{name} decode", payload, decode_ms, reference, their_decode_ms),
            ]
    return rows


def portable_range_ms(rng: np.random.Generator, repeats: int) -> tuple[float, float]:
    """Encode and decode milliseconds of the range coder without a compiler, for 512 symbols."""
    symbols = (rng.geometric(0.5, (32, 4, 4)) - 1).astype(np.int32)
    codec = codecs.create("range", (32, 4, 4)).fit([symbols])
    payload = codec.encode(symbols)
    with patch.object(Loop, "__call__", Loop.py_func):
        return (
            processor_ms(lambda: codec.encode(symbols), repeats),
            processor_ms(lambda: codec.decode(payload), repeats),
        )


def rle_rows(feature: NDArray[np.float32], kind: str, repeats: int, bits: int) -> list[str]:
    """Run-length coding against zlib level 6 on the same quantization, one byte per symbol."""
    codec = codecs.create("rle", SHAPE, bits=bits)
    payload = codec.encode(feature)
    as_bytes = codecs.create("quantised", SHAPE, levels=2**bits, whole_bytes=True).encode(feature)
    deflated = zlib.compress(as_bytes, 6)
    reference = f"zlib-6, {len(deflated):,} B"
    encode_ms, decode_ms = (
        processor_ms(lambda: codec.encode(feature), repeats),
        processor_ms(lambda: codec.decode(payload), repeats),
    )
    their_encode_ms, their_decode_ms = (
        processor_ms(lambda: zlib.compress(as_bytes, 6), repeats),
        processor_ms(lambda: zlib.decompress(deflated), repeats),
    )
    return [
        row(f"rle n={bits} encode, {kind}", payload, encode_ms, reference, their_encode_ms),
        row(f"rle n={bits} decode, {kind}", payload, decode_ms, reference, their_decode_ms),
    ]


def main() -> None:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeats", type=int, default=25, help="timed calls per cell; the median is shown")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    source = np.zeros(SHAPE, np.int32)
    target = np.empty_like(source)
    floor = processor_ms(lambda: np.copyto(target, source), options.repeats)
    print("| codec | payload B | ms | ns/symbol | reference | ms | ratio |")
    print("| --- | ---: | ---: | ---: | --- | ---: | ---: |")
    rows = latent_rows(rng, options.repeats)
    signed = rng.normal(size=SHAPE).astype(np.float32)
    for feature, kind in ((np.maximum(signed, 0), "ReLU"), (signed, "signed")):
        for bits in (2, 4, 8):
            rows += rle_rows(feature, kind, options.repeats, bits)
    print("\n".join(rows))
    encode_ms, decode_ms = portable_range_ms(rng, options.repeats)
    print(f"\nRange coder without a compiler, 512 symbols: {encode_ms:.2f} ms and {decode_ms:.2f} ms.")
    print(f"Floor: copying the {N:,} int32 takes {floor:.3f} ms, {floor * 1e6 / N:.2f} ns/symbol.")


if __name__ == "__main__":
    main()
