"""What may enter a codec: dtypes and values of each kind of input, and the form of options."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

Input = Literal["symbols", "feature", "pixels"]
Choice = TypeVar("Choice", bound=str)

#: dtype of each kind of array, as a codec or a stage receives and returns it.
DTYPES: dict[str, np.dtype[Any]] = {
    "symbols": np.dtype(np.int32),
    "feature": np.dtype(np.float32),
    "pixels": np.dtype(np.uint8),
    "levels": np.dtype(np.uint16),
}
_CURES = {
    "symbols": "Pass integers that fit int32, such as unit.symbols(feature)",
    "feature": "Pass the head's output as floating point, such as array.astype(np.float32)",
    "pixels": "Pass uint8 pixels of the resized, cropped image, before normalisation",
}


def check_values(array: NDArray[Any], kind: Input, name: str) -> None:
    """Refuse values that a kind of input does not have: wrong dtype, NaN, infinity, beyond int32.

    Args:
        array: Any shape.
        kind: ``symbols``, ``feature`` or ``pixels``.
        name: Codec to name in the message.

    Raises:
        ValueError: Naming the value found and the cure.
    """
    dtype = array.dtype
    good = {"symbols": dtype.kind in "iu", "feature": dtype.kind == "f", "pixels": dtype == np.uint8}[kind]
    if not good:
        raise ValueError(
            f"codec {name!r} codes {kind} of dtype {DTYPES[kind]}; got dtype {dtype}. {_CURES[kind]}."
        )
    if array.size == 0 or kind == "pixels" or dtype == np.int32:
        return
    bound = float(np.finfo(np.float32).max) if kind == "feature" else 2**31 - 1
    with np.errstate(invalid="ignore"):
        low, high = array.min().item(), array.max().item()  # NaN propagates to both
    lowest = -bound if kind == "feature" else -(2**31)
    if not (low >= lowest and high <= bound):
        found = low if not low >= lowest else high
        raise ValueError(
            f"codec {name!r} codes finite values that fit {DTYPES[kind]}; got {found}. {_CURES[kind]}."
        )


def plain(value: Any) -> Any:
    """A value as JSON has it: lists for tuples, Python's own numbers and strings for NumPy's and others."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    return str(value) if isinstance(value, str) else value


def as_integer(value: Any, option: str, low: int, high: int) -> int:
    """An integer option within its bounds.

    Raises:
        ValueError: If it is no integer (a bool is none), or outside ``low .. high``.
    """
    if isinstance(value, bool) or not hasattr(value, "__index__") or not low <= operator.index(value) <= high:
        raise ValueError(
            f"{option}={value!r} is not an integer from {low} to {high}. Choose one in that range."
        )
    return operator.index(value)


def as_budget(max_bytes: Any) -> int | None:
    """The option `max_bytes`: a number of bytes that a payload must keep to, or None for no limit."""
    return None if max_bytes is None else as_integer(max_bytes, "max_bytes", 1, 2**31 - 1)


def as_number(value: Any, option: str, low: float, high: float) -> float:
    """A number as an option within its bounds.

    Raises:
        ValueError: If it is no number (a bool is none), NaN, or outside ``low .. high``.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise ValueError(
            f"{option}={value!r} is not a number from {low} to {high}. Choose one in that range."
        )
    return float(value)


def as_choice(value: Any, option: str, choices: Sequence[Choice]) -> Choice:
    """A text option that is one of a few.

    Raises:
        ValueError: Naming the choices.
    """
    for choice in choices:
        if value == choice:
            return choice
    raise ValueError(
        f"{option}={value!r} is not possible here. Choose one of {', '.join(map(repr, choices))}."
    )


def as_shape(shape: Sequence[int]) -> tuple[int, ...]:
    """The shape of one sample as a tuple.

    Raises:
        ValueError: If it is no sequence of integers, or one is negative.
    """
    try:
        sizes = tuple(operator.index(size) for size in shape)
    except TypeError as error:
        raise ValueError(
            f"shape={shape!r} is not a sequence of integers. Pass e.g. shape=(32, 4, 4)."
        ) from error
    if any(size < 0 for size in sizes):
        raise ValueError(f"shape={sizes} has a negative size. Pass e.g. shape=(32, 4, 4).")
    return sizes
