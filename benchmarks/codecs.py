"""Time our entropy coders beside their references, in one process and on the same data.

    python benchmarks/codecs.py

Huffman runs beside dahuffman (same table, same bytes), run-length coding beside zlib on the same
quantised bytes, on a ReLU feature (half zeros) and on a signed one (no zeros). One sample has 200,704
values (1024 x 14 x 14). Ours counts everything from NumPy array to bytes and back, checks and
quantization included; zlib gets its bytes ready-made, dahuffman its symbols as a list. Takes about
10 seconds.
"""

from __future__ import annotations

import argparse
import statistics
import time
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bottleneck import codecs
from bottleneck.codecs.huffman import Huffman

SHAPE = (1024, 14, 14)
N = 1024 * 14 * 14


def median_ms(run: Callable[[], Any], repeats: int) -> float:
    """Median processor time of a call in milliseconds, after one call to warm up (compile, fill caches).

    Wall time would flatter us on a busy machine: the references run long enough to be interrupted
    for other processes, our calls end before that.
    """
    run()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return statistics.median(times) * 1e3


def row(name: str, payload: bytes, ours: float, reference: str, theirs: float) -> str:
    """One line of the table: both times, their ratio, and ours per symbol."""
    cells = [name, f"{len(payload):,}", f"{ours:.3f}", f"{ours * 1e6 / N:.2f}", reference, f"{theirs:.2f}"]
    return "| " + " | ".join([*cells, f"{theirs / ours:.1f}x"]) + " |"


def huffman_rows(rng: np.random.Generator, repeats: int) -> list[str]:
    """Huffman against dahuffman on geometric symbols, half of them 0."""
    from dahuffman.huffmancodec import PrefixCodec

    symbols = (rng.geometric(0.5, SHAPE) - 1).astype(np.int32)
    ours = Huffman(SHAPE).fit([symbols])
    theirs = PrefixCodec(ours.dahuffman_table())
    as_list, payload = symbols.ravel().tolist(), ours.encode(symbols)
    assert theirs.encode(as_list) == payload
    assert np.array_equal(ours.decode(payload), symbols)
    few = max(3, repeats // 4)  # the reference is slow
    encode_ms, decode_ms = (
        median_ms(lambda: ours.encode(symbols), repeats),
        median_ms(lambda: ours.decode(payload), repeats),
    )
    their_encode_ms, their_decode_ms = (
        median_ms(lambda: theirs.encode(as_list), few),
        median_ms(lambda: theirs.decode(payload), few),
    )
    return [
        row("huffman encode", payload, encode_ms, "dahuffman", their_encode_ms),
        row("huffman decode", payload, decode_ms, "dahuffman", their_decode_ms),
    ]


def rle_rows(feature: NDArray[np.float32], kind: str, repeats: int, bits: int) -> list[str]:
    """Run-length coding against zlib level 6 on the same quantization, one byte per symbol."""
    codec = codecs.create("rle", SHAPE, bits=bits)
    payload = codec.encode(feature)
    as_bytes = codecs.create("quantised", SHAPE, levels=2**bits, whole_bytes=True).encode(feature)
    deflated = zlib.compress(as_bytes, 6)
    reference = f"zlib-6, {len(deflated):,} B"
    encode_ms, decode_ms = (
        median_ms(lambda: codec.encode(feature), repeats),
        median_ms(lambda: codec.decode(payload), repeats),
    )
    their_encode_ms, their_decode_ms = (
        median_ms(lambda: zlib.compress(as_bytes, 6), repeats),
        median_ms(lambda: zlib.decompress(deflated), repeats),
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
    floor = median_ms(lambda: np.copyto(target, source), options.repeats)
    print("| codec | payload B | ms | ns/symbol | reference | ms | ratio |")
    print("| --- | ---: | ---: | ---: | --- | ---: | ---: |")
    rows = huffman_rows(rng, options.repeats)
    signed = rng.normal(size=SHAPE).astype(np.float32)
    for feature, kind in ((np.maximum(signed, 0), "ReLU"), (signed, "signed")):
        for bits in (2, 4, 8):
            rows += rle_rows(feature, kind, options.repeats, bits)
    print("\n".join(rows))
    print(f"\nFloor: copying the {N:,} int32 takes {floor:.3f} ms, {floor * 1e6 / N:.2f} ns/symbol.")


if __name__ == "__main__":
    main()
