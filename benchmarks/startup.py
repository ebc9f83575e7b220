"""Processor time of what should answer at once: help, slips of the pen, a point, an embedded profile.

    python benchmarks/startup.py

Each runs in a process of its own, several times; the table has the median of user and system time. The exit
code is 1 where one is past its limit.
"""

import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence

from benchmarks.shared import markdown, parser

#: What is started, and the seconds that it may take.
COMMANDS = {
    ("--help",): 1.0,
    ("train", "--help"): 1.0,
    ("trian",): 1.0,
    ("train", "unit.stpe=2"): 1.0,
    ("train", "model=digits_resnt"): 1.0,
    ("choose", "max_bytes=8"): 1.0,
    ("profile",): 3.0,
}


def processor_seconds(arguments: Sequence[str]) -> float:
    """User and system time of `bottleneck ARGUMENT...` and whatever it starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "bottleneck", *arguments], cwd=folder, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the table."""
    options = parser(__doc__)
    options.add_argument("--repeats", type=int, default=5)
    given = options.parse_args(arguments)
    rows, late = [], []
    for command, limit in COMMANDS.items():
        told = f"`bottleneck {' '.join(command)}`"
        seconds = statistics.median(processor_seconds(command) for _ in range(given.repeats))
        rows.append([told, f"{seconds:.2f}", f"{limit:g}"])
        if seconds > limit:
            late.append(told)
    print(markdown(rows, ["command", "seconds", "at most"]))
    if late:
        raise SystemExit(f"too slow: {', '.join(late)}")


if __name__ == "__main__":
    main()
