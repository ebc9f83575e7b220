"""Codecs: one sample's NumPy array ↔ the bytes that cross the channel.

::

    y ─► quantizer ─► symbols ─► codec.encode ─► payload ┄ channel ┄► codec.decode ─► symbols ─► y'

A codec codes the unit's ``symbols`` (int32), the head's ``feature`` (float32) or the image's
``pixels`` (uint8), as its `input` says. The contract is `Codec`'s: `decode` returns the shape and
dtype that `encode` took, `fit` comes first where there are tables, and bytes that cannot be a
payload raise `ValueError`.

    codec = create("huffman", shape=(32, 4, 4))
    codec.fit(training_symbols)
    payload = codec.encode(symbols)             # bytes, nothing else crosses
    codec = from_dict(codec.to_dict())          # the other side, through JSON
    codec.decode(payload)

This package needs NumPy only. Each codec lives in its own module and is loaded on first use, each
module imports what else it needs when it needs it, and no codec ever needs torch. Creating a codec
whose library is not there raises `MissingLibraryError`, which says what to install.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from bottleneck.codecs.base import Codec
from bottleneck.codecs.libraries import MissingLibraryError

__all__ = ["Codec", "MissingLibraryError", "create", "from_dict", "names"]

#: Registry name -> "module:Class".
_CODECS = {
    "affine": "bottleneck.codecs.affine:Affine",
    "avif": "bottleneck.codecs.pillow:Avif",
    "deflate": "bottleneck.codecs.deflate:Deflate",
    "heic": "bottleneck.codecs.heic:Heic",
    "hevc": "bottleneck.codecs.hevc:Hevc",
    "huffman": "bottleneck.codecs.huffman:Huffman",
    "jpeg": "bottleneck.codecs.pillow:Jpeg",
    "jpeg2000": "bottleneck.codecs.pillow:Jpeg2000",
    "lightweight": "bottleneck.codecs.lightweight:Lightweight",
    "packed": "bottleneck.codecs.packed:Packed",
    "png": "bottleneck.codecs.pillow:Png",
    "quantised": "bottleneck.codecs.quantised:Quantised",
    "range": "bottleneck.codecs.range_coder:RangeCoder",
    "raw": "bottleneck.codecs.raw:Raw",
    "rle": "bottleneck.codecs.rle:RunLength",
    "rle-adaptive": "bottleneck.codecs.rle:AdaptiveRunLength",
    "tiled": "bottleneck.codecs.tiled:Tiled",
    "webp": "bottleneck.codecs.pillow:WebP",
    "zstd": "bottleneck.codecs.zstd:Zstd",
}


def names(input: str | None = None) -> tuple[str, ...]:
    """Names that `create` knows, in alphabetical order; with `input`, of codecs that code nothing else."""
    return tuple(
        name for name in sorted(_CODECS) if input is None or getattr(_load(name), "input", None) == input
    )


def create(name: str, shape: Sequence[int], **options: Any) -> Codec:
    """Build a codec by name.

    Args:
        name: One of `names`.
        shape: Shape of one sample, such as ``(C, H, W)``.
        options: What that codec takes besides, such as ``bits=4`` for ``rle``.

    Raises:
        ValueError: If the name or an option is unknown, or a value is out of range.
        MissingLibraryError: If the codec's library is not installed.
    """
    return _load(name).build(shape, options)


def from_dict(d: Mapping[str, Any]) -> Codec:
    """Build a codec from what its `Codec.to_dict` returned, tables included.

    Raises:
        ValueError: If the codec is unknown or the description is damaged.
    """
    if not isinstance(d, Mapping) or "name" not in d:
        raise ValueError(f"{d!r:.80} is not a description of a codec. Pass what to_dict returned.")
    return _load(d["name"]).from_dict(d)


def _load(name: str) -> type[Codec]:
    path = _CODECS.get(name) if isinstance(name, str) else None
    if path is None:
        raise ValueError(f"codec={name!r} is unknown. Choose one of {', '.join(map(repr, names()))}.")
    module, _, attribute = path.partition(":")
    codec_class: type[Codec] = getattr(importlib.import_module(module), attribute)
    return codec_class
