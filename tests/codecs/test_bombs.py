"""Bombs: whatever a payload claims, a decoder takes at most a second and ten times its array's bytes."""

import contextlib
import copy
import ctypes
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from bottleneck import codecs

MOST_S, MOST_TIMES = 1.0, 10  # of processor time, and of the array's bytes
SHAPES = {"symbols": (128, 32, 32), "feature": (128, 32, 32), "pixels": (3, 512, 512)}
_MMAP_THRESHOLD = -3  # of glibc's mallopt
_THP_DISABLE = 41  # of Linux's prctl
STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")

pytestmark = pytest.mark.skipif(not RESET.exists(), reason="only Linux says what a decoder's memory was")


def samples(codec, rng):
    """What lies in training data, all zeros, and noise over all that is legal."""
    if codec.input == "pixels":
        common, most = rng.integers(0, 256, codec.shape), rng.integers(0, 2, codec.shape) * 255
        return [array.astype(np.uint8) for array in (common, np.zeros(codec.shape), most)]
    common = rng.normal(0, 2, codec.shape).round()
    if codec.input == "symbols":
        most = rng.integers(-(2**31), 2**31, codec.shape)
        return [array.astype(np.int32) for array in (common, np.zeros(codec.shape), most)]
    most = rng.uniform(-1e38, 1e38, codec.shape)
    return [array.astype(np.float32) for array in (common, np.zeros(codec.shape), most)]


def forged(valid, size):
    """A payload with parts of its header changed, cut off, and followed by as much as the array has."""
    yield valid
    yield from (valid[: int(part * len(valid))] for part in (0.1, 0.5, 0.99))
    for at in range(min(9, len(valid))):
        for wrong in (b"\0", b"\xff", b"\xff" * 4, b"\xff\xff\xff\x7f", b"\x7f\xff\xff\xff"):
            yield valid[:at] + wrong + valid[at + len(wrong) :]
    yield from (valid[:9] + fill * size for fill in (b"\0", b"\xff"))


def highest():
    """Most bytes of memory that this process had since the last reset."""
    (line,) = (line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM"))
    return 1024 * int(line.split()[1])


def alone(attack, *args):
    """Run an attack in a process of its own, whose memory no test before has left holes or threads in."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn, initializer=frugal) as process:
        process.submit(attack, *args).result()


def frugal():
    """Let this process have memory only for what is written to."""
    libc = ctypes.CDLL(None)
    libc.mallopt(_MMAP_THRESHOLD, 1 << 17)  # fixed: it grows with what a process has freed, and holes with it
    libc.prctl(_THP_DISABLE, 1, 0, 0, 0)  # a page of two megabytes counts whole where a byte of it is touched


def cost(codec, payload):
    """Seconds of processor time, and bytes of memory, that a payload takes, right or wrong."""
    ctypes.CDLL(None).malloc_trim(0)  # what was freed before would be taken again, and not be seen
    RESET.write_text("5")
    before, begin = highest(), time.process_time()
    with contextlib.suppress(ValueError):
        codec.decode(payload)
    return time.process_time() - begin, highest() - before


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * (n == "context")) for n in codecs.names()]
)
def test_no_payload_takes_much_time_or_memory(name):
    """Changed headers, long runs, truncations and the largest legal content, for every codec by name."""
    alone(bomb, name)


def bomb(name):
    """Attack a codec by name."""
    codec = codecs.create(name, (3, 8, 8))
    codec = codecs.create(name, SHAPES[codec.input])
    arrays = samples(codec, np.random.default_rng(0))
    codec.fit(arrays if codec.input == "pixels" else arrays[:1])
    size = arrays[0].nbytes
    valid = []
    for array in arrays:
        with contextlib.suppress(ValueError):  # noise is too much for small packets
            valid.append(codec.encode(array))
    for payload in valid:  # what is loaded or compiled once is no payload's doing
        codec.decode(payload)
    bear(lambda: codec, valid, size)


def bear(receiver, valid, size):
    """Attack receivers with valid payloads, with what is forged of them, and with runs of one byte.

    Args:
        receiver: Makes one, in the state that it is attacked in.
        valid: Payloads.
        size: Bytes of the array.
    """
    attacks = [payload for own in valid for payload in forged(own, size)]
    attacks += [fill * count for fill in (b"\0", b"\x7f", b"\xff") for count in (1, 40, size)]
    for payload in attacks:
        seconds, memory = cost(receiver(), payload)
        if seconds > MOST_S or memory > MOST_TIMES * size:  # garbage or another thread's, where it is once
            seconds, memory = map(min, (seconds, memory), cost(receiver(), payload))
        about = f"{len(payload):,} bytes from {payload[:16].hex()}"
        assert seconds <= MOST_S, f"{seconds:.1f} s for {about}"
        assert memory <= MOST_TIMES * size, f"{memory / size:.1f} times the array for {about}"


def test_no_frame_of_a_stream_takes_much_time_or_memory():
    """In a session too, where a payload is an update of the frame before."""
    alone(bomb_session)


def bomb_session():
    """Attack sessions of the stream's codec."""
    rng = np.random.default_rng(0)
    codec = codecs.create("stream", SHAPES["symbols"])
    first, _, noise = samples(codec, rng)
    codec.fit([first])
    after = first + (rng.random(first.shape) < 0.1).astype(np.int32)
    valid = []
    for frame in (after, noise):
        sender, before = codec.session(), codec.session()
        before.decode(sender.encode(first))
        valid.append(sender.encode(frame))
        copy.copy(before).decode(valid[-1])  # what is compiled once is no payload's doing
    bear(lambda: copy.copy(before), valid, first.nbytes)
