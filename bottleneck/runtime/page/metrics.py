"""The journal in Prometheus' own format."""

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from bottleneck.runtime.journal import Journal, Record

_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # seconds
_PARTS = ("device", "link", "server", "age")


class Metrics:
    """Counts what a journal is told.

    Args:
        journal: What happens.

    Attributes:
        type: The content type of `exposition`.
    """

    type = CONTENT_TYPE_LATEST

    def __init__(self, journal: Journal):
        self._registry = CollectorRegistry()
        known: dict[str, Any] = {"registry": self._registry, "namespace": "bottleneck"}
        self._frames = Counter("frames", "Frames that were answered", ["strategy"], **known)
        self._drops = Counter("drops", "Frames that were dropped", **known)
        self._bytes = Counter("payload_bytes", "Bytes that were sent for them", **known)
        self._packets = Counter("packets", "Datagrams that were sent for them", ["fate"], **known)
        self._concealed = Counter("concealed", "Frames of which something was concealed", **known)
        self._asked = Counter("asked_again", "Frames whose picture was sent too, for a surer answer", **known)
        self._seconds = Histogram("seconds", "What a frame took", ["part"], buckets=_BUCKETS, **known)
        self._bandwidth = Gauge("bandwidth_bytes_per_second", "Estimate of the link", **known)
        journal.listen(self._add)

    def exposition(self) -> bytes:
        """What `/metrics` answers."""
        return generate_latest(self._registry)

    def _add(self, record: Record) -> None:
        if record.bytes is not None:
            self._bytes.inc(record.bytes)
        if record.bandwidth is not None:
            self._bandwidth.set(record.bandwidth)
        if record.packets is not None and record.lost_packets is not None:
            self._packets.labels("lost").inc(record.lost_packets)
            self._packets.labels("arrived").inc(record.packets - record.lost_packets)
        if record.concealed:
            self._concealed.inc()
        self._asked.inc(record.asked_again)
        if record.dropped:
            self._drops.inc()
            return
        self._frames.labels(record.strategy or "").inc()
        for part in _PARTS:
            if (ms := getattr(record, f"{part}_ms")) is not None:
                self._seconds.labels(part).observe(ms / 1000)
