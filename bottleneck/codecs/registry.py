"""Stages by name. Each lies in its own module, which is loaded on first use."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from bottleneck.codecs.checks import plain
from bottleneck.codecs.stage import Form, Stage

#: Name of a stage -> "module:Class", below this package.
STAGES = {
    "affine": "levels.affine:Affine",
    "avif": "pictures.pillow:Avif",
    "bytes": "entropy.plain:Bytes",
    "context": "entropy.context.stage:ContextCoder",
    "deflate": "entropy.deflate:Deflate",
    "heic": "pictures.heic:Heic",
    "hevc": "pictures.hevc:Hevc",
    "huffman": "entropy.huffman:Huffman",
    "jpeg": "pictures.pillow:Jpeg",
    "jpeg2000": "pictures.pillow:Jpeg2000",
    "lightweight": "levels.lightweight:Lightweight",
    "mid-point": "levels.mid_point:MidPoint",
    "min-max": "levels.min_max:MinMax",
    "pack": "entropy.plain:Pack",
    "packets": "packets.stage:Packets",
    "parts": "parts:Parts",
    "png": "pictures.pillow:Png",
    "range": "entropy.range_coder:RangeCoder",
    "rle": "entropy.rle:RunLength",
    "rle-adaptive": "entropy.rle:AdaptiveRunLength",
    "stream": "streams.stream:Stream",
    "tile": "pictures.tile:Tile",
    "webp": "pictures.pillow:WebP",
    "zstd": "entropy.zstd:Zstd",
}


def stage_from(description: Mapping[str, Any], form: Form) -> Stage:
    """The stage of a description, for arrays or bytes of a form.

    Raises:
        ValueError: If name or options are unknown, or the stage does not take that form.
        MissingLibraryError: If its library is not installed.
    """
    if not isinstance(description, Mapping) or str(description.get("name")) not in STAGES:
        known = ", ".join(map(repr, STAGES))
        raise ValueError(f"{description!r:.80} describes no stage. Give a dict with a name, one of {known}.")
    options = {key: value for key, value in description.items() if key != "name"}
    chosen = stage_class(description["name"])
    stage: Stage = chosen(form, **all_options(chosen, options, f"stage {chosen.name!r}"))
    return stage


def stage_class(name: str) -> Any:
    """The class of a stage by name."""
    module, _, attribute = STAGES[name].partition(":")
    return getattr(importlib.import_module(f"bottleneck.codecs.{module}"), attribute)


def all_options(function: Callable[..., Any], options: Mapping[str, Any], what: str) -> dict[str, Any]:
    """Options as JSON values with defaults filled in; one that the function does not take is refused."""
    signature = inspect.signature(function)
    taken = [p for p in signature.parameters.values() if p.name != "form"]
    try:
        bound = signature.replace(parameters=taken).bind(**options)
    except TypeError as error:
        known = ", ".join(p.name for p in taken) or "none"
        raise ValueError(f"{what}: {error}. Its options are: {known}.") from error
    bound.apply_defaults()
    found = dict(bound.arguments)
    for parameter in taken:
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            found |= found.pop(parameter.name)
    whole: dict[str, Any] = plain(found)
    return whole
