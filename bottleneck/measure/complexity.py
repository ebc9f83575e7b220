"""What a module costs: parameters and multiply-accumulates."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from bottleneck.splitting.macs import MacCounter


def parameter_count(module: nn.Module) -> int:
    """Parameters of a module, each counted once."""
    return sum(parameter.numel() for parameter in module.parameters())


@torch.no_grad()
def mac_count(function: Callable[[Tensor], Any], example: Tensor) -> int:
    """Multiply-accumulates of one call: convolutions and matrix products, nothing else."""
    with MacCounter() as counter:
        function(example)
    found: int = counter.macs
    return found
