"""Several arrays that lie behind each other in one sample: a codec for each, one payload.

::

    sample ─┬─ first  ─► codec ─► length, bytes ─┐
            ├─ second ─► codec ─► length, bytes ─┼─► payload
            └─ last   ─► codec ─► bytes ─────────┘
"""

from __future__ import annotations

import contextlib
import copy
import queue
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from bottleneck.codecs import lengths
from bottleneck.codecs.codec import Codec
from bottleneck.codecs.named import name_and_options, recipe
from bottleneck.codecs.stage import ArrayToBytes, Form, bytes_form

_MOST_WAITING = 16  # parts of samples before each codec that is fitted


class Parts(ArrayToBytes):
    """Codes each part of a sample with a codec of its own, all of one kind.

    Args:
        form: What the codecs take.
        codec: Name and options of the codecs.
        shapes: Shape of each part; together they have as many elements as the sample. None: one, the sample.

    Attributes:
        codecs: One for each part.
    """

    name = "parts"
    takes = ("symbols", "feature", "pixels")
    only_whole = True

    def __init__(
        self,
        form: Form,
        codec: str | Mapping[str, Any] = "range",
        shapes: Sequence[Sequence[int]] | None = None,
    ) -> None:
        super().__init__(form)
        name, options = name_and_options(codec)
        self.codecs = [Codec(recipe(name, options), shape) for shape in shapes or [form.shape]]
        if sum(codec.n_values for codec in self.codecs) != form.n_values:
            raise ValueError(
                f"shapes={[codec.shape for codec in self.codecs]} are no parts of a sample of shape "
                f"{form.shape}: they must have {form.n_values} elements together."
            )
        self.needs_fit = not all(codec.fitted for codec in self.codecs)
        self.macs = sum(codec.macs for codec in self.codecs)
        longest = sum(codec.longest + lengths.LONGEST for codec in self.codecs)
        self.gives = bytes_form(longest)

    @property
    def takes_tables(self) -> bool:  # type: ignore[override]
        return all(codec.takes_tables for codec in self.codecs)

    def fit(self, arrays: Iterable[NDArray[Any]]) -> None:
        # Samples come once and are too many to be kept, so all codecs read at the same time.
        feeds: list[queue.Queue[Any]] = [queue.Queue(_MOST_WAITING) for _ in self.codecs]
        with ThreadPoolExecutor(len(feeds)) as pool:
            running = [
                pool.submit(codec.fit, _taken(feed)) for codec, feed in zip(self.codecs, feeds, strict=True)
            ]

            def feed_all(parts: Sequence[NDArray[Any] | None]) -> None:
                for feed, fitting, part in zip(feeds, running, parts, strict=True):
                    while not fitting.done():
                        with contextlib.suppress(queue.Full):
                            feed.put(part, timeout=0.1)
                            break

            try:
                for sample in self.form.singles(arrays):
                    feed_all(self._apart(sample))
            finally:
                feed_all([None] * len(feeds))
            for fitting in running:
                fitting.result()

    def with_tables(self, tables: Sequence[Any], index: Sequence[Any]) -> None:
        """Tables and index of each part, as `RangeCoder.with_tables` takes them."""
        for codec, table, each in zip(self.codecs, tables, index, strict=True):
            codec.with_tables(table, each)

    def tables(self) -> dict[str, Any]:
        return {"parts": [codec.to_dict()["tables"] for codec in self.codecs]}

    def load_tables(self, tables: Mapping[str, Any]) -> None:
        for codec, table in zip(self.codecs, tables["parts"], strict=True):
            codec.load_tables(table)

    def ideal_bits(self, array: NDArray[Any]) -> float | None:
        bits = [codec.ideal_bits(part) for codec, part in self._pairs(array)]
        return None if None in bits else sum(each for each in bits if each is not None)

    def zero_fraction(self, array: NDArray[Any]) -> float | None:
        shares = [(codec.zero_fraction(part), part.size) for codec, part in self._pairs(array)]
        zeros = [share * size for share, size in shares if share is not None]
        return sum(zeros) / max(1, array.size) if len(zeros) == len(shares) else None

    def encode(self, array: NDArray[Any]) -> bytes:
        *first, last = (codec.encode(part) for codec, part in self._pairs(array))
        return b"".join(lengths.written(len(payload)) + payload for payload in first) + last

    def decode(self, payload: bytes) -> NDArray[Any]:
        found, start = [], 0
        for codec in self.codecs[:-1]:
            length, start = lengths.read(payload, start)
            if start + length > len(payload):
                raise ValueError(
                    f"payload of {len(payload)} bytes ends within a part of {length}; it was truncated or "
                    "damaged."
                )
            found.append(codec.decode(payload[start : start + length]))
            start += length
        found.append(self.codecs[-1].decode(payload[start:]))
        return np.concatenate([part.reshape(-1) for part in found])

    @property
    def in_session(self) -> bool:  # type: ignore[override]
        return any(codec.coder.in_session for codec in self.codecs)

    def session(self) -> Self:
        begun = [codec.session() for codec in self.codecs]
        if all(new is old for new, old in zip(begun, self.codecs, strict=True)):
            return self
        stage = copy.copy(self)
        stage.codecs = begun
        return stage

    def refresh(self) -> None:
        for codec in self.codecs:
            codec.refresh()

    def _apart(self, sample: NDArray[Any]) -> list[NDArray[Any]]:
        ends = np.cumsum([codec.n_values for codec in self.codecs])[:-1]
        pieces = np.split(sample.reshape(-1), ends)
        return [piece.reshape(codec.shape) for codec, piece in zip(self.codecs, pieces, strict=True)]

    def _pairs(self, array: NDArray[Any]) -> Iterator[tuple[Codec, NDArray[Any]]]:
        return zip(self.codecs, self._apart(array), strict=True)


def _taken(feed: queue.Queue[Any]) -> Iterator[NDArray[Any]]:
    """What is put into a queue, up to None."""
    while (part := feed.get()) is not None:
        yield part
