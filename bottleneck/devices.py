"""On which device things are."""

from collections.abc import Mapping
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


def fast_in_bfloat16(device: str) -> bool:
    """Whether training in bfloat16 is faster than in float32 there: on most GPUs, and with AMX.

    With AVX-512 BF16 alone it is slower, and without any such instructions it takes over ten times as long.

    Args:
        device: `cpu`, `cuda`, or `auto`: the GPU where there is one.
    """
    if device != "cpu" and torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    able: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # PyTorch 2.6 does not tell
    return bool(able.get("amx_bf16", False))
