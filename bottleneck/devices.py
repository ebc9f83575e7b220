"""On which device things are."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only


def device_of(module: nn.Module) -> torch.device:
    """The device of a module's first parameter or buffer; the CPU where it has none."""
    return next((t.device for t in (*module.parameters(), *module.buffers())), torch.device("cpu"))


def moved(value: Any, device: torch.device | str) -> Any:
    """A tensor, or lists, tuples and dictionaries of tensors, on another device."""
    return tree_map_only(Tensor, lambda tensor: tensor.to(device), value)
