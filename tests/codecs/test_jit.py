"""Hot loops: one source, compiled or interpreted."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from bottleneck import codecs
from bottleneck.codecs import jit

ROOT = Path(codecs.__file__).parents[2]


def test_numba_switched_off_means_interpreted():
    """NUMBA_DISABLE_JIT=1, numba's own switch, gives the interpreted loops and the same bytes."""
    code = """
import numpy as np
from bottleneck import codecs
from bottleneck.codecs.entropy.bitstreams import bits
array = np.arange(36, dtype=np.float32).reshape(3, 3, 4) % 5
print(codecs.create("rle", array.shape, bits=5).encode(array).hex())
assert bits._pack._run == bits._pack.py_func
"""
    env = os.environ | {"PYTHONPATH": str(ROOT), "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    array = np.arange(36, dtype=np.float32).reshape(3, 3, 4) % 5
    assert done.stdout.strip() == codecs.create("rle", array.shape, bits=5).encode(array).hex()


def test_loop_keeps_its_name_and_compiles_on_first_call_only():
    """A decorated loop still documents itself, and nothing is compiled before it is called."""

    @jit.jit
    def add(values, out):
        """Sum."""
        for i in range(len(values)):
            out[0] += values[i]

    assert (add.__name__, add.__doc__, add._run) == ("add", "Sum.", None)
    for call in (add.py_func, add):
        out = np.zeros(1, np.int64)
        call(np.full(3, 2**30, np.int32), out)
        assert out[0] == 3 * 2**30
    assert add._run is not None


def test_loop_compiles_where_numba_cannot_write_its_cache(monkeypatch):
    """A read-only install without a home compiles in every process, instead of failing."""

    def njit(function, nogil, cache=False):
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return lambda: f"compiled {function()}, nogil={nogil}"

    monkeypatch.setattr("numba.njit", njit)
    assert jit.jit(lambda: "loop")() == "compiled loop, nogil=True"


def test_interpreted_loop_never_sees_a_numpy_scalar():
    """Interpreted, array elements are Python integers, so 255 + 1 is 256 and never wraps."""
    loop = jit.jit(lambda values: values[0] + 1)
    assert loop.py_func(np.array([255], np.uint8)) == 256
