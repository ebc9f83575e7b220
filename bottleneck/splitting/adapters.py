"""What stands between a head's output and the feature that is sent, where these are not the same tensor.

    head ──► given ──► before ──► feature ──► the channel ──► feature' ──► after ──► tail
                └───────────────── beside (open cuts) ───────────────────────┘

    Direct     given is the feature                                every closed cut
    Replaced   given enters the module at the split point          where a unit may take the module's place
    Open       given holds what the tail reads beside as well      cuts that papers measured

A channel asks its adapter, so that whoever holds a head, a channel and a tail need not know which it is.
"""

import math

import torch
from torch import Tensor, nn


class Direct(nn.Module):
    """The head's output is the feature, and the feature is what the tail takes."""

    def before(self, given: Tensor) -> Tensor:
        """The feature that is sent, from what the head gives."""
        return given

    def after(self, received: Tensor, given: Tensor) -> Tensor:
        """What the tail takes, from what came through the channel and what the head gave."""
        return received


class Replaced(Direct):
    """The head ends before the module at the split point, because a unit may do that module's work.

    Args:
        module: That module: from what the head gives to the feature.
        dtype: What it takes.
    """

    def __init__(self, module: nn.Module, dtype: torch.dtype = torch.float32):
        super().__init__()
        self.module = module
        self.dtype = dtype

    def before(self, given: Tensor) -> Tensor:
        found: Tensor = self.module(given.to(self.dtype) if given.is_floating_point() else given)
        return found


class Open(Direct):
    """The tail reads more than is sent: head and tail share one machine, and the rest passes the channel by.

    Args:
        shape: Of what is sent for one sample; it lies first in the vector that the head gives.
    """

    def __init__(self, shape: tuple[int, ...]):
        super().__init__()
        self.shape = shape
        self._numbers = math.prod(shape)

    def before(self, given: Tensor) -> Tensor:
        found: Tensor = given[:, : self._numbers].unflatten(1, self.shape)
        return found

    def after(self, received: Tensor, given: Tensor) -> Tensor:
        return torch.cat([received.flatten(1), given[:, self._numbers :]], 1)
