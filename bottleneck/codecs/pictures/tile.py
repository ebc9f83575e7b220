"""Tile: a feature's channels as tiles of one grey picture, for any image format.

::

    levels 0 .. N-1 ─► 8-bit pixels ─► channels in order ─► tiles ─► JPEG, PNG, ...
                                                            Tiling

Source: Ulhaq, BASc thesis, SFU 2020.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from bottleneck.codecs.checks import as_choice
from bottleneck.codecs.pictures.tiles.similarity import channel_distances, similar_order
from bottleneck.codecs.pictures.tiles.tiling import Tiling
from bottleneck.codecs.stage import ArrayToArray, Form

_COMPARED_SAMPLES = 64  # of the training data, to order channels by similarity


class Tile(ArrayToArray):
    """Lays the channels of a quantised feature side by side in a grey picture.

    Args:
        form: Levels of shape ``(C, H, W)``, or ``(C, L)`` for L tokens; at most 256 levels.
        layout: See `tiles.tiling.LAYOUTS`.
        block: See `Tiling`.
        order: ``given``, or ``similar``: neighbouring tiles look alike, as training features say (`fit`).
    """

    name = "tile"
    takes = ("levels",)
    fits_input = True

    def __init__(self, form: Form, layout: str = "square", block: int = 8, order: str = "given") -> None:
        super().__init__(form)
        if len(form.shape) not in (2, 3) or form.levels > 256:
            raise ValueError(
                "stage 'tile' takes features of shape (C, H, W), or (C, L) for tokens, in up to 256 levels; "
                f"got shape={form.shape} in {form.levels}."
            )
        self._tiling = Tiling(form.shape, layout, block)
        self.gives = Form("pixels", (1, *self._tiling.size) if form.n_values else (1, 0, 0))
        self.needs_fit = as_choice(order, "order", ("given", "similar")) == "similar"
        self._order = list(range(form.shape[0]))
        steps = np.arange(form.levels) * 255 / (form.levels - 1)
        self._pixels = np.rint(steps).astype(np.uint8)
        self._nearest = np.rint(np.arange(256) * (form.levels - 1) / 255).astype(np.uint16)

    def fit(self, arrays: Iterable[NDArray[Any]]) -> None:
        """Order channels by the similarity of their features, before these are quantised."""
        samples = list(itertools.islice(self.form.singles(arrays), _COMPARED_SAMPLES))
        maps = np.stack([self._tiling.maps(sample) for sample in samples])
        self._order = similar_order(channel_distances(maps))

    def tables(self) -> dict[str, Any]:
        return {"order": self._order}

    def load_tables(self, tables: Mapping[str, Any]) -> None:
        if sorted(tables["order"]) != list(range(self.form.shape[0])):
            raise ValueError(
                f"order is no permutation of {self.form.shape[0]} channels. Pass what to_dict returned."
            )
        self._order = list(tables["order"])

    def take_part(self, whole: Self, places: NDArray[np.int64]) -> None:
        per_channel = max(1, whole.form.n_values // max(1, whole.form.shape[0]))
        channels = places.reshape(len(places), -1)[:, :1].reshape(-1) // per_channel
        ranks = np.argsort(whole._order)
        self._order = np.argsort(ranks[channels]).tolist()

    def forward(self, array: NDArray[Any]) -> tuple[bytes, NDArray[Any]]:
        if not array.size:
            return b"", np.zeros(self.gives.shape, dtype=np.uint8)
        return b"", self._tiling.tile(self._pixels[array[self._order]])[None]

    def backward(self, header: bytes, array: NDArray[Any] | None) -> NDArray[Any]:
        assert array is not None
        levels = np.empty(self.form.shape, dtype=np.uint16)
        if levels.size:
            levels[self._order] = self._nearest[self._tiling.untile(array[0])]
        return levels
