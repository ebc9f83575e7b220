"""Features in N levels: what every codec that quantises has in common, and the plain one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bottleneck.codecs import bits
from bottleneck.codecs.base import Codec
from bottleneck.codecs.checks import as_choice, as_integer
from bottleneck.codecs.groups import n_bytes, pack_groups, unpack_groups
from bottleneck.codecs.midpoint import SCOPES, MidPoint
from bottleneck.codecs.minmax import MinMax
from bottleneck.codecs.quantizer import Quantizer, Symbols


class QuantisingCodec(Codec):
    """Sends a quantizer's header and, as a subclass says, its symbols.

    Lossy: `decode` returns the quantised values.

    Args:
        shape: Shape of one sample.
        levels: N. Larger: more rate, smaller error.
        per: Whose range is cut into levels. ``sample``: each sample's own minimum to maximum, which takes
            8 bytes (`MinMax`). ``layer``, ``channel``, ``neuron``: mean ± `sigmas` deviations of training
            data, which take none and need `fit` (`MidPoint`).
        sigmas: w of the fitted ranges, 3 unless given.
        options: What the codec was made with besides.
    """

    input = "feature"

    def __init__(
        self, shape: Sequence[int], levels: int, per: str, sigmas: float | None, **options: Any
    ) -> None:
        super().__init__(shape, levels=levels, per=per, sigmas=sigmas, **options)
        as_choice(per, "per", ("sample", *SCOPES))
        if sigmas is not None and (per == "sample" or not 0 < sigmas < float("inf")):
            raise ValueError(
                f"sigmas={sigmas!r} with per={per!r}: give a positive number with a fitted range, none else."
            )
        self.quantizer: Quantizer = (
            MinMax(levels) if per == "sample" else MidPoint(self.shape, levels, per, sigmas or 3.0)
        )

    @abstractmethod
    def _body(self, symbols: Symbols) -> bytes:
        """The symbols as bytes."""

    @abstractmethod
    def _symbols(self, body: bytes) -> Symbols:
        """The symbols of bytes, the inverse of `_body`; raise ValueError where that is impossible."""

    @property
    def fitted(self) -> bool:
        return self.quantizer.fitted

    def fit(self, arrays: Iterable[ArrayLike]) -> Self:
        """Take a fitted range from training samples; a sample's own range needs none.

        Raises:
            ValueError: If samples are needed and there are none, or one has another shape or dtype.
        """
        self.quantizer.fit(self._checked_samples(arrays))
        return self

    def _tables(self) -> dict[str, Any]:
        return self.quantizer.tables()

    def _load_tables(self, tables: Mapping[str, Any]) -> None:
        self.quantizer.load_tables(tables)

    def _encode(self, array: NDArray[Any]) -> bytes:
        header, symbols = self.quantizer.quantise(array.reshape(-1))
        return header if symbols is None else header + self._body(symbols)

    def _decode(self, payload: bytes) -> NDArray[Any]:
        header, body = payload[: self.quantizer.n_header], payload[self.quantizer.n_header :]
        symbols = None
        if self.quantizer.has_symbols(header):
            symbols = self._symbols(body)
        else:
            bits.check_padding(body, 0)
        return self.quantizer.values(header, symbols, self.n_values)


class Quantised(QuantisingCodec):
    """Quantises a feature to N levels and sends log2 N bits per element, without entropy coding.

    Args:
        shape: Shape of one sample.
        levels: N, 2 to 65,536; ``2**n`` for n bits.
        per: See `QuantisingCodec`.
        sigmas: See `QuantisingCodec`.
        whole_bytes: Send each symbol in a byte of its own (two, above 256 levels), in which `deflate` and
            `zstd` find repetitions that packed bits hide.
    """

    name = "quantised"

    def __init__(
        self,
        shape: Sequence[int],
        levels: int = 16,
        per: str = "sample",
        sigmas: float | None = None,
        whole_bytes: bool = False,
    ) -> None:
        self.levels = as_integer(levels, "levels", 2, 65536)
        self.whole_bytes = bool(whole_bytes)
        super().__init__(shape, self.levels, per, sigmas, whole_bytes=self.whole_bytes)
        self._dtype = np.dtype("u1" if self.levels <= 256 else "<u2")

    @property
    def longest(self) -> int:
        """Bytes of every payload, but for those of constant samples, which are shorter."""
        packed = n_bytes(self.n_values, self.levels)
        return self.quantizer.n_header + (self._unpacked_bytes if self.whole_bytes else packed)

    @property
    def _unpacked_bytes(self) -> int:
        return self.n_values * self._dtype.itemsize

    def _body(self, symbols: Symbols) -> bytes:
        if self.whole_bytes:
            return symbols.astype(self._dtype).tobytes()
        return pack_groups(symbols, self.levels)

    def _symbols(self, body: bytes) -> Symbols:
        if not self.whole_bytes:
            return unpack_groups(body, self.levels, self.n_values)
        bits.check_padding(body, 8 * self._unpacked_bytes)
        symbols = np.frombuffer(body, dtype=self._dtype).astype(np.uint16)
        if symbols.size and symbols.max() >= self.levels:
            raise ValueError(
                f"payload has symbol {symbols.max()} where there are {self.levels} levels; it was damaged."
            )
        return symbols
