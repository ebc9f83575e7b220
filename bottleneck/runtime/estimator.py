"""What a link does at present, told from the confirmations of what was sent.

    sent ──► in flight ──► confirmed ──► bytes / (time - RTT) ──► EWMA, change points ──► bandwidth
                 │
                 └───────► lost, when its time is up; two in a row: bandwidth 0, until something arrives

A message that is still on its way says already how fast the link is at most.

Source: Ulhaq, BASc thesis, SFU 2020 (bytes over time, round trip removed); RFC 6298 (round trip and its
deviation); Page, "Continuous inspection schemes", Biometrika 1954 (change points by cumulative sums).
"""

import math
from typing import NamedTuple

from bottleneck.runtime.link import Link

TINY = 64  # bytes; a message of at most so many measures the round trip, a larger one the bandwidth

_DRIFT, _CHANGE = 0.25, 0.6  # of the bandwidth's logarithm: less is noise, so much beyond it is a change
_LONGEST_S = 30.0  # nothing is waited for longer


class _Sent(NamedTuple):
    size: int
    time: float
    deadline: float  # from then on it counts as lost


class Estimator:
    """Bandwidth and round trip of one connection. Times are seconds of one clock, which is passed in.

    Args:
        link: What is believed until something was measured.
        weight: Of the newest sample in the moving average of the bandwidth.
        shortest: Seconds; of a transfer that took less is only known that the link is at least so fast.
        patience: Seconds that a confirmation may take at least; longer, three times what was expected.

    Attributes:
        vague: Whether the last transfer was too short to be measured.
        heard: When something was last confirmed, and `measured`, when it was long enough to be measured.

    Raises:
        ValueError: If the link to begin with is none.
    """

    def __init__(self, link: Link, *, weight: float = 0.2, shortest: float = 0.005, patience: float = 0.25):
        self.shortest, self._weight, self._patience = shortest, weight, patience
        self._bandwidth, self._rtt = link.checked()
        self._deviation = 0.0
        self._measured_rtt = False
        self._in_flight: dict[int, _Sent] = {}
        self._newest_arrived = -math.inf  # when the newest message left that has arrived
        self._revived = -math.inf  # when something last arrived on a link that was dead
        self._rising = self._falling = 0.0
        self.vague = True
        self.heard = self.measured = -math.inf

    def sent(self, number: int, size: int, now: float) -> None:
        """A message of `size` bytes begins to leave; its confirmation will name its number."""
        expected = size / self._bandwidth + self._rtt + 4 * self._deviation
        self._in_flight[number] = _Sent(size, now, now + min(_LONGEST_S, max(self._patience, 3 * expected)))

    def confirmed(self, number: int, size: int, now: float) -> None:
        """The server says that `size` bytes of a message have arrived.

        Confirmations may come in any order, late, twice, or for a message that was never sent.
        """
        if number in self._in_flight and self._dead(now):
            self._revived = now
        sent = self._in_flight.pop(number, None)
        if sent is None:
            return
        self.heard, self._newest_arrived = now, max(self._newest_arrived, sent.time)
        elapsed = max(0.0, now - sent.time)
        if sent.time < self._revived:  # how long it was dead says nothing of what it is now
            return
        if sent.size <= TINY or elapsed < self._rtt:
            self._add_round_trip(elapsed)
        if (received := min(size, sent.size)) > TINY:
            self._add_transfer(received, elapsed - self._rtt, now)

    def forget(self) -> None:
        """What is under way went with its connection; on the next one nothing is late."""
        self._in_flight.clear()

    def link(self, now: float) -> Link:
        """The link as it is believed to be: 0 bytes per second after two messages in a row were lost."""
        if self._dead(now):
            return Link(0.0, self._rtt)
        late = [(sent.size, now - sent.time - self._rtt - self._noticeable) for sent in self._waiting()]
        bounds = [size / seconds for size, seconds in late if size > TINY and seconds > 0]
        return Link(min([self._bandwidth, *bounds]), self._rtt)

    def clear(self, now: float) -> bool:
        """Whether every message is confirmed or lost, so that a new one would not wait behind another."""
        return not self._under_way(now)

    def unreceived(self, now: float) -> float:
        """Bytes that left and have not arrived yet, by this estimate; what is lost does not count."""
        link = self.link(now)
        return sum(
            max(0.0, sent.size - link.bandwidth * max(0.0, now - sent.time - link.rtt / 2))
            for sent in self._under_way(now)
        )

    def _under_way(self, now: float) -> list[_Sent]:
        for number in [n for n, sent in self._in_flight.items() if now - sent.deadline > _LONGEST_S]:
            del self._in_flight[number]
        return [sent for sent in self._in_flight.values() if now < sent.deadline]

    def _waiting(self) -> list[_Sent]:
        """What left behind everything that has arrived."""
        return [sent for sent in self._in_flight.values() if sent.time > self._newest_arrived]

    def _dead(self, now: float) -> bool:
        return sum(now >= sent.deadline for sent in self._waiting()) >= 2

    @property
    def _noticeable(self) -> float:
        """Seconds beyond the round trip that are more than its noise."""
        return max(self.shortest, 4 * self._deviation)

    def _add_round_trip(self, elapsed: float) -> None:
        if self._measured_rtt:
            self._deviation += (abs(elapsed - self._rtt) - self._deviation) / 4
            self._rtt += (elapsed - self._rtt) / 8
        else:
            self._rtt, self._measured_rtt = elapsed, True

    def _add_transfer(self, size: int, seconds: float, now: float) -> None:
        self.vague = seconds < self._noticeable
        if self.vague:
            self._bandwidth = max(self._bandwidth, size / self._noticeable)
            return
        self.measured = now
        sample = size / seconds
        change = math.log(sample / self._bandwidth)
        self._rising = max(0.0, self._rising + change - _DRIFT)
        self._falling = max(0.0, self._falling - change - _DRIFT)
        if max(self._rising, self._falling) > _CHANGE:
            self._bandwidth, self._rising, self._falling = sample, 0.0, 0.0
        else:
            self._bandwidth += self._weight * (sample - self._bandwidth)
