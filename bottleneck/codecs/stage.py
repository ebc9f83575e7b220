"""What a stage promises. A pipeline is array → array stages, one array → bytes, then bytes → bytes.

::

    array ─► ArrayToArray ─► ... ─► ArrayToBytes ─► BytesToBytes ─► ... ─► payload
                  └ header ──────────► + ┘

A stage is made with the `Form` of what enters it and says the form of what leaves it, so every length is
known before a byte arrives: whatever bytes come, decoding is bounded in time and memory, and gives an array
of the right form or raises `ValueError`. A new stage is one file and one line in `registry`.

Source of the idea: the codecs of zarr, https://zarr-specs.readthedocs.io, version 3.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from bottleneck.codecs.checks import DTYPES

Array = NDArray[Any]


class Form(NamedTuple):
    """What passes between two stages.

    Attributes:
        kind: ``symbols`` (int32), ``feature`` (float32), ``pixels`` (uint8), ``levels`` (uint16, from 0 to
            below `levels`), or ``bytes``.
        shape: Of one sample; for bytes, how many there are at most, ``(n,)``.
        levels: How many levels there are; 0 for other kinds.
    """

    kind: str
    shape: tuple[int, ...]
    levels: int = 0

    @property
    def n_values(self) -> int:
        """Elements of one sample, or bytes at most."""
        return math.prod(self.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of an array of this kind."""
        return DTYPES[self.kind]

    def conform(self, array: Array) -> Array:
        """What a stage decoded, in this form's shape and dtype.

        Raises:
            ValueError: If an integer is no level.
        """
        if self.levels and array.size and not 0 <= array.min() <= array.max() < self.levels:
            raise ValueError(
                f"payload has symbols {array.min()} .. {array.max()} where there are 0 .. {self.levels - 1}; "
                "it was damaged, or made with other options."
            )
        return array.astype(self.dtype, copy=False).reshape(self.shape)

    def singles(self, arrays: Iterable[Array]) -> Iterator[Array]:
        """Samples one by one, from samples or batches of them."""
        for array in arrays:
            yield from array if array.ndim > len(self.shape) else [array]


class Stage(ABC):
    """One step of a pipeline; its constructor takes the form of what enters, then JSON options by name.

    Attributes:
        name: Registry name, as in ``{"name": "deflate", "level": 6}``.
        takes: Kinds that may enter.
        form: What enters.
        gives: The form of what leaves.
        needs_fit: Whether `fit` makes tables.
        has_tables: Whether they are made or loaded; kept by `Codec`.
        fits_input: Whether `fit` wants the codec's own training arrays, not what enters this stage.
        macs: Multiply-accumulates that a sample takes on either side; of stages that have a network.
    """

    name: ClassVar[str]
    takes: ClassVar[tuple[str, ...]]
    gives: Form
    needs_fit: bool = False
    has_tables: bool = False
    macs: int = 0
    fits_input: ClassVar[bool] = False

    def __init__(self, form: Form) -> None:
        if form.kind not in self.takes:
            raise ValueError(
                f"stage {self.name!r} takes {' or '.join(self.takes)}, and would get {form.kind}. Put a "
                f"stage before it that gives {' or '.join(self.takes)}, or leave it out."
            )
        self.form = form

    def fit(self, arrays: Iterable[Array]) -> None:  # noqa: B027  # no tables, nothing to fit
        """Make tables from training samples, one at least, or batches; in one pass, where `needs_fit`."""

    def tables(self) -> dict[str, Any]:
        """The tables as JSON values; only called when `fitted`."""
        return {}

    def load_tables(self, tables: Mapping[str, Any]) -> None:  # noqa: B027  # no tables, nothing to load
        """Take over what `tables` gave; raise ValueError where it cannot be right."""

    def take_part(self, whole: Self, places: NDArray[np.int64]) -> None:
        """Take over the tables of this stage in a codec of whole samples, of which this one codes a part.

        Args:
            whole: The stage there, with tables.
            places: Positions in a whole sample, in C order, of the part's elements; of the part's shape.
        """
        self.load_tables(whole.tables())


class ArrayToArray(Stage):
    """Array → array, and a header where a sample must tell something about itself.

    Attributes:
        n_header: Bytes of that header, in every sample.
    """

    n_header: ClassVar[int] = 0

    @abstractmethod
    def forward(self, array: Array) -> tuple[bytes, Array | None]:
        """Header and array of a sample; no array where the header says all, and then nothing follows it."""

    def has_array(self, header: bytes) -> bool:
        """Whether an array follows a header; raises ValueError for what is no header."""
        return True

    @abstractmethod
    def backward(self, header: bytes, array: Array | None) -> Array:
        """The sample, as far as it can be told; its shape and dtype are those of `form`."""


class ArrayToBytes(Stage):
    """Array → bytes. Where no bytes are a payload, a single zero byte is none: it stands for no bytes.

    Attributes:
        takes_tables: Whether it has `with_tables`, for tables of symbols that something else has learned.
        in_session: Whether it remembers earlier samples of a stream.
        only_whole: Whether no part of a sample can be coded by itself.
    """

    takes_tables: bool = False
    only_whole: ClassVar[bool] = False
    in_session: bool = False

    def session(self) -> Self:
        """The stage for one stream of samples; one that remembers earlier samples begins anew here."""
        return self

    def refresh(self) -> None:  # nothing is remembered
        """Code the next sample of a session without earlier ones, which the other side has lost."""

    @abstractmethod
    def encode(self, array: Array) -> bytes:
        """Code an array of this stage's form, contiguous and without NaN."""

    @abstractmethod
    def decode(self, payload: bytes) -> Array:
        """Elements of the form in any shape and integer type; raise ValueError where that is impossible.

        Symbols fit int32 and pixels a byte; levels are checked by `Form.conform`.
        """

    def ideal_bits(self, array: Array) -> float | None:
        """Bits that an ideal coder with these tables spends; None without tables of a distribution."""
        return None

    def zero_fraction(self, array: Array) -> float | None:
        """Share of zeros that runs can save; None where no runs are coded."""
        return None


class BytesToBytes(Stage):
    """Bytes → fewer bytes, knowing nothing about them. `form` says how many there are at most."""

    takes = ("bytes",)

    def __init__(self, form: Form) -> None:
        super().__init__(form)
        self.gives = bytes_form(form.n_values + form.n_values // 64 + 1024)  # where nothing can be saved

    @abstractmethod
    def compress(self, data: bytes) -> bytes:
        """Shorten bytes."""

    @abstractmethod
    def decompress(self, payload: bytes) -> bytes:
        """The inverse of `compress`; raise ValueError for more than the form's bytes, without making them."""


def bytes_form(longest: int) -> Form:
    """The form of at most so many bytes."""
    return Form("bytes", (longest,))
