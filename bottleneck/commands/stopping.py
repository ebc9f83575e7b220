"""What a command does when it is asked to end: it leaves everything in order, says how to go on, and ends."""

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopped(SystemExit):
    """A signal has asked this process to end; its code says which.

    Attributes:
        cure: How the command goes on, told by whoever knows; the others begin anew.
    """

    cure = ""


@contextlib.contextmanager
def resumable(how: Callable[[], str]) -> Iterator[None]:
    """Let a signal that comes inside say how the command goes on, as far as is known by then."""
    try:
        yield
    except Stopped as stopped:
        stopped.cure = how()
        raise


@contextlib.contextmanager
def stoppable(command: str) -> Iterator[None]:
    """Turn Ctrl-C, SIGTERM and SIGHUP into an exception, and say in one line how to go on.

    A second signal ends the process at once. What was ignored before, as SIGHUP under `nohup`, stays so.

    Args:
        command: The command that runs.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        for each in caught:
            signal.signal(each, signal.SIG_DFL)
        raise Stopped(128 + number)

    caught = [each for each in _SIGNALS if signal.getsignal(each) != signal.SIG_IGN]
    before = {each: signal.signal(each, stop) for each in caught}
    try:
        yield
    except Stopped as stopped:
        name = signal.Signals(int(str(stopped.code)) - 128).name
        print(f"bottleneck {command}: stopped by {name}. {stopped.cure}".rstrip(), file=sys.stderr)
        raise
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
