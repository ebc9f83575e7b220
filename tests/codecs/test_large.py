"""Ten million values through the codecs: as on small arrays, in time and memory that grow with the array."""

import time

import numpy as np
import pytest

from bottleneck import codecs

pytestmark = pytest.mark.slow

SHAPES = {"symbols": (16, 800, 784), "feature": (16, 800, 784), "pixels": (1, 3200, 3136)}
DTYPES = {"symbols": np.int32, "feature": np.float32, "pixels": np.uint8}
#: Encoders of pictures for whom ten megapixels of noise are half a minute's work.
SLOW = ("avif", "heic", "hevc", "jpeg2000", "png")
#: A network of the usual size takes minutes to be learned from so large a sample.
OPTIONS = {"context": {"groups": 4, "width": 16}}


@pytest.fixture
def taken(most_memory):
    """What a function gives, how many seconds of processor time it took, and how many bytes at most."""

    def call(function, *arguments):
        begin = time.process_time()
        made, memory = most_memory(function, *arguments)
        return made, time.process_time() - begin, memory

    return call


def values(kind, shape):
    """As many as a shape has: in its left half small ones, in the other all that a kind has."""
    rng = np.random.default_rng(0)
    most = {"pixels": 256, "symbols": 2**31, "feature": 1000}[kind]
    halves = [
        rng.integers(0 if kind == "pixels" else -limit, limit, (*shape[:-1], shape[-1] // 2))
        for limit in (4, most)
    ]
    return np.concatenate(halves, axis=-1).astype(DTYPES[kind])


@pytest.mark.parametrize("name", [name for name in codecs.names() if name not in (*SLOW, "packets")])
def test_ten_million_values(name, taken):
    """Each direction takes at most half a minute and twenty arrays' memory, and symbols come back exactly."""
    kind = codecs.create(name, (1, 8, 8)).input
    codec = codecs.create(name, SHAPES[kind], **OPTIONS.get(name, {}))
    array = values(kind, codec.shape)
    codec.fit([array])
    small = codecs.create(name, (1, 8, 8), **OPTIONS.get(name, {})).fit([array[:1, :8, :8]])
    small.decode(small.encode(array[:1, :8, :8]))  # loads and compiles

    payload, *encoding = taken(codec.encode, array)
    decoded, *decoding = taken(codec.decode, payload)
    assert max(encoding[0], decoding[0]) < 30
    assert max(encoding[1], decoding[1]) < 20 * array.nbytes
    if kind == "symbols":
        np.testing.assert_array_equal(decoded, array)
