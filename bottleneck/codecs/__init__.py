"""Codecs: one sample's NumPy array ↔ the bytes that cross the channel.

::

    y ─► quantizer ─► symbols ─► codec.encode ─► payload ┄ channel ┄► codec.decode ─► symbols ─► y'

A codec codes the unit's ``symbols`` (int32), the head's ``feature`` (float32) or the image's
``pixels`` (uint8), as its `input` says. It is a pipeline of stages, array → array, array → bytes, bytes →
bytes, and most users need only the name of one. The contract is `Codec`'s: `decode` returns the shape and
dtype that `encode` took, `fit` comes first where there are tables, and bytes that cannot be a payload raise
`ValueError`.

    codec = create("huffman", shape=(32, 4, 4))
    codec.fit(training_symbols)
    payload = codec.encode(symbols)             # bytes, nothing else crosses
    codec = from_dict(codec.to_dict())          # the other side, through JSON
    codec.decode(payload)

    create("quantised", shape, levels=7)        # is the pipeline, written out:
    create("pipeline", shape, stages=[{"name": "min-max", "levels": 7}, {"name": "pack"}])

What can be chosen lies in `entropy` (bytes of arrays, shorter bytes), `levels` (quantisers of features) and
`pictures` (image formats, tiles). This package needs NumPy only: each stage is loaded on first use and
imports what else it needs when it needs it. No codec needs torch to code, and one to be fitted. Creating a
codec whose library is not there raises `MissingLibraryError`, which says what to install.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from bottleneck.codecs.codec import Codec
from bottleneck.codecs.libraries import MissingLibraryError
from bottleneck.codecs.named import NAMED, recipe
from bottleneck.codecs.stage import Stage

__all__ = ["Codec", "MissingLibraryError", "Stage", "create", "for_parts", "from_dict", "names"]


def names(input: str | None = None) -> tuple[str, ...]:
    """Names for `create`, besides ``pipeline``, in order; with `input`, of codecs that code nothing else."""
    return tuple(name for name, (kind, _) in sorted(NAMED.items()) if input is None or kind == input)


def create(name: str, shape: Sequence[int], *, tables: Any = None, **options: Any) -> Codec:
    """Build a codec by name.

    Args:
        name: One of `names`, or ``pipeline`` with ``stages=[...]``: dicts of a stage's name and its options.
        shape: Shape of one sample, such as ``(C, H, W)``.
        tables: As in what `Codec.to_dict` returns; `None`: it is fitted later, or needs none.
        options: What that codec takes besides, such as ``bits=4`` for ``rle``.

    Raises:
        ValueError: If the name or an option is unknown, a value is out of range, or tables are not its own.
        MissingLibraryError: If the codec's library is not installed.
    """
    codec = Codec(recipe(name, options), shape)
    codec.load_tables(tables)
    return codec


def for_parts(shapes: Sequence[Sequence[int]], name: str, **options: Any) -> Codec:
    """Build a codec by name for samples of one shape, or for vectors in which several parts lie.

    Args:
        shapes: Of the parts; one is the shape of the sample.
        name: As for `create`, as are the options and the errors.
        options: Likewise.
    """
    if len(shapes) == 1:
        return create(name, shapes[0], **options)
    numbers = sum(math.prod(shape) for shape in shapes)
    return create("parts", (numbers,), codec={"name": name, **options}, shapes=shapes)


def from_dict(d: Mapping[str, Any]) -> Codec:
    """Build a codec from what its `Codec.to_dict` returned, tables included.

    Neither the training data nor the fitting library is needed.

    Raises:
        ValueError: If the codec is unknown, or the description is incomplete or damaged.
    """
    try:
        return create(d["name"], d["shape"], tables=d["tables"], **d["options"])
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"{d!r:.80} is not a description of a codec ({type(error).__name__}: {error}). Pass what to_dict "
            "returned."
        ) from error
