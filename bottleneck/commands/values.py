"""Single values out of the configuration, checked; loads no training stack."""

from typing import Any

import torch
from omegaconf import ListConfig


def listed(value: Any) -> list[Any]:
    """What a key lists: one value is a list of one, and null of none."""
    if value is None:
        return []
    return list(value) if isinstance(value, ListConfig) else [value]


def checked_seed(key: str, value: Any) -> int:
    """A key's seed.

    Raises:
        ValueError: If it is none.
    """
    if type(value) is not int or not 0 <= value < 2**32:
        raise ValueError(f"{key}={value} must be a whole number from 0 to {2**32 - 1}.")
    return value


def torch_device(name: str) -> torch.device:
    """The device of a configuration: `auto` takes the GPU where there is one.

    Raises:
        ValueError: If there is no such device here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"device={name} is unknown. Use auto, cpu or cuda.") from error
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(
            f"device={name}: PyTorch has no such device here. Use device=cpu, or device=auto, which takes a "
            "GPU where there is one."
        ) from error
    return device
