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
module imports what else it needs when it needs it, and no codec ever needs torch.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from bottleneck.codecs.base import Codec

__all__ = ["Codec", "create", "from_dict", "names"]

#: Registry name -> "module:Class".
_CODECS = {
    "deflate": "bottleneck.codecs.deflate:Deflate",
    "huffman": "bottleneck.codecs.huffman:Huffman",
    "lightweight": "bottleneck.codecs.lightweight:Lightweight",
    "packed": "bottleneck.codecs.packed:Packed",
    "range": "bottleneck.codecs.range_coder:RangeCoder",
    "raw": "bottleneck.codecs.raw:Raw",
    "rle": "bottleneck.codecs.rle:RunLength",
}


def names() -> tuple[str, ...]:
    """Names that `create` knows, in alphabetical order."""
    return tuple(sorted(_CODECS))


def create(name: str, shape: Sequence[int], **options: Any) -> Codec:
    """Build a codec by name.

    Args:
        name: One of `names`.
        shape: Shape of one sample, such as ``(C, H, W)``.
        options: What that codec takes besides, such as ``bits=4`` for ``rle``.

    Raises:
        ValueError: If the name or an option is unknown, or a value is out of range.
    """
    codec_class = _load(name)
    try:
        inspect.signature(codec_class).bind(shape, **options)
    except TypeError as error:
        taken = [key for key in inspect.signature(codec_class).parameters if key != "shape"]
        raise ValueError(
            f"codec {name!r}: {error}. Its options are: {', '.join(taken) if taken else 'none'}."
        ) from error
    return codec_class(shape, **options)


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
