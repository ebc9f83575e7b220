"""Tiled: a feature's channels as tiles of one grey picture, in an image format.

::

    feature ─► symbols 0 .. N-1 ─► 8-bit pixels ─► tiles ─► JPEG, PNG, ... ─► payload
               QuantisingCodec                     Tiling   ImageCodec

Source: Ulhaq, BASc thesis, SFU 2020.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from bottleneck.codecs import bits
from bottleneck.codecs.budget import as_budget
from bottleneck.codecs.checks import as_choice, as_integer
from bottleneck.codecs.heic import Heic
from bottleneck.codecs.hevc import Hevc
from bottleneck.codecs.images import ImageCodec
from bottleneck.codecs.pillow import Avif, Jpeg, Jpeg2000, Png, WebP
from bottleneck.codecs.quantised import QuantisingCodec
from bottleneck.codecs.quantizer import Symbols
from bottleneck.codecs.similarity import channel_distances, similar_order
from bottleneck.codecs.tiling import Tiling

_FORMATS: dict[str, type[ImageCodec]] = {
    codec.name: codec for codec in (Avif, Heic, Hevc, Jpeg, Jpeg2000, Png, WebP)
}
_COMPARED_SAMPLES = 64  # of the training data, to order channels by similarity


class Tiled(QuantisingCodec):
    """Codes a quantised feature as a grey picture of its channels.

    Lossy twice unless `image` is ``png``: `decode` returns what the picture's pixels stand for.

    Args:
        shape: Shape of one sample, ``(C, H, W)``, or ``(C, L)`` for L tokens.
        image: Image format: ``avif``, ``heic``, ``hevc``, ``jpeg``, ``jpeg2000``, ``png`` or ``webp``.
        levels: N, 2 to 256, spread over the pixels' 256.
        per: See `QuantisingCodec`.
        sigmas: See `QuantisingCodec`.
        layout: See `bottleneck.codecs.tiling.LAYOUTS`.
        block: See `Tiling`.
        order: ``given``, or ``similar``: neighbouring tiles look alike, as training samples say (`fit`).
        image_options: Options of the format, such as ``quality=20`` or ``max_bytes=2000``, which is then the
            limit of the whole payload.
    """

    name = "tiled"

    def __init__(
        self,
        shape: Sequence[int],
        image: str = "jpeg",
        levels: int = 256,
        per: str = "sample",
        sigmas: float | None = None,
        layout: str = "square",
        block: int = 8,
        order: str = "given",
        **image_options: Any,
    ) -> None:
        as_integer(levels, "levels", 2, 256)
        as_choice(order, "order", ("given", "similar"))
        image_class = _FORMATS[as_choice(image, "image", tuple(_FORMATS))]
        options = {"image": image, "layout": layout, "block": block, "order": order, **image_options}
        super().__init__(shape, levels, per, sigmas, **options)
        if len(self.shape) not in (2, 3):
            raise ValueError(
                f"codec 'tiled' codes features of shape (C, H, W), or (C, L) for tokens; got "
                f"shape={self.shape}."
            )
        self._tiling = Tiling(self.shape, layout, block)
        if (max_bytes := as_budget(image_options.get("max_bytes"))) is not None:
            image_options["max_bytes"] = max_bytes - self.quantizer.n_header
        self._image = image_class.build((1, *self._tiling.size), image_options)
        self._order: list[int] | None = list(range(self.shape[0])) if order == "given" else None
        steps = np.arange(levels) * 255 / (levels - 1)
        self._pixels = np.rint(steps).astype(np.uint8)
        self._nearest = np.rint(np.arange(256) * (levels - 1) / 255).astype(np.uint16)

    @property
    def fitted(self) -> bool:
        return super().fitted and self._order is not None

    def fit(self, arrays: Iterable[ArrayLike]) -> Self:
        """Take a fitted range, and an order by similarity, from training samples, as far as asked for.

        Raises:
            ValueError: If samples are needed and there are none, or one has another shape or dtype.
        """
        if self.options["order"] == "given":
            return super().fit(arrays)
        batches = (a if a.ndim > len(self.shape) else a[None] for a in self._checked_samples(arrays))
        samples = itertools.chain.from_iterable(batches)
        first = list(itertools.islice(samples, _COMPARED_SAMPLES))
        if not first:
            raise ValueError(
                "no arrays to order channels by. Pass training features; a generator can be read once."
            )
        maps = np.stack([self._tiling.maps(sample) for sample in first])
        self._order = similar_order(channel_distances(maps))
        self.quantizer.fit(itertools.chain(first, samples))
        return self

    def _tables(self) -> dict[str, Any]:
        return {**super()._tables(), "order": self._order}

    def _load_tables(self, tables: Mapping[str, Any]) -> None:
        if sorted(tables["order"]) != list(range(self.shape[0])):
            raise ValueError(
                f"order is no permutation of {self.shape[0]} channels. Pass what to_dict returned."
            )
        self._order = list(tables["order"])
        super()._load_tables(tables)

    def _body(self, symbols: Symbols) -> bytes:
        if not self.n_values:
            return b""
        channels = self._pixels[symbols.reshape(self.shape)[self._order]]
        return self._image.encode(self._tiling.tile(channels)[None])

    def _symbols(self, body: bytes) -> Symbols:
        if not self.n_values:
            bits.check_padding(body, 0)
            return np.zeros(0, dtype=np.uint16)
        channels = self._tiling.untile(self._image.decode(body)[0])
        symbols = np.empty(self.shape, dtype=np.uint16)
        symbols[self._order] = self._nearest[channels]
        return symbols.reshape(-1)
