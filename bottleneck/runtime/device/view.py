"""The terminal's view of a device at work."""

import statistics
from collections import Counter, deque
from typing import Any, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from bottleneck.runtime.journal import Record

_WINDOW = 100  # frames that the numbers are about


class View:
    """A table that follows the frames; nothing where the output is no terminal.

    Args:
        title: Source and server.
        console: Where it is shown; `None`: where the program's output goes.
    """

    def __init__(self, title: str, console: Console | None = None):
        self._title = title
        self._last: deque[Record] = deque(maxlen=_WINDOW)
        self._counts: Counter[str] = Counter()
        console = console or Console()
        self._live = Live(console=console, refresh_per_second=4) if console.is_terminal else None

    def __call__(self, record: Record) -> None:
        """Take one frame's record."""
        self._last.append(record)
        self._counts["dropped" if record.dropped else record.strategy or ""] += 1
        if self._live is not None:
            self._live.update(self._table())

    def summary(self) -> str:
        """All frames in a line."""
        total = sum(self._counts.values())
        parts = ", ".join(f"{count} {name}" for name, count in self._counts.most_common())
        return f"{total} frames: {parts}" if total else "no frames"

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live is not None:
            self._live.stop()

    def _table(self) -> Table:
        table = Table(title=self._title, show_header=False)
        answered = [record for record in self._last if not record.dropped]
        if answered:
            last = answered[-1]
            table.add_row("strategy", str(last.strategy))
            table.add_row("bandwidth", f"{(last.bandwidth or 0) / 1000:,.0f} kB/s")
            for name in ("age_ms", "device_ms", "link_ms", "server_ms", "bytes"):
                table.add_row(name, _spread([getattr(record, name) for record in answered]))
            if packets := sum(record.packets or 0 for record in answered):
                lost = sum(record.lost_packets or 0 for record in answered)
                concealed = sum(bool(record.concealed) for record in answered)
                table.add_row("packets", f"{lost} of {packets} lost, {concealed} frames concealed in part")
            if asked := sum(record.asked_again for record in answered):
                table.add_row("asked again", f"{asked} of {len(answered)} frames")
            table.add_row("answer", _shown(last.answer))
        table.add_row("frames", self.summary())
        return table


def _spread(values: list[float | None]) -> str:
    known = sorted(value for value in values if value is not None)
    if not known:
        return "-"
    return f"{statistics.median(known):.1f} (90 %: {known[int(0.9 * (len(known) - 1))]:.1f})"


def _shown(answer: Any) -> str:
    match answer:
        case {"top": [{"class": label, "score": score}, *_]}:
            return f"class {label}, {100 * score:.0f} %"
        case {"objects": objects}:
            return f"{len(objects)} objects"
    return "a mask" if answer and "mask" in answer else "an output"
