"""Range coder: arithmetic coding with static integer tables, down to a fraction of a bit per symbol.

::

    training symbols ─► ChannelCounts ─┐
    a learned density ─────────────────┴► with_tables(tables, index) ─► to_dict ─► device and server
                                                   │
    symbols ─► steps (start, frequency) ─► interval ─► the shortest bytes that point into it ─► payload

The payload is a fraction in base 256 without trailing zeros: the decoder reads zeros past its end, so the
likeliest samples are few bytes, or none. No payload is longer than its ideal bits rounded up to bytes.

Source: G. N. N. Martin, "Range encoding", 1979. Tables and ending are ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bottleneck.codecs.entropy.bitstreams import interval
from bottleneck.codecs.entropy.tables.channels import ChannelCounts
from bottleneck.codecs.entropy.tables.frequencies import MOST_SYMBOL_BYTES, FrequencyTables
from bottleneck.codecs.stage import ArrayToBytes, Form, bytes_form


class RangeCoder(ArrayToBytes):
    """Codes a sample as one number in an interval as wide as the sample is likely.

    Symbols outside the range of the tables are an escape and 32 bits, so every int32 can be coded. Where
    there are two axes or more, `fit` takes the first for the latent channel, and gives each channel a table
    of its own if that pays for itself (`ChannelCounts`).

    Attributes:
        frequencies: The tables; not before `fit` or `with_tables`.
        index: Which of them each element uses, see `with_tables`.
    """

    name = "range"
    takes = ("symbols", "levels")
    takes_tables = True
    needs_fit = True

    def __init__(self, form: Form) -> None:
        super().__init__(form)
        self.gives = bytes_form(MOST_SYMBOL_BYTES * form.n_values + 1)
        self.frequencies: FrequencyTables
        self.index: NDArray[Any]
        self._blocks: NDArray[np.int32]  # the index in raster order

    def fit(self, arrays: Iterable[NDArray[Any]]) -> None:
        counted = ChannelCounts.fit(arrays, self.form.shape)
        self.with_tables(FrequencyTables.from_weights(counted.low, counted.weights()))

    def with_tables(
        self, tables: FrequencyTables | Mapping[str, Any], index: ArrayLike | None = None
    ) -> None:
        """The one door for tables, counted or learned.

        Args:
            tables: Integer frequencies, or their description ``{"low": first symbol, "frequencies": rows}``.
            index: Number of the table that each element uses. Its shape is that of the sample's first axes:
                ``()`` is one table for all, ``(C,)`` one for each channel, the whole shape one for each
                element. None: one for all where there is one table, else one for each channel.

        Raises:
            ValueError: If these are no frequencies, or no index of them for this shape.
        """
        found = tables if isinstance(tables, FrequencyTables) else FrequencyTables.from_dict(tables)
        shape = self.form.shape
        given = self._usual_index(found.n_tables) if index is None else np.array(index)
        if given is None:
            raise ValueError(
                f"there are {found.n_tables} tables where shape {shape} takes 1, or one per channel. "
                "Pass an index that says which table each element uses."
            )
        if given.shape != shape[: given.ndim] or not (given.dtype.kind in "iu" or given.size == 0):
            raise ValueError(
                f"index of tables is {given.dtype} of shape {given.shape}; it takes integers for the first "
                f"axes of {shape}: one for all, one per channel, or one per element."
            )
        if given.size and not 0 <= given.min() <= given.max() < found.n_tables:
            raise ValueError(
                f"index of tables goes from {given.min()} to {given.max()}; there are tables 0 to "
                f"{found.n_tables - 1}."
            )
        self.frequencies, self.index = found, given
        self._blocks = given.reshape(-1).astype(np.int32)

    def ideal_bits(self, array: NDArray[Any]) -> float:
        return self.frequencies.ideal_bits(_as_symbols(array), self._blocks)

    def tables(self) -> dict[str, Any]:
        usual = self._usual_index(self.frequencies.n_tables)
        is_usual = usual is not None and np.array_equal(self.index, usual)
        return self.frequencies.to_dict() | ({} if is_usual else {"index": self.index.tolist()})

    def load_tables(self, tables: Mapping[str, Any]) -> None:
        self.with_tables(tables, tables.get("index"))

    def take_part(self, whole: Self, places: NDArray[np.int64]) -> None:
        missing = (1,) * (len(whole.form.shape) - whole.index.ndim)
        index = np.broadcast_to(whole.index.reshape(*whole.index.shape, *missing), whole.form.shape)
        self.with_tables(whole.frequencies, index.reshape(-1)[places])

    def encode(self, array: NDArray[Any]) -> bytes:
        return interval.encode(*self.frequencies.steps(_as_symbols(array), self._blocks))

    def decode(self, payload: bytes) -> NDArray[Any]:
        return interval.decode(payload, self.frequencies, self._blocks, self.form.n_values)

    def _usual_index(self, n_tables: int) -> NDArray[Any] | None:
        """One table for all, or one for each channel; None where neither suits."""
        if n_tables == 1:
            return np.zeros((), dtype=np.int32)
        return np.arange(n_tables) if len(self.form.shape) > 1 and n_tables == self.form.shape[0] else None


def _as_symbols(array: NDArray[Any]) -> NDArray[np.int32]:
    return array.reshape(-1).astype(np.int32, copy=False)
