"""One source for each hot loop: compiled where numba is installed, interpreted elsewhere.

A device may have NumPy and nothing else, a server decodes thousands of payloads per second, and
both must agree on every byte. So a loop is written once, in the subset that both can run::

                      ┌─ numba installed ──► compiled on first call, cached on disk, GIL released
    @jit def loop ────┤
                      └─ otherwise ────────► the same source on memoryviews (Python integers)

Rules for a loop: integer and float64 arithmetic only; no intermediate of 2**63 or more whose upper
bits matter, because compiled integers wrap and Python's do not; arguments by position, arrays among
them one-dimensional and contiguous, results written into arrays that the caller allocated; no calls
except ``range``, ``len``, ``min``, ``int``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

#: Arrays of the loops, by their element.
U8: TypeAlias = NDArray[np.uint8]
U16: TypeAlias = NDArray[np.uint16]
U32: TypeAlias = NDArray[np.uint32]
I32: TypeAlias = NDArray[np.int32]
I64: TypeAlias = NDArray[np.int64]

P = ParamSpec("P")
R = TypeVar("R")


class Loop(Generic[P, R]):
    """A hot loop that picks its way of running on the first call; made by `jit`.

    numba is imported on that first call and never earlier, so importing a codec stays cheap and
    works where numba is absent.
    """

    def __init__(self, function: Callable[P, R]) -> None:
        self._function = function
        self._run: Callable[P, R] | None = None
        functools.update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the loop, compiled where possible."""
        if self._run is None:
            self._run = _compile(self._function) or self.py_func
        return self._run(*args, **kwargs)

    def py_func(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the loop interpreted, whatever is installed.

        Arrays are handed over as memoryviews: reading one gives a Python integer, which cannot
        overflow as a NumPy scalar does, and writing one checks the range of the value.
        """
        views: Any = [memoryview(a) if isinstance(a, np.ndarray) else a for a in args]  # type: ignore[arg-type]
        return self._function(*views, **kwargs)  # loops take their arguments by position


def jit(function: Callable[P, R]) -> Loop[P, R]:
    """Mark a hot loop: compiled with numba where that is installed, interpreted elsewhere.

    Args:
        function: A loop that keeps the rules in the module's docstring. Array arguments are
            one-dimensional and C-contiguous.

    Returns:
        A callable with the same signature; its ``py_func`` always runs interpreted.
    """
    return Loop(function)


def _compile(function: Callable[P, R]) -> Callable[P, R] | None:
    """Compile a loop with numba; None where numba is missing or switched off (NUMBA_DISABLE_JIT=1)."""
    try:
        import numba
    except ImportError:
        return None
    if getattr(numba.config, "DISABLE_JIT", False):
        return None
    njit: Callable[..., Callable[P, R]] = numba.njit
    try:
        return njit(function, cache=True, nogil=True)
    except RuntimeError:  # nowhere to write numba's cache, e.g. a read-only install without a home
        return njit(function, nogil=True)
