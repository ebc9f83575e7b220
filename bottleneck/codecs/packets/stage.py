"""Packets: a sample as segments that decode alone, one in each packet of a bounded size.

::

    array ─► fits a packet? ─ no ─► halves ─► fits? ...          any of the packets, in any order
                └─ yes ─► codec of the segment ─► packet ─┄┄┄►  ─► elements at their places, and a mask

The codec of a segment is the whole sample's, with its tables, for the elements of that segment. What is paid
for each packet is its header, and what a codec says of every array: a range, a picture's header, the end of a
bit stream.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bottleneck.codecs.checks import as_integer
from bottleneck.codecs.codec import Codec
from bottleneck.codecs.named import recipe
from bottleneck.codecs.packets.framing import LONGEST_HEADER, Packet, each, pack, unpack
from bottleneck.codecs.packets.segments import Places, Segments
from bottleneck.codecs.stage import ArrayToBytes, Form, bytes_form

_MOST_KEPT = 512  # segments whose codec is kept
_MOST_SPARE = 64  # packets of a sample beside those that its array fills
_MOST_TIMES = 8  # as many packets as its array fills; pictures' headers take a quarter of that


class Partial(NamedTuple):
    """What some of a sample's packets say.

    Attributes:
        array: The sample, zero where nothing arrived.
        mask: True where an element arrived, of the sample's shape.
    """

    array: NDArray[Any]
    mask: NDArray[np.bool_]


class Packets(ArrayToBytes):
    """Cuts each sample into as few segments as keep to the size of a packet, and codes them one by one.

    Args:
        form: What the inner codec takes.
        codec: Name of the inner codec.
        by: How samples are cut: ``channels`` (groups of them), ``tiles`` (of the map) or ``elements``
            (interleaved).
        mtu: Bytes of a packet at most, header included.
        options: The inner codec's.

    Attributes:
        whole: The inner codec, for a whole sample.
    """

    name = "packets"
    takes = ("symbols", "feature", "pixels")
    only_whole = True

    def __init__(
        self, form: Form, codec: str = "range", by: str = "channels", mtu: int = 1200, **options: Any
    ) -> None:
        super().__init__(form)
        self.mtu = as_integer(mtu, "mtu", 1, 1 << 20)
        if mtu <= LONGEST_HEADER:
            raise ValueError(
                f"mtu={mtu} leaves no room behind a packet's header of up to {LONGEST_HEADER} bytes. "
                "Allow more."
            )
        self.whole = Codec(recipe(codec, options), form.shape)
        if self.whole.coder.only_whole:
            raise ValueError(
                f"codec {codec!r} codes whole samples only, so no packet with a part of one could be decoded "
                "alone. Use codec 'range' in packets."
            )
        self._most = _MOST_SPARE + _MOST_TIMES * form.n_values * form.dtype.itemsize // mtu
        self._segments = Segments(form.shape, by)
        self._codecs: dict[int, tuple[Places, Codec]] = {}
        self.needs_fit = not self.whole.fitted
        self.gives = bytes_form(self.mtu * max(1, form.n_values))
        Codec(recipe(codec, options), self._segments.places(1).shape)  # a picture has no interleaved elements

    @property
    def takes_tables(self) -> bool:  # type: ignore[override]
        return self.whole.takes_tables

    def fit(self, arrays: Iterable[NDArray[Any]]) -> None:
        self.whole.fit(arrays)
        self._codecs.clear()

    def with_tables(self, tables: Any, index: ArrayLike | None = None) -> None:
        """As `RangeCoder.with_tables`."""
        self.whole.with_tables(tables, index)
        self._codecs.clear()

    def tables(self) -> dict[str, Any]:
        return {"codec": self.whole.to_dict()["tables"]}

    def load_tables(self, tables: Mapping[str, Any]) -> None:
        self.whole.load_tables(tables["codec"])
        self._codecs.clear()

    def ideal_bits(self, array: NDArray[Any]) -> float | None:
        return self.whole.ideal_bits(array)

    def zero_fraction(self, array: NDArray[Any]) -> float | None:
        return self.whole.zero_fraction(array)

    def encode(self, array: NDArray[Any]) -> bytes:
        return b"".join(self.packets(array))

    def decode(self, payload: bytes) -> NDArray[Any]:
        packets = [unpack(packet) for packet in each(payload)]
        if not packets:
            raise ValueError("payload has no packet; all of them were lost.")
        return self.collect(packets).array

    def packets(self, array: NDArray[Any]) -> list[bytes]:
        """The packets of a sample, in the order of their segments.

        Raises:
            ValueError: If something that cannot be cut further does not fit a packet, or more packets are
                needed than any receiver takes.
        """
        packets = self._packets(array.reshape(-1), 1)
        if len(packets) > self._most:
            raise ValueError(
                f"mtu={self.mtu} is too little: a sample takes {len(packets)} packets, and no "
                f"more than {self._most} are taken. Allow more."
            )
        return packets

    def _packets(self, flat: NDArray[Any], number: int) -> list[bytes]:
        places, codec = self._codec(number)
        packet = pack(Packet(number, codec.encode(flat[places])))
        if len(packet) <= self.mtu:
            return [packet]
        halves = self._segments.halves(number)
        if not halves:
            raise ValueError(
                f"mtu={self.mtu} is too little: a segment of shape {places.shape} cannot be cut further and "
                f"takes {len(packet)} bytes. Allow more, or cut by='elements'."
            )
        return [packet for half in halves for packet in self._packets(flat, half)]

    def receive(self, parts: Iterable[bytes]) -> Partial:
        """What those packets of a sample say that arrived, in any order; a damaged one did not arrive.

        Args:
            parts: Packets, or several joined.

        Raises:
            ValueError: If an undamaged packet cannot be one of this codec's.
        """
        whole: list[Packet] = []
        for part in parts:
            with contextlib.suppress(ValueError):
                whole.extend(map(unpack, each(part)))  # what stands before the damage stays
        return self.collect(whole)

    def collect(self, packets: Iterable[Packet]) -> Partial:
        """What packets of a sample say; of two for one segment the first.

        Raises:
            ValueError: If one cannot be of this codec's.
        """
        flat = np.zeros(self.form.n_values, dtype=self.form.dtype)
        mask = np.zeros(self.form.n_values, dtype=bool)
        seen: set[int] = set()
        for number, body in packets:
            if number in seen:
                continue
            if len(seen) == self._most:
                raise ValueError(
                    f"payload has more than the {self._most} packets of {self.mtu} bytes that a sample of "
                    f"shape {self.form.shape} takes; it is none of this codec."
                )
            if number > self._last:
                raise ValueError(
                    f"packet is of segment {number}, and packets of {self.mtu} bytes need none beyond "
                    f"{self._last}; it is no packet of this codec."
                )
            seen.add(number)
            places, codec = self._codec(number)
            flat[places] = codec.decode(body)
            mask[places] = True
        return Partial(flat.reshape(self.form.shape), mask.reshape(self.form.shape))

    @functools.cached_property
    def _last(self) -> int:
        """The highest number that a segment has: what fits a packet whatever it says is not cut further.

        Without it a forged payload could have a packet for each element, whose decoding takes seconds.
        """
        largest = last = 1  # of as many halvings; the first half has the odd element
        while self._codec(largest)[1].longest + LONGEST_HEADER > self.mtu and self._segments.halves(largest):
            largest, last = 2 * largest, 2 * last + 1
        return last

    def _codec(self, number: int) -> tuple[Places, Codec]:
        """Places of a segment, and its codec."""
        found = self._codecs.get(number)  # once, because another thread may clear them
        if found is None:
            if len(self._codecs) >= _MOST_KEPT:
                self._codecs.clear()
            places = self._segments.places(number)
            found = self._codecs[number] = places, self.whole.part(places)
        return found


def packets_of(codec: Codec, array: ArrayLike) -> list[bytes]:
    """A sample in packets; the payload of a codec that makes none is one."""
    return packets_in(codec, codec.encode(array))


def packets_in(codec: Codec, payload: bytes) -> list[bytes]:
    """The packets that a codec's payload is made of; that of a codec that makes none is one."""
    return list(each(payload)) if isinstance(codec.coder, Packets) else [payload]


def in_packets(codec: Codec, by: str, mtu: int) -> Codec:
    """A fitted codec with its bytes in packets; one that makes packets already, as it is.

    Args:
        codec: Any.
        by: See `Packets`.
        mtu: Likewise.

    Raises:
        ValueError: If no packets can be made of its samples.
    """
    if isinstance(codec.coder, Packets):
        return codec
    options = {**codec.options, "codec": codec.name, "by": by, "mtu": mtu}
    packets = Codec(recipe("packets", options), codec.shape)
    packets.load_tables({"codec": codec.to_dict()["tables"]})
    return packets


def packed(codec: Codec, by: str, mtu: int) -> Codec:
    """`in_packets`, but a codec that codes whole samples only stays as it is."""
    return codec if codec.coder.only_whole else in_packets(codec, by, mtu)
