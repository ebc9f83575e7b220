"""Codecs by name: each is a pipeline of stages, most of one stage.

::

    {"name": "deflate", "of": "quantised", "levels": 16}  ─►  min-max 16 ─► pack ─► deflate     (a recipe)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from bottleneck.codecs.checks import Input, as_budget, as_choice, as_integer
from bottleneck.codecs.levels.mid_point import SCOPES
from bottleneck.codecs.registry import STAGES, all_options, stage_class

_FORMATS = ("avif", "heic", "hevc", "jpeg", "jpeg2000", "png", "webp")

Stages = Sequence[Mapping[str, Any]]


class Recipe(NamedTuple):
    """A codec but for its shape.

    Attributes:
        name: Of the codec.
        options: By which it was asked for, defaults included, JSON values.
        input: What enters: ``symbols``, ``feature`` or ``pixels``.
        stages: Descriptions, each a name and options.
    """

    name: str
    options: dict[str, Any]
    input: Input
    stages: Stages

    @property
    def is_named(self) -> bool:
        """Whether the pipeline is one of `NAMED`, not written out by the user."""
        return self.name != "pipeline"


def recipe(name: str, options: Mapping[str, Any]) -> Recipe:
    """The recipe of a codec by name.

    Raises:
        ValueError: If the name or an option is unknown, or a value is impossible.
    """
    if name == "pipeline":
        return Recipe(name, *_written_out(**all_options(_written_out, options, "codec 'pipeline'")))
    if not isinstance(name, str) or name not in NAMED:
        known = ", ".join(map(repr, NAMED))
        raise ValueError(f"codec={name!r} is unknown. Choose one of {known}, or 'pipeline' with stages.")
    kind, stages = NAMED[name]
    given = all_options(stages or stage_class(name), options, f"codec {name!r}")
    if stages is None:
        assert kind is not None
        return Recipe(name, given, kind, [{"name": name, **given}])
    made = stages(**given)
    return made._replace(name=name) if isinstance(made, Recipe) else Recipe(name, given, kind, made)


def _written_out(stages: Stages, input: str | None = None) -> tuple[dict[str, Any], Input, Stages]:
    """A pipeline in the user's own words.

    Args:
        stages: One dict for each stage, its name and options.
        input: What is coded; needed where the first stage takes more than one kind.
    """
    if not isinstance(stages, Sequence) or isinstance(stages, str) or not stages:
        raise ValueError(f"stages={stages!r:.80} is no list of stages. Give e.g. [{{'name': 'range'}}].")
    first = str(stages[0].get("name")) if isinstance(stages[0], Mapping) else ""
    taken = stage_class(first).takes if first in STAGES else ()
    every: list[Input] = ["symbols", "feature", "pixels"]
    kinds = [kind for kind in every if kind in taken]
    if input is None and len(kinds) != 1:
        raise ValueError(f"stage {first!r} takes {kinds}. Say input= to choose, or begin with another stage.")
    chosen: Input = kinds[0] if input is None else as_choice(input, "input", kinds)
    return {"stages": list(stages), "input": chosen}, chosen, stages


def _affine() -> Stages:
    return [{"name": "affine"}, {"name": "bytes"}]


def _packed() -> Stages:
    """Pixels in as few bits as their largest training value needs: digits have 17 grey levels in a uint8."""
    return [{"name": "pack"}]


def _raw(input: Input = "feature") -> Recipe:
    """The array as it lies in memory: what a split network sends when nobody compresses."""
    kind: Input = as_choice(input, "input", ("feature", "pixels"))
    return Recipe("raw", {"input": kind}, kind, [{"name": "bytes"}])


def _quantised(
    levels: int = 16, per: str = "sample", sigmas: float | None = None, whole_bytes: bool = False
) -> Stages:
    """Features in N levels and log2 N bits per element, without entropy coding.

    Args:
        levels: N, 2 to 65,536; ``2**n`` for n bits.
        per: Whose range is cut into levels, see `_levels`.
        sigmas: w of the fitted ranges, 3 unless given.
        whole_bytes: Send each symbol in a byte of its own (two, above 256 levels), in which `deflate` and
            `zstd` find repetitions that packed bits hide.
    """
    return [_levels(levels, per, sigmas), {"name": "bytes" if whole_bytes else "pack"}]


def _tiled(
    image: str = "jpeg",
    levels: int = 256,
    per: str = "sample",
    sigmas: float | None = None,
    layout: str = "square",
    block: int = 8,
    order: str = "given",
    **image_options: Any,
) -> Stages:
    """Features as tiles of one grey picture. Lossy twice unless `image` is ``png``.

    Args:
        image: Image format.
        levels: N, 2 to 256, spread over the pixels' 256.
        per: Whose range is cut into levels, see `_levels`.
        sigmas: w of the fitted ranges, 3 unless given.
        layout: See `pictures.tile.Tile`, as for `block` and `order`.
        block: Likewise.
        order: Likewise.
        image_options: Options of the format, such as ``quality=20`` or ``max_bytes=2000``, which is then the
            limit of the whole payload.
    """
    quantizer = _levels(as_integer(levels, "levels", 2, 256), per, sigmas)
    if (limit := as_budget(image_options.get("max_bytes"))) is not None:
        image_options["max_bytes"] = limit - stage_class(quantizer["name"]).n_header
    picture = {"name": as_choice(image, "image", _FORMATS), **image_options}
    return [quantizer, {"name": "tile", "layout": layout, "block": block, "order": order}, picture]


def _levels(levels: int, per: str, sigmas: float | None) -> Mapping[str, Any]:
    """The quantizer for a range.

    Args:
        levels: N.
        per: Whose range it is. ``sample``: each sample's own minimum to maximum, which takes 8 bytes
            (`MinMax`). ``layer``, ``channel``, ``neuron``: mean ± `sigmas` deviations of training data, which
            take none and need `fit` (`MidPoint`).
        sigmas: w of a fitted range.
    """
    as_choice(per, "per", ("sample", *SCOPES))
    if sigmas is not None and (per == "sample" or not 0 < sigmas < float("inf")):
        raise ValueError(
            f"sigmas={sigmas!r} with per={per!r}: give a positive number with a fitted range, none else."
        )
    if per == "sample":
        return {"name": "min-max", "levels": levels}
    return {"name": "mid-point", "levels": levels, "per": per, "sigmas": sigmas or 3.0}


def _deflate(of: str = "raw", level: int = 6, **options: Any) -> Recipe:
    return _compressed("deflate", of, level, options)


def _zstd(of: str = "raw", level: int = 3, **options: Any) -> Recipe:
    return _compressed("zstd", of, level, options)


def _packets(codec: str = "range", by: str = "channels", mtu: int = 1200, **options: Any) -> Recipe:
    """Another codec's bytes in packets that decode alone, see `packets.stage.Packets`."""
    inner = recipe(codec, options)
    everything = {**inner.options, "codec": codec, "by": by, "mtu": mtu}
    return Recipe("packets", everything, inner.input, [{"name": "packets", **everything}])


def _parts(codec: str | Mapping[str, Any] = "range", shapes: Sequence[Sequence[int]] | None = None) -> Recipe:
    """A codec for each of several arrays that lie behind each other in a sample, see `parts.Parts`."""
    name, options = name_and_options(codec)
    inner = recipe(name, options)
    everything = {
        "codec": {"name": name, **inner.options},
        "shapes": shapes and [list(shape) for shape in shapes],
    }
    return Recipe("parts", everything, inner.input, [{"name": "parts", **everything}])


def name_and_options(codec: str | Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Name and options of a codec within another: its name, or a mapping with it and the options."""
    if isinstance(codec, str):
        return codec, {}
    if not isinstance(codec, Mapping) or not isinstance(codec.get("name"), str):
        raise ValueError(
            f"codec={codec!r:.80} names no codec. Give a name, or a mapping with name and options."
        )
    options = dict(codec)
    return options.pop("name"), options


def _compressed(name: str, of: str, level: int, options: Mapping[str, Any]) -> Recipe:
    """A general-purpose compressor behind a codec that lays values out plainly.

    Args:
        name: Of the compressor.
        of: ``raw`` (float32 or pixels) or ``quantised`` (packed bits, or bytes with ``whole_bytes=True``).
        level: The compressor's effort.
        options: The other codec's.
    """
    inner = recipe(as_choice(of, "of", ("raw", "quantised")), options)
    everything = {"of": of, "level": level, **inner.options}
    return Recipe(name, everything, inner.input, [*inner.stages, {"name": name, "level": level}])


#: Name of a codec -> what it codes (None: the options say it), and its stages (None: the one of that name).
NAMED: dict[str, tuple[Any, Callable[..., Recipe | Stages] | None]] = {
    "affine": ("feature", _affine),
    "avif": ("pixels", None),
    "context": ("symbols", None),
    "deflate": (None, _deflate),
    "heic": ("pixels", None),
    "hevc": ("pixels", None),
    "huffman": ("symbols", None),
    "jpeg": ("pixels", None),
    "jpeg2000": ("pixels", None),
    "lightweight": ("feature", None),
    "packed": ("pixels", _packed),
    "packets": (None, _packets),
    "parts": (None, _parts),
    "png": ("pixels", None),
    "quantised": ("feature", _quantised),
    "range": ("symbols", None),
    "raw": (None, _raw),
    "rle": ("feature", None),
    "rle-adaptive": ("feature", None),
    "stream": ("symbols", None),
    "tiled": ("feature", _tiled),
    "webp": ("pixels", None),
    "zstd": (None, _zstd),
}
