"""Run-length codewords: the paper's worked examples, long runs, what a reader accepts and refuses."""

import itertools

import numpy as np
import pytest

from bottleneck.codecs.entropy.bitstreams.runs import Runs, unpack_codewords


def pack_codewords(symbols, bits):
    return Runs(np.array(symbols, np.uint16), bits).codewords()


def reference_codewords(symbols, bits):
    """Codewords as text, written from the paper's rule and nothing else."""
    out = []
    for is_zero, group in itertools.groupby(symbols, lambda symbol: symbol == 0):
        group = list(group)
        if not is_zero:
            out += [f"0{symbol:0{bits}b}" for symbol in group]
        while is_zero and group:
            run, group = group[: 2**bits], group[2**bits :]
            out.append(f"1{len(run) - 1:0{bits}b}")
    return out


def as_bytes(codewords):
    text = "".join(codewords)
    return bytes(int(text[i : i + 8].ljust(8, "0"), 2) for i in range(0, len(text), 8))


@pytest.mark.parametrize(
    ("symbols", "body"),
    [
        ([5, 0, 0, 0, 1, 0, 7] + [0] * 10 + [2], "5a187f92"),
        ([0] * 20, "ffb0"),
        ([0] * 9, "f8"),
        ([0] * 8, "f0"),
        ([3], "30"),
        ([0], "80"),
        ([], ""),
    ],
)
def test_worked_examples_at_3_bits(symbols, body):
    """Each worked codeword sequence comes out byte for byte, and back."""
    assert pack_codewords(symbols, bits=3).hex() == body
    assert unpack_codewords(bytes.fromhex(body), 3, len(symbols)).tolist() == symbols


@pytest.mark.parametrize("bits", [1, 2, 3, 8, 15, 16])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_runs_split_at_powers_of_two(bits, k):
    """Runs of k 2^n - 1, k 2^n and k 2^n + 1 zeros are full codewords and a remainder, anywhere."""
    for length in (k * 2**bits - 1, k * 2**bits, k * 2**bits + 1):
        for symbols in ([0] * length, [1] + [0] * length, [0] * length + [1]):
            body = pack_codewords(symbols, bits)
            assert body == as_bytes(reference_codewords(symbols, bits))
            assert unpack_codewords(body, bits, len(symbols)).tolist() == symbols


def test_reader_accepts_a_zero_sent_as_a_value():
    """A literal 0, which we never write, reads as one zero."""
    assert unpack_codewords(as_bytes(["0000", "0101", "0000", "1001"]), 3, 5).tolist() == [0, 5, 0, 0, 0]
