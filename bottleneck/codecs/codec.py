"""A codec: one sample's NumPy array ↔ the bytes that cross the channel, through a pipeline of stages.

::

    array ─► encode: check ─► pipeline ─► payload  ┄ channel ┄►  decode: pipeline backwards ─► array

What all codecs have in common (shapes, dtypes, NaN, payload types, fitted or not, tables, descriptions) is
written here, once. A payload is never empty: what would be no bytes is sent as one zero byte, so that a lost
message is no sample.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bottleneck.codecs.checks import as_shape, check_values
from bottleneck.codecs.named import Recipe
from bottleneck.codecs.pipeline import Pipeline
from bottleneck.codecs.stage import ArrayToBytes, Form, Stage

_NOTHING = b"\0"
_MOST_KEPT = 64  # samples of a generator, for stages behind the first that is fitted


class Codec:
    """Codes one sample at a time into bytes and back; made by `codecs.create` and `codecs.from_dict`.

    Attributes:
        name: Registry name, as in ``codecs.create(name, shape)``.
        input: What is coded: ``symbols`` (int32), ``feature`` (float32) or ``pixels`` (uint8).
        shape: Shape of one sample, ``(C, H, W)`` as a rule; any number of axes, zero-sized ones too.
        n_values: Number of elements of one sample.
        options: The keyword arguments that build this codec again, JSON values only.
        longest: Bytes of a payload at most.

    A payload carries neither version nor shape nor tables: those travel once, in the bundle, as
    `to_dict`. So `decode` knows the number of elements beforehand, and for *any* bytes it returns
    an array of the right shape and dtype or raises `ValueError`, in bounded time and memory.
    """

    def __init__(self, recipe: Recipe, shape: Sequence[int]) -> None:
        self._recipe = recipe
        self.name, self.options, self.input = recipe.name, recipe.options, recipe.input
        self.shape = as_shape(shape)
        self._pipeline = Pipeline(recipe.stages, Form(self.input, self.shape))
        self.n_values = self._pipeline.form.n_values
        self.longest = max(1, self._pipeline.gives.n_values)

    @property
    def stages(self) -> list[Stage]:
        """The pipeline, in the order of encoding."""
        return self._pipeline.stages

    @property
    def macs(self) -> int:
        """Multiply-accumulates that a sample takes on either side, of stages that have a network."""
        return sum(stage.macs for stage in self.stages)

    @property
    def coder(self) -> ArrayToBytes:
        """Its one stage that makes bytes of an array."""
        return self._pipeline.coder

    # Tables ------------------------------------------------------------------------------------

    @property
    def fitted(self) -> bool:
        """Whether the codec can encode and decode now; False only while a table is missing."""
        return not [stage for stage in self.stages if stage.needs_fit and not stage.has_tables]

    def fit(self, arrays: Iterable[ArrayLike]) -> Self:
        """Build the tables from training samples and return the codec; without tables, do nothing.

        The first stage that is fitted sees all samples. One behind it sees them again, or the first 64
        where they come from a generator.

        Args:
            arrays: Training samples, or batches of them (shape ``(b, *shape)``). Read once, one
                at a time, so a generator over a data set is fine.

        Raises:
            ValueError: If there are no samples, or one has another shape or dtype.
        """
        given: Iterable[NDArray[Any]] = (self._checked(array, batch=True) for array in arrays)
        positions = [position for position, stage in enumerate(self.stages) if stage.needs_fit]
        again: Iterable[ArrayLike] = arrays
        if len(positions) > 1:
            given = self._pipeline.form.singles(given)
            if isinstance(arrays, Iterator):
                kept = list(itertools.islice(given, _MOST_KEPT))
                again, given = kept, itertools.chain(kept, given)
        for position in positions:
            stage = self.stages[position]
            if position and not stage.fits_input:
                given = self._pipeline.reaching(position, given)
            stage.fit(self._some(given, stage))
            stage.has_tables = True
            given = (self._checked(array, batch=True) for array in again)
        return self

    def _some(self, arrays: Iterable[NDArray[Any]], stage: Stage) -> Iterator[NDArray[Any]]:
        """What a stage is fitted on; at its end refused if there was no sample in it."""
        count = 0
        for array in arrays:
            count += len(array) if array.ndim > len(stage.form.shape) else 1
            yield array
        if not count:
            raise ValueError(
                f"no arrays to fit stage {stage.name!r} of codec {self.name!r} on. Pass training "
                f"{self.input}; a generator can be read only once."
            )

    @property
    def takes_tables(self) -> bool:
        """Whether `with_tables` can stand in place of `fit`."""
        return self.coder.takes_tables

    def with_tables(self, tables: Any, index: Any = None) -> Self:
        """Take over counted or learned tables in place of `fit`; see `RangeCoder.with_tables`.

        Raises:
            ValueError: If this codec's coder takes none, or these do not suit its shape.
        """
        if not self.takes_tables:
            raise ValueError(f"codec {self.name!r} takes no tables. Use codec 'range'.")
        self.coder.with_tables(tables, index)  # type: ignore[attr-defined]
        self.coder.has_tables = True
        return self

    def ideal_bits(self, array: ArrayLike) -> float | None:
        """Bits that an ideal coder with this codec's tables spends on one sample, as `encode` takes it.

        On symbols that are distributed as the tables say, no coder averages less. None for a codec
        without tables of a distribution.

        Raises:
            RuntimeError: If the codec has tables and no `fit` has been called.
            ValueError: If `encode` refuses the array too.
        """
        self._require_tables("ideal_bits")
        return self._pipeline.ideal_bits(self._checked(array))

    def zero_fraction(self, array: ArrayLike) -> float | None:
        """Share of zeros in a sample, as a coder of their runs meets them; None for all other codecs."""
        return self.coder.zero_fraction(self._checked(array))

    # Sessions ----------------------------------------------------------------------------------

    def session(self) -> Self:
        """The codec for one stream of samples, sent and received in order.

        A codec that remembers earlier samples begins anew; any other is returned as it is. The state of
        `encode` and that of `decode` are separate, so one session can stand on either side or on both.
        """
        pipeline = self._pipeline.session()
        if pipeline is self._pipeline:
            return self
        codec = copy.copy(self)
        codec._pipeline = pipeline
        return codec

    def refresh(self) -> None:
        """Code the next sample of a session without earlier ones, because the other side asked for it."""
        self.coder.refresh()

    # Bytes -------------------------------------------------------------------------------------

    def encode(self, array: ArrayLike) -> bytes:
        """Encode one sample.

        Args:
            array: One sample of shape `shape`. For ``symbols`` any integers that fit int32; for
                ``feature`` float16 or wider, taken as float32; for ``pixels`` uint8.

        Returns:
            The payload: every byte that crosses the channel, at least one.

        Raises:
            RuntimeError: If the codec has tables and no `fit` has been called.
            ValueError: If shape or dtype is wrong, or a value is NaN, infinite, or too large.
        """
        self._require_tables("encode")
        return self._pipeline.encode(self._checked(array)) or _NOTHING

    def decode(self, payload: bytes) -> NDArray[Any]:
        """Decode one payload.

        Args:
            payload: What `encode` returned, as any bytes-like object.

        Returns:
            A new array of shape `shape` and the dtype of `input`; equal to what was encoded, or
            for a lossy codec to its quantised values.

        Raises:
            RuntimeError: If the codec has tables and no `fit` has been called.
            ValueError: If the bytes cannot be a payload of this codec.
        """
        self._require_tables("decode")
        try:
            data = bytes(memoryview(payload))
        except TypeError as error:
            raise ValueError(
                f"codec {self.name!r} decodes bytes; got {type(payload).__name__}. Pass encode's result."
            ) from error
        if not data:
            raise ValueError(
                f"codec {self.name!r} got no bytes: an empty payload is a lost message. Ask for it again."
            )
        if data == _NOTHING:
            with contextlib.suppress(ValueError):  # where no bytes are no payload, it is a zero like others
                return self._pipeline.decode(b"")
        return self._pipeline.decode(data)

    # Descriptions ------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Everything needed to build this codec elsewhere, tables included, as JSON values."""
        tables: Any = [stage.tables() for stage in self.stages] if self.fitted else None
        if tables is not None and self._recipe.is_named:  # whose stages have no name of a table in common
            tables = {key: value for table in tables for key, value in table.items()}
        return {"name": self.name, "shape": list(self.shape), "options": dict(self.options), "tables": tables}

    def load_tables(self, tables: Any) -> None:
        """Take over the tables of a description, None for none yet.

        Raises:
            ValueError: If they cannot be this codec's.
        """
        if tables is None:
            return
        each = [tables] * len(self.stages) if self._recipe.is_named else tables
        try:
            for stage, table in zip(self.stages, each, strict=True):
                stage.load_tables(table)
                stage.has_tables = True
        except (KeyError, TypeError, AttributeError, OverflowError) as error:
            raise ValueError(
                f"not a description of codec {self.name!r} ({type(error).__name__}: {error}). "
                "Pass what to_dict returned."
            ) from error

    def reshaped(self, shape: Sequence[int]) -> Codec:
        """The same codec, tables included, for samples of another shape.

        Raises:
            ValueError: If its tables belong to one shape, or this is a session.
        """
        if self.coder.in_session:
            raise ValueError(
                f"this stream has samples of shape {self.shape}; got {tuple(shape)}. Begin another session "
                "for frames of another size."
            )
        codec = Codec(self._recipe, shape)
        codec.load_tables(self.to_dict()["tables"])
        return codec

    def part(self, places: NDArray[np.int64]) -> Codec:
        """The same codec, tables included, for a part of each sample.

        Args:
            places: Positions in a sample, in C order, of the part's elements; the part has this shape.

        Raises:
            ValueError: If this codec takes no such shape.
        """
        codec = Codec(self._recipe, places.shape)
        for own, stage in zip(codec.stages, self.stages, strict=True):
            if stage.has_tables:
                own.take_part(stage, places)
                own.has_tables = True
        return codec

    def __repr__(self) -> str:
        options = "".join(f", {key}={value!r}" for key, value in self.options.items())
        return f"codecs.create({self.name!r}, shape={self.shape}{options})"

    # Checks ------------------------------------------------------------------------------------

    def _require_tables(self, action: str) -> None:
        if not self.fitted:
            raise RuntimeError(
                f"codec {self.name!r} has no table yet. Call fit(training_{self.input}) before {action}, "
                "or load a bundle."
            )

    def _checked(self, array: ArrayLike, *, batch: bool = False) -> NDArray[Any]:
        """The array as contiguous, writeable and of this codec's dtype; `batch` allows a leading axis."""
        given = np.asarray(array)
        if given.shape != self.shape and not (batch and given.shape[1:] == self.shape):
            raise ValueError(
                f"codec {self.name!r} codes one sample of shape {self.shape}; got {given.shape}. "
                f"Encode samples one at a time, or create the codec with shape={given.shape}."
            )
        check_values(given, self.input, self.name)
        return np.require(given, self._pipeline.form.dtype, ["C", "A", "W"])
