"""One way from an image to its answer, with what it was measured to take.

device only    image ──► whole network ──► answer
server only    image ──► picture codec ┄┄┄┄┄┄► whole network ──► answer
shared         image ──► head, encoder ┄┄┄┄┄┄► decoder, tail ──► answer
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Self

import numpy as np

from bottleneck.runtime.link import Link

Kind = Literal["device", "server", "shared"]


@dataclass(frozen=True)
class Spread:
    """What was measured, image by image.

    Attributes:
        samples: One number for each image.

    Raises:
        ValueError: If there is none, or one is negative or no number.
    """

    samples: Sequence[float]

    def __post_init__(self) -> None:
        values = np.asarray(self.samples, dtype=float)
        if values.ndim != 1 or not values.size or not (np.isfinite(values) & (values >= 0)).all():
            raise ValueError(
                f"samples={self.samples!r} are no measurements. Give one number or more, none below 0."
            )
        object.__setattr__(self, "samples", tuple(values.tolist()))

    @cached_property
    def mean(self) -> float:
        return float(np.mean(self.samples))

    @cached_property
    def median(self) -> float:
        return float(np.median(self.samples))

    @cached_property
    def p90(self) -> float:
        return float(np.percentile(self.samples, 90))


@dataclass(frozen=True)
class Strategy:
    """One way from an image to its answer.

    Attributes:
        name: What tables, logs and messages call it.
        split: The split point; `input` where a picture is sent, `None` where nothing is.
        device_ms: What the device works on one image: head, encoder and coder, or the whole network.
        payload_bytes: What crosses the link: nothing where the device finds the answer, which stays there.
        server_ms: What the server works on one payload.
        value: The metric on validation samples, in [0, 1]; `value_interval` its 95 % interval.
        bundle: The bundle that runs, by its `id`, and `point`, its number on its frontier.
        codec: What makes the picture: a codec's name and its options, with its tables where it has any.
    """

    name: str
    split: str | None
    device_ms: Spread
    payload_bytes: Spread
    server_ms: Spread
    value: float
    value_interval: tuple[float, float] | None = None
    bundle: str | None = None
    point: int | None = None
    codec: Mapping[str, Any] | None = None

    @property
    def kind(self) -> Kind:
        if self.split is None:
            return "device"
        return "shared" if self.codec is None else "server"

    @property
    def compute_ms(self) -> float:
        """Median milliseconds that both sides work: `b` in the latency `b + D / B + RTT`."""
        return self.device_ms.median + self.server_ms.median

    @property
    def sent_bytes(self) -> float:
        """Mean bytes that the answer waits for, `D`; plans of older releases count the device's answer."""
        return 0.0 if self.kind == "device" else self.payload_bytes.mean

    def slower(self, factor: float) -> Self:
        """The same on a device that takes `factor` times as long; the server is as fast as ever."""
        samples = [factor * ms for ms in self.device_ms.samples]
        return dataclasses.replace(self, device_ms=Spread(samples))

    def latency_ms(self, link: Link) -> float:
        """Milliseconds from an image to its answer on the device; infinite where the link is dead.

        Source: Ulhaq, BASc thesis, SFU 2020, section 5: `I_s(B) = b_s + D_s / B`, and the round trip.
        """
        return self.compute_ms + (0.0 if self.kind == "device" else link.ms(self.sent_bytes))

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """What `to_dict` gave.

        Raises:
            ValueError: If a key is missing or unknown, or a measurement is none.
        """
        content = dict(content)
        try:
            for key in ("device_ms", "payload_bytes", "server_ms"):
                content[key] = Spread(**content[key])
            return cls(**content)
        except (KeyError, TypeError) as error:
            raise ValueError(f"{content.get('name', content)!r} describes no strategy: {error}.") from error
