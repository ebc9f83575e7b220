"""What a command does when it is asked to end: it leaves everything in order, says how to go on, and ends."""

import contextlib
import signal
import sys
from collections.abc import Iterator
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: How each command goes on; the others begin anew.
_GO_ON = {
    "search": "The same command goes on where it has stopped.",
    "train": "The same command with ckpt_path=RUN/checkpoints/last.ckpt goes on after its last whole epoch.",
}


class Stopped(SystemExit):
    """A signal has asked this process to end; its code says which."""


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
        print(f"bottleneck {command}: stopped by {name}. {_GO_ON.get(command, '')}".rstrip(), file=sys.stderr)
        raise
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
