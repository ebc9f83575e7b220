"""How long one call takes."""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch


def median_ms(function: Callable[[Any], Any], arguments: Sequence[Any], warm_up: int = 2) -> float:
    """Median wall-clock milliseconds of `function(argument)` over the arguments.

    The first call is made `warm_up` times more before the clock starts (compilation, caches). Work that
    was queued on a GPU is waited for.
    """
    for _ in range(warm_up):
        function(arguments[0])
    return statistics.median(timed(function, argument)[1] for argument in arguments)


def timed(function: Callable[[Any], Any], argument: Any) -> tuple[Any, float]:
    """What a call returns, and its wall-clock milliseconds; work that was queued on a GPU is waited for."""
    _wait()
    start = time.perf_counter()
    found = function(argument)
    _wait()
    return found, 1000 * (time.perf_counter() - start)


def processor_ms(function: Callable[[], Any], repeats: int) -> float:
    """Median processor time of a call in milliseconds, after one call to warm up; for benchmarks of CPU code.

    On a busy machine wall time would flatter short calls: long ones are interrupted for other processes.
    """
    function()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        times.append(1000 * (time.process_time() - start))
    return statistics.median(times)


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
