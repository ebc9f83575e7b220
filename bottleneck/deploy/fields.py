"""What the fields of a bundle's description may be: checked before anything is made or allocated."""

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bottleneck.preprocess import INTERPOLATIONS
from bottleneck.splitting.points import MOST_TENSORS

_MOST_PIXELS = 1 << 24  # of an image
_LARGEST_OPTION = 1 << 16  # of a unit, and most channels that have a step each
_LARGEST_NUMBER = 1e300  # whole numbers have no end, and no float beyond it
_MOST_VALUES = 1 << 26  # of a latent


def check_fields(content: dict[str, Any], file: Path) -> None:
    """Refuse a description with a field that no bundle has.

    Raises:
        ValueError: Naming the field.
    """
    for name, (is_right, right) in _FIELDS.items():
        if not is_right(content.get(name)):
            raise ValueError(f"{file}: {name}={content.get(name)!r:.80} is not {right}. Export it again.")
    preprocessing, size = content["preprocessing"] or {}, content["image_shape"][1:]
    made = [preprocessing[name] for name in ("letterbox", "crop", "size") if name in preprocessing]
    if made and size != (made[0] if isinstance(made[0], list) else [made[0], made[0]]):
        raise ValueError(f"{file}: {preprocessing=} makes no images of {size}. Export it again.")
    if content.get("task") == "single_stage" and "letterbox" not in preprocessing:
        raise ValueError(f"{file}: a single-stage detector's images have no letterbox. Export it again.")


def check_sizes(latent_shape: Sequence[int], codec: dict[str, Any], file: Path) -> None:
    """Refuse a codec that is not the unit's, before it makes tables.

    Raises:
        ValueError: Naming both shapes.
    """
    if codec.get("shape") != list(latent_shape) or math.prod(latent_shape) > _MOST_VALUES:
        raise ValueError(
            f"{file}: the codec codes {codec.get('shape')!r:.80}, the unit's latent is {list(latent_shape)}. "
            "Export it again."
        )


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 1000


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def _is_size(value: Any) -> bool:
    return type(value) is int and 1 <= value <= _MOST_PIXELS


def is_number(value: Any) -> bool:
    """Whether a value read from a file is a number that can be computed with."""
    return type(value) in (int, float) and abs(value) < _LARGEST_NUMBER


def _is_image(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 3
        and all(map(_is_size, value))
        and math.prod(value) <= 4 * _MOST_PIXELS
    )


def _is_preprocessing(value: Any) -> bool:
    if not isinstance(value, dict):
        return value is None
    sides = dict(value)
    interpolation, size = sides.pop("interpolation", INTERPOLATIONS[0]), sides.pop("size", [1, 1])
    return (
        (set(sides) <= {"short_side", "crop"} or set(value) == {"letterbox"})
        and not {"short_side", "size"} <= set(value)
        and interpolation in INTERPOLATIONS
        and isinstance(size, list)
        and len(size) == 2
        and all(_is_size(side) and side <= _LARGEST_OPTION for side in (*sides.values(), *size))
    )


def _is_option(value: Any) -> bool:
    """A number, a word, or several of them."""
    if isinstance(value, list):
        return (
            len(value) <= _LARGEST_OPTION
            and not any(isinstance(one, list) for one in value)
            and all(map(_is_option, value))
        )
    if type(value) is int:
        return abs(value) <= _LARGEST_OPTION
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, (bool, str))


def _is_unit(value: Any) -> bool:
    """Options, or those of several units."""
    if not isinstance(value, dict):
        return False
    if value.get("kind") == "set":
        units = value.get("units")
        return (
            set(value) == {"kind", "units"}
            and isinstance(units, list)
            and 0 < len(units) <= MOST_TENSORS
            and all(_is_unit(unit) and unit.get("kind") != "set" for unit in units)
        )
    return all(map(_is_option, value.values()))


def _is_behaviour(value: Any) -> bool:
    return value is None or (isinstance(value, list) and bool(value) and all(map(is_number, value)))


#: Field -> whether a value is right, and what would be; those that bundles of 0.1 lack may be missing.
_FIELDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "split": (_is_text, "the name of a split point"),
    "network": (_is_digest, "a SHA-256 of weights"),
    "weights_sha256": (_is_digest, "a SHA-256 of weights"),
    "image_shape": (_is_image, "the shape (C, H, W) of an image"),
    "preprocessing": (_is_preprocessing, "how images are prepared"),
    "unit": (_is_unit, "options of a unit"),
    "codec": (lambda value: isinstance(value, dict), "a codec"),
    "model": (lambda value: isinstance(value, dict), "how a network is made"),
    "result": (lambda value: isinstance(value, dict), "a row of results"),
    "task": (lambda value: value is None or _is_text(value), "the name of a task"),
    "behaviour": (_is_behaviour, "finite numbers"),
}
