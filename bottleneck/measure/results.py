"""The results contract: one row per evaluated method, with its intervals, as JSON lines."""

import csv
import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bottleneck.files import replace_file, replace_text
from bottleneck.tasks.intervals import Interval

Kind = Literal["frozen", "trained", "untrained"]


@dataclass
class Result:
    """One evaluated method; `None` where a quantity does not exist or is not known.

    Sizes are means over samples unless said otherwise, times are milliseconds for one sample at a time,
    metrics lie in [0, 1].

    Attributes:
        method: `frozen`, `feature-float32`, `bottleneck`, `bundle:<id>`, these two with `-<codec>` for a
            further codec of the latent, `rle-<n>`, or `<codec>-<setting>`.
        kind: The frozen network itself, a trained unit, or a codec without training.
        family: The curve that the row is a point of at its split point; rows of 0.1 have none.
        setting: Which point of that curve, as its name says it.
        split: Split point; `input` where the image itself is sent.
        n: Samples that were measured.
        value, baseline: The metric through this method, and of the frozen network on the same samples.
        payload_bytes: Everything that crosses the channel, counted after decoding it again.
        bpp: 8 · `payload_bytes` per pixel of the image that enters the head.
        estimated_bpp: What an ideal coder with tables fitted on training data would need.
        encode_ms: Feature to payload, the unit's encoder included; `decode_ms` likewise back.
        unit_params, unit_macs: Both halves of the unit; `encoder_params`, `encoder_macs` the device's.
        metrics: All of the task's metrics through this method, `value` among them.
        value_interval: 95 % interval of `value` by itself (Wilson).
        drop: `baseline - value`; `drop_interval` its 95 % interval, paired sample by sample (Newcombe).
        zero_fraction: Share of zeros among the quantized elements that run-length coding met.
        device_macs: Head, encoder, and the codec's network where it has one.
        agreement: `value` where targets are the frozen network's own answers, as those of frames are.
        loss_model: What is lost on the link, and how (`lossy`); `None`: nothing is.
        loss_rate: Share of elements, channels or packets that is lost in the long run.
        concealment: What is put in its place.
        packets: Packets that a payload takes; where that is 1, a loss is the whole sample.
        trainable: What was trained: the `bottleneck`, with it the server's `tail`, or `all`.
        asked_again: Share of samples of which the server was not sure and asked for a second payload, which
            is counted (`cascade`).
        beside: What the tail reads beside the payload. Where there is anything, the split is no closed cut,
            and the tail cannot run on another machine.
    """

    method: str
    task: str
    dataset: str
    model: str
    split: str
    n: int
    metric: str
    value: float
    baseline: float
    kind: Kind = "untrained"
    family: str | None = None
    setting: str | None = None
    payload_bytes: float | None = None
    bpp: float | None = None
    estimated_bpp: float | None = None
    encode_ms: float | None = None
    decode_ms: float | None = None
    head_ms: float | None = None
    tail_ms: float | None = None
    unit_params: int | None = None
    unit_macs: int | None = None
    seed: int | None = None
    metrics: dict[str, float] | None = None
    value_interval: Interval | None = None
    drop: float | None = None
    drop_interval: Interval | None = None
    payload_bytes_p95: float | None = None
    bits_per_element: float | None = None
    zero_fraction: float | None = None
    encoder_params: int | None = None
    encoder_macs: int | None = None
    device_macs: int | None = None
    agreement: float | None = None
    loss_model: str | None = None
    loss_rate: float | None = None
    concealment: str | None = None
    packets: float | None = None
    trainable: str | None = None
    asked_again: float | None = None
    beside: list[str] | None = None

    @property
    def place(self) -> str:
        """The split point as tables show it, flagged where nothing could be deployed."""
        return f"{self.split} (open: not remote)" if self.beside else self.split

    @property
    def device_ms(self) -> float | None:
        """Milliseconds that the device works on one sample: head, encoder and coder."""
        return None if self.head_ms is None or self.encode_ms is None else self.head_ms + self.encode_ms


def write_results(rows: Sequence[Result], path: Path) -> None:
    """Write rows as JSON lines, every key in every row, and beside them as CSV for spreadsheets.

    In the CSV what has several numbers, such as an interval, is JSON in one cell.
    """
    known = [dataclasses.asdict(row) for row in rows]
    replace_text(path, "".join(json.dumps(row) + "\n" for row in known))
    with replace_file(path.with_suffix(".csv")) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(field.name for field in dataclasses.fields(Result))
        writer.writerows(map(_cell, row.values()) for row in known)


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, (dict, list, tuple)) else value


def read_results(path: Path) -> list[Result]:
    """Read rows that `write_results` wrote; keys that other tools added are left out."""
    known = {field.name for field in dataclasses.fields(Result)}
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [Result(**{key: value for key, value in line.items() if key in known}) for line in lines]
