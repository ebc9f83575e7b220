"""General-purpose compressors: another codec's payload, made shorter."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

from numpy.typing import ArrayLike, NDArray

from bottleneck.codecs.base import Codec
from bottleneck.codecs.checks import as_choice
from bottleneck.codecs.quantised import Quantised
from bottleneck.codecs.raw import Raw

#: What can be compressed: codecs that lay values out plainly, whose payloads have a longest.
_PLAIN: dict[str, type[Raw] | type[Quantised]] = {"raw": Raw, "quantised": Quantised}


class Compressed(Codec):
    """Compresses the payload of another codec, byte by byte and knowing nothing about it.

    Args:
        shape: Shape of one sample.
        of: Name of the other codec: ``raw`` (float32 or pixels) or ``quantised`` (packed bits, or bytes with
            ``whole_bytes=True``).
        level: The compressor's effort.
        options: The other codec's options.
    """

    def __init__(self, shape: Sequence[int], of: str, level: int, options: Mapping[str, Any]) -> None:
        self.inner = _PLAIN[as_choice(of, "of", tuple(_PLAIN))].build(shape, options)
        self.level, self.input = level, self.inner.input
        super().__init__(shape, of=of, level=level, **self.inner.options)

    @abstractmethod
    def _compress(self, data: bytes) -> bytes:
        """Shorten bytes."""

    @abstractmethod
    def _decompress(self, payload: bytes, longest: int) -> bytes:
        """The inverse of `_compress`; raise ValueError for more than `longest` bytes, without making them."""

    @property
    def fitted(self) -> bool:
        return self.inner.fitted

    def fit(self, arrays: Iterable[ArrayLike]) -> Self:
        """Fit the other codec."""
        self.inner.fit(arrays)
        return self

    def _tables(self) -> dict[str, Any]:
        return self.inner._tables()

    def _load_tables(self, tables: Mapping[str, Any]) -> None:
        self.inner._load_tables(tables)

    def _encode(self, array: NDArray[Any]) -> bytes:
        return self._compress(self.inner._encode(array))

    def _decode(self, payload: bytes) -> NDArray[Any]:
        return self.inner._decode(self._decompress(payload, self.inner.longest))
