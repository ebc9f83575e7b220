"""What may be sent of a sample's packets beside themselves, so that all of them arrive more often.

Bare         a b c                nothing more
Repeated     a b c a b c          copies, a whole round apart, so that a burst does not hit both
ReedSolomon  a b c p q            any three of the five are all
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
import reedsolo
from numpy.typing import NDArray

MOST_COPIES = 100  # of a packet
_MOST_SYMBOLS = 255  # of a code word over bytes
_HEADER = 2  # bytes in front of each packet: which it is, and of how many
_LENGTH = 2  # bytes that say how long a packet is, where packets are filled up to one length


class Protection(ABC):
    """Adds packets, and makes use of them."""

    @abstractmethod
    def protect(self, packets: Sequence[bytes]) -> list[bytes]:
        """What is sent, in order."""

    @abstractmethod
    def recover(self, arrived: Sequence[bytes]) -> list[bytes]:
        """The packets that can be had from what arrived of one sample, in any order."""


class Bare(Protection):
    """Nothing is added."""

    def protect(self, packets: Sequence[bytes]) -> list[bytes]:
        return list(packets)

    def recover(self, arrived: Sequence[bytes]) -> list[bytes]:
        return list(arrived)


class Repeated(Bare):
    """Every packet is sent several times.

    Args:
        times: How often.

    Raises:
        ValueError: If that is not once at least, or beyond `MOST_COPIES`.
    """

    def __init__(self, times: int = 2):
        if not 1 <= times <= MOST_COPIES:
            raise ValueError(f"times={times}: a packet is sent at least once, at most {MOST_COPIES} times.")
        self.times = times

    def protect(self, packets: Sequence[bytes]) -> list[bytes]:
        return list(packets) * self.times


class ReedSolomon(Protection):
    """Parity packets over all packets of a sample: as many as these may be lost, whichever they are.

    Two bytes in front of each say which it is, and of how many packets. They arrive as they are, so where too
    many are lost the others are still of use.

    Args:
        share: Parity packets per packet, rounded up; 0.5: a third of what is sent may be lost.

    Raises:
        ValueError: If the share is not positive.

    Source: Reed and Solomon, 1960; the code is that of the library reedsolo.
    """

    def __init__(self, share: float = 0.5):
        if not 0 < share <= 10:
            raise ValueError(f"share={share} of parity packets must be above 0, to 10.")
        self.share = share

    def protect(self, packets: Sequence[bytes]) -> list[bytes]:
        count, parity = len(packets), self._parity(len(packets))
        if count + parity > _MOST_SYMBOLS:
            raise ValueError(
                f"{count} packets and {parity} of parity are more than {_MOST_SYMBOLS}. Use a larger mtu."
            )
        longest = max(map(len, packets))
        if longest >= 256**_LENGTH:
            raise ValueError(f"a packet of {longest} bytes is too long for parity. Use a smaller mtu.")
        filled = _filled(packets, _LENGTH + longest)
        words = np.frombuffer(self._code(count).encode(filled.T.tobytes()), np.uint8).reshape(
            -1, count + parity
        )
        sent = [*packets, *(column.tobytes() for column in words.T[count:])]
        return [bytes([number, count]) + body for number, body in enumerate(sent)]

    def recover(self, arrived: Sequence[bytes]) -> list[bytes]:
        """As in `Protection`.

        Raises:
            ValueError: If what arrived cannot be of one sample.
        """
        if not arrived:
            return []
        if min(map(len, arrived)) <= _HEADER or len({packet[1] for packet in arrived}) > 1:
            raise ValueError("packets and parity of different samples, or of none, cannot be joined.")
        count = arrived[0][1]
        total = count + self._parity(count)
        bodies = {packet[0]: packet[_HEADER:] for packet in arrived if packet[0] < total}
        own = [bodies[number] for number in sorted(bodies) if number < count]
        if len(own) == count or len(bodies) < count:
            return own
        length = max(len(bodies[number]) for number in bodies if number >= count)
        words = np.zeros((total, length), dtype=np.uint8)
        for number, body in bodies.items():
            row = _filled([body], length)[0] if number < count else np.frombuffer(body, np.uint8)
            words[number] = row
        lost = [number for number in range(total) if number not in bodies]
        erased = [row * total + number for row in range(length) for number in lost]
        try:
            whole = self._code(count).decode(words.T.tobytes(), erase_pos=erased, only_erasures=True)[0]
        except reedsolo.ReedSolomonError:  # damaged: what arrived whole is checked by its own checksums
            return own
        return [_emptied(column.tobytes()) for column in np.frombuffer(whole, np.uint8).reshape(-1, count).T]

    def _parity(self, count: int) -> int:
        return int(np.ceil(self.share * count))

    def _code(self, count: int) -> reedsolo.RSCodec:
        parity = self._parity(count)
        return reedsolo.RSCodec(parity, nsize=count + parity)


def _filled(packets: Sequence[bytes], length: int) -> NDArray[np.uint8]:
    """Packets behind their lengths, filled up with zeros, one in each row."""
    rows = [(len(packet).to_bytes(_LENGTH, "big") + packet).ljust(length, b"\0") for packet in packets]
    return np.frombuffer(b"".join(rows), np.uint8).reshape(len(packets), length)


def _emptied(row: bytes) -> bytes:
    return row[_LENGTH : _LENGTH + int.from_bytes(row[:_LENGTH], "big")]
