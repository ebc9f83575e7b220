"""What every codec promises: one sample's NumPy array ↔ the bytes that cross the channel.

::

    array ─► encode: check ─► _encode ─► payload  ┄ channel ┄►  decode: check ─► _decode ─► array

A codec is written as a subclass with `_encode` and `_decode`; whatever all codecs have in common
(shapes, dtypes, NaN, payload types, fitted or not) is checked here, once.
"""

from __future__ import annotations

import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bottleneck.codecs.checks import DTYPES, Input, as_shape, check_values


class Codec(ABC):
    """Codes one sample at a time into bytes and back.

    Attributes:
        name: Registry name, as in ``codecs.create(name, shape)``.
        input: What is coded: ``symbols`` (int32), ``feature`` (float32) or ``pixels`` (uint8).
        shape: Shape of one sample, ``(C, H, W)`` as a rule; any number of axes, zero-sized ones
            too.
        n_values: Number of elements of one sample.
        options: The keyword arguments that build this codec again, JSON values only.

    A payload carries neither version nor shape nor tables: those travel once, in the bundle, as
    `to_dict`. So `decode` knows the number of elements beforehand, and for *any* bytes it returns
    an array of the right shape and dtype or raises `ValueError`, in bounded time and memory.
    """

    name: ClassVar[str]
    input: Input

    def __init__(self, shape: Sequence[int], **options: Any) -> None:
        self.shape = as_shape(shape)
        self.n_values = math.prod(self.shape)
        self.options = options

    @classmethod
    def build(cls, shape: Sequence[int], options: Mapping[str, Any]) -> Self:
        """Make a codec of this class; an option that it does not take is refused, with those it does."""
        signature = inspect.signature(cls)
        try:
            signature.bind(shape, **options)
        except TypeError as error:
            taken = [key for key in signature.parameters if key != "shape"]
            raise ValueError(
                f"codec {cls.name!r}: {error}. Its options are: {', '.join(taken) if taken else 'none'}."
            ) from error
        return cls(shape, **options)

    # What a codec with tables overrides --------------------------------------------------------

    @property
    def fitted(self) -> bool:
        """Whether the codec can encode and decode now; False only while a table is missing."""
        return True

    def fit(self, arrays: Iterable[ArrayLike]) -> Self:
        """Build the codec's tables from training samples; a codec without tables does nothing.

        Args:
            arrays: Training samples, or batches of them (shape ``(b, *shape)``). Read once, one
                at a time, so a generator over a data set is fine.

        Returns:
            The codec itself.
        """
        return self

    def ideal_bits(self, array: ArrayLike) -> float | None:
        """Bits that an ideal coder with this codec's tables spends on one sample, as `encode` takes it.

        On symbols that are distributed as the tables say, no coder averages less. None for a codec
        without tables of a distribution.

        Raises:
            RuntimeError: If the codec has tables and no `fit` has been called.
            ValueError: If `encode` refuses the array too.
        """
        return None

    def _tables(self) -> dict[str, Any]:
        """The fitted tables as JSON values; only called when `fitted`."""
        return {}

    def _load_tables(self, tables: Mapping[str, Any]) -> None:  # noqa: B027  # no tables, nothing to load
        """Take over the tables that `_tables` gave; raise ValueError where they cannot be right."""

    # What every codec writes -------------------------------------------------------------------

    @abstractmethod
    def _encode(self, array: NDArray[Any]) -> bytes:
        """Encode a checked array: contiguous, of this codec's shape and dtype, without NaN."""

    @abstractmethod
    def _decode(self, payload: bytes) -> NDArray[Any]:
        """Decode bytes to `n_values` elements in any shape; raise ValueError where that is impossible."""

    # What every codec gives --------------------------------------------------------------------

    def encode(self, array: ArrayLike) -> bytes:
        """Encode one sample.

        Args:
            array: One sample of shape `shape`. For ``symbols`` any integers that fit int32; for
                ``feature`` float16 or wider, taken as float32; for ``pixels`` uint8.

        Returns:
            The payload: every byte that crosses the channel.

        Raises:
            RuntimeError: If the codec has tables and no `fit` has been called.
            ValueError: If shape or dtype is wrong, or a value is NaN, infinite, or too large.
        """
        self._require_tables("encode")
        return self._encode(self._checked(array))

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
        array = self._decode(data)
        assert (array.size, array.dtype) == (self.n_values, DTYPES[self.input]), (array.shape, array.dtype)
        return array.reshape(self.shape)

    def to_dict(self) -> dict[str, Any]:
        """Everything needed to build this codec elsewhere, tables included, as JSON values."""
        tables = self._tables() if self.fitted else None
        return {"name": self.name, "shape": list(self.shape), "options": dict(self.options), "tables": tables}

    @classmethod
    def from_dict(cls, d: Mapping[str, Any]) -> Self:
        """Build a codec from `to_dict`; neither the training data nor the fitting library is needed.

        Raises:
            ValueError: If the description is incomplete, for another codec, or holds bad tables.
        """
        try:
            if d["name"] != cls.name:
                raise ValueError(f"description is for codec {d['name']!r}, not {cls.name!r}.")
            codec = cls(d["shape"], **d["options"])
            if d["tables"] is not None:
                codec._load_tables(d["tables"])
        except (KeyError, TypeError, AttributeError, OverflowError) as error:
            raise ValueError(
                f"not a description of codec {cls.name!r} ({type(error).__name__}: {error}). "
                "Pass what to_dict returned."
            ) from error
        return codec

    def reshaped(self, shape: Sequence[int]) -> Self:
        """The same codec, tables included, for samples of another shape.

        Raises:
            ValueError: If its tables belong to one shape.
        """
        return type(self).from_dict({**self.to_dict(), "shape": list(shape)})

    def __repr__(self) -> str:
        options = "".join(f", {key}={value!r}" for key, value in self.options.items())
        return f"{type(self).__name__}(shape={self.shape}{options})"

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
        return np.require(given, DTYPES[self.input], ["C", "A", "W"])

    def _checked_samples(self, arrays: Iterable[ArrayLike]) -> Iterator[NDArray[Any]]:
        """Training samples or batches of them, each checked as it passes; for `fit`."""
        for array in arrays:
            yield self._checked(array, batch=True)

    def _to_raw(self, array: NDArray[Any]) -> bytes:
        """A checked array as little-endian bytes."""
        return array.astype(DTYPES[self.input].newbyteorder("<"), copy=False).tobytes()

    def _from_raw(self, data: bytes) -> NDArray[Any]:
        """Little-endian bytes as an array of this codec's dtype; refuses values that encode refuses."""
        dtype = DTYPES[self.input]
        if len(data) != self.n_values * dtype.itemsize:
            raise ValueError(
                f"payload holds {len(data)} bytes of values where shape {self.shape} takes "
                f"{self.n_values * dtype.itemsize}; it was truncated, extended, or made for another shape."
            )
        array = np.frombuffer(data, dtype=dtype.newbyteorder("<")).astype(dtype)
        check_values(array, self.input, self.name)
        return array
