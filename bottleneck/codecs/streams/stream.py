"""Stream: symbols of one frame after the other, each as an update of the frame before, and key frames.

::

    frame ─► update of the last frame as it was decoded ─► header │ vectors │ classes │ differences ─► payload
                     ▲                                                    └─ one range-coded number ─┘
                     └────────── applied: both sides keep the same reference, to the bit

    header: 1 bit key frame │ 3 bits scale │ 12 bits check of the reference

Every `key_every` frames, and where the other side asked for it, a frame builds on none. A frame whose
reference was lost is refused, and so are all until the next key frame. Outside a session, each sample is a
key frame.

Source: closed-loop predictive coding as in every video coder; one motion field for all channels is from
Ulhaq, BASc thesis, SFU 2020. Classes of activity in place of transforms, and all tables, are ours.
"""

from __future__ import annotations

import copy
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from bottleneck.codecs.checks import as_budget, as_integer
from bottleneck.codecs.entropy.range_coder import RangeCoder
from bottleneck.codecs.entropy.tables.frequencies import MOST_SYMBOL_BYTES
from bottleneck.codecs.stage import ArrayToBytes, Form, bytes_form
from bottleneck.codecs.streams.budget import best_within
from bottleneck.codecs.streams.motion import block_vectors, blocks
from bottleneck.codecs.streams.tables import StreamTables, UpdateCounts
from bottleneck.codecs.streams.update import (
    LEAST,
    MOST,
    UNKNOWN,
    VECTOR_PRICE,
    Reference,
    Update,
    untouched,
    update_of,
)
from bottleneck.codecs.streams.writing import read, written

I64 = NDArray[np.int64]

#: Symbols in a step of the differences, by what a header says; the last of the eight says: nothing changed.
SCALES = (1, 2, 3, 4, 6, 8, 12)
_REPEATED = len(SCALES)

_N_HEADER = 2
_KEY, _CHECK = 1 << 15, (1 << 12) - 1
_KEY_EVERY_TRAINING = 8
_MOST_TRAINING = 64  # samples that updates are counted on; they are held in memory


class LostReferenceError(ValueError):
    """A frame builds on one that did not arrive, or not as it was sent. Ask for a key frame (`refresh`)."""


class Stream(ArrayToBytes):
    """Codes symbols or levels of consecutive samples; exact, unless a tolerance or a budget is given.

    Each session is one stream, and has a sender's and a receiver's state that know nothing of each other.

    Args:
        form: Symbols or levels, the channel first. Maps have motion and blocks of cells.
        key_every: K, frames from one key frame to the next. 1: every frame is one. Larger: less rate, and
            more frames that a lost one takes along.
        motion: Cells that a block is searched for in each direction; 0: in its place only.
        contexts: Kinds of predicted symbols, around the channel's typical one, that differences have tables
            for. 1: tables are given the block's activity only.
        block: Side of a block in cells.
        tolerance: Elements this close to their prediction are not sent. Larger: less rate, an error of at
            most so many symbols, which does not add up.
        max_bytes: If given, a payload of more is cut to the blocks that matter most, in steps of one of
            `SCALES`, or to nothing: the frame before is repeated. What a frame lacks, later ones bring.

    Raises:
        ValueError: If an option is out of its range.
    """

    name = "stream"
    takes = ("symbols", "levels")
    needs_fit = True
    only_whole = True  # a part has other blocks

    def __init__(
        self,
        form: Form,
        key_every: int = 30,
        motion: int = 0,
        contexts: int = 9,
        block: int = 2,
        tolerance: int = 0,
        max_bytes: int | None = None,
    ) -> None:
        super().__init__(form)
        self.key_every = as_integer(key_every, "key_every", 1, 2**31 - 1)
        self.motion = as_integer(motion, "motion", 0, 64)
        self.contexts = as_integer(contexts, "contexts", 1, 256)
        self.block = as_integer(block, "block", 1, 64)
        self.tolerance = as_integer(tolerance, "tolerance", 0, 2**15)
        self.max_bytes = as_budget(max_bytes)
        if self.max_bytes is not None and self.max_bytes < _N_HEADER:
            raise ValueError(
                f"max_bytes={self.max_bytes} is less than a frame's header of {_N_HEADER} bytes. Give more."
            )
        self._range = (0, form.levels - 1) if form.levels else (LEAST, MOST)
        self._shape = _as_map(form.shape)
        self._blocks = blocks(self._shape[1:], self.block)
        self.gives = bytes_form(
            _N_HEADER + MOST_SYMBOL_BYTES * (form.n_values + 3 * self._blocks[0] * self._blocks[1])
        )
        self._whole = RangeCoder(form)  # of key frames
        self._tables: StreamTables
        self.in_session = False
        self._sent: Reference | None = None
        self._received: Reference | None = None
        self._age = 0  # frames since the last key frame that was sent

    # Sessions ----------------------------------------------------------------------------------

    def session(self) -> Self:
        stream = copy.copy(self)
        stream.in_session, stream._sent, stream._received, stream._age = True, None, None, 0
        return stream

    def refresh(self) -> None:
        self._sent = None

    # Tables ------------------------------------------------------------------------------------

    def fit(self, arrays: Iterable[NDArray[Any]]) -> None:
        """Count all samples for key frames, and the first 64 as a stream for updates."""
        first: list[I64] = []
        self._whole.fit(self._kept(self.form.singles(arrays), first))
        together = np.array(first, dtype=np.int64).reshape(len(first), *self._shape)
        typical, span = np.zeros(self._shape[0], dtype=np.int64), 0
        if together.size:
            typical = np.rint(together.mean(axis=(0, 2, 3))).astype(np.int64)
            span = int(np.ptp(together))
        counts = UpdateCounts(typical, self.contexts, span, self.motion)
        if together.size:
            self._count(together, counts)
        self._tables = counts.tables()

    def _kept(self, samples: Iterable[NDArray[Any]], first: list[I64]) -> Iterator[NDArray[Any]]:
        for sample in samples:
            if len(first) < _MOST_TRAINING:
                first.append(sample.reshape(self._shape).astype(np.int64))
            yield sample

    def _count(self, frames: I64, counts: UpdateCounts) -> None:
        reference = untouched(frames[0], self.block, UNKNOWN)
        for position, frame in enumerate(frames[1:]):
            if position % _KEY_EVERY_TRAINING == 0:  # the classes of what follows a key frame are counted too
                reference = untouched(reference.symbols, self.block, UNKNOWN)
            vectors = block_vectors(reference.symbols, frame, self.block, self.motion, VECTOR_PRICE)
            update = update_of(frame, reference, vectors, self.block, self.tolerance, 1)
            counts.add(update, reference, self.block)
            reference = update.applied(*self._range)

    def tables(self) -> dict[str, Any]:
        return {"whole": self._whole.tables(), **self._tables.to_dict()}

    def load_tables(self, tables: Mapping[str, Any]) -> None:
        self._whole.load_tables(tables["whole"])
        self._tables = StreamTables.from_dict(tables, self._shape[0], self.contexts)

    # Bytes -------------------------------------------------------------------------------------

    def encode(self, array: NDArray[Any]) -> bytes:
        is_key = self._sent is None or self._age >= self.key_every
        payload, reference = self._coded(array, None if is_key else self._sent)
        if self.in_session:
            self._sent, self._age = reference, 1 if is_key else self._age + 1
        return payload

    def decode(self, payload: bytes) -> NDArray[Any]:
        if len(payload) < _N_HEADER:
            raise ValueError(f"payload is shorter than its header of {_N_HEADER} bytes; it was truncated.")
        header, body = int.from_bytes(payload[:_N_HEADER], "big"), payload[_N_HEADER:]
        before = None if header & _KEY else self._received
        if header & _CHECK != _check(before) or (before is None and not header & _KEY):
            raise LostReferenceError(
                "this frame builds on one that did not arrive in this session. Ask the sender for a key "
                "frame (refresh), or wait for the next."
            )
        reference = self._decoded(body, header >> 12 & 7, before)
        array = self.form.conform(reference.symbols)
        if self.in_session:
            self._received = reference
        return array

    def _coded(self, array: NDArray[Any], before: Reference | None) -> tuple[bytes, Reference]:
        """Payload and reference of a frame: whole where that fits, else what of it does."""
        frame = array.reshape(self._shape).astype(np.int64)
        header = (_KEY if before is None else 0) | _check(before)
        most = np.inf if self.max_bytes is None else self.max_bytes - _N_HEADER
        if before is None and len(body := self._whole.encode(array)) <= most:
            return _message(header, 0, body), untouched(frame, self.block, UNKNOWN)
        start = self._fresh if before is None else before
        update = self._update(
            frame, start, 8 * most, SCALES[before is None :]
        )  # a key frame's first is whole
        if update is None:
            return _message(header, _REPEATED), start
        body = written(update, start, self._tables, self.block, self.motion)
        return _message(header, SCALES.index(update.scale), body), update.applied(*self._range)

    def _update(self, frame: I64, start: Reference, most_bits: float, scales: Sequence[int]) -> Update | None:
        if not frame.size:
            return None
        vectors = block_vectors(start.symbols, frame, self.block, self.motion, VECTOR_PRICE)
        updates = (update_of(frame, start, vectors, self.block, self.tolerance, scale) for scale in scales)
        return best_within(most_bits, updates, frame, start, self._tables, self.block)

    def _decoded(self, body: bytes, number: int, before: Reference | None) -> Reference:
        start = self._fresh if before is None else before
        if number == _REPEATED or not self.form.n_values:
            if body:
                raise ValueError(
                    f"payload has {len(body)} bytes after a header that says all; it was extended."
                )
            return start
        if before is None and SCALES[number] == 1:
            symbols = self._whole.form.conform(self._whole.decode(body))
            return untouched(symbols.reshape(self._shape), self.block, UNKNOWN)
        update = read(body, start, SCALES[number], self._tables, self.block, self.motion)
        return update.applied(*self._range)

    @property
    def _fresh(self) -> Reference:
        """What a key frame builds on that has no room for the whole."""
        typical = np.broadcast_to(self._tables.typical[:, None, None], self._shape)
        return untouched(typical, self.block, UNKNOWN)


def _as_map(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """A sample's shape as channels, height and width: tokens are a row, and a vector is one cell."""
    n_channels, height, *widths = (*shape, 1, 1) if len(shape) != 2 else (shape[0], 1, shape[1])
    return n_channels, height, int(np.prod(widths, dtype=np.int64))


def _message(header: int, number: int, body: bytes = b"") -> bytes:
    return (header | number << 12).to_bytes(_N_HEADER, "big") + body


def _check(reference: Reference | None) -> int:
    """Twelve bits by which a frame knows what it builds on; 0 for a key frame."""
    if reference is None:
        return 0
    symbols, classes = reference.symbols.astype("<i4"), reference.classes.astype("<i4")
    return zlib.crc32(classes.tobytes(), zlib.crc32(symbols.tobytes())) & _CHECK
