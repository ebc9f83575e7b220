"""Averaging callbacks (Lightning's `WeightAveraging`, such as EMA): what is trained is averaged, no more.

They average every tensor of a module. A frozen one comes back rounded, and truncated where it holds integers.
"""

from collections.abc import Iterable
from typing import Any

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import WeightAveraging
from torch import Tensor, nn


def averaging(callbacks: Iterable[Any]) -> list[Any]:
    """The callbacks that average weights, in both packages that Lightning comes as."""
    return [c for c in callbacks if any(base.__name__ == "WeightAveraging" for base in type(c).__mro__)]


class AveragedToTheEnd(WeightAveraging):
    """The average is what a training leaves behind, also a resumed one that has no step left."""

    _handed_over = False

    @property
    def average(self) -> Any:
        """A copy of the module, with averaged weights, once a training has begun."""
        assert self._average_model is not None
        return self._average_model.module

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_end(trainer, pl_module)
        self._handed_over = True

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not self._handed_over:  # Lightning leaves out the end of what it did not begin
            self.on_train_end(trainer, pl_module)


class FrozenTensors:
    """A module's frozen parameters and buffers as they were before an averaging callback wrote to them.

    Without such a callback nothing is kept.

    Args:
        module: In training.
        trained: How the names of what is trained begin.
        callbacks: The Trainer's.
    """

    def __init__(self, module: nn.Module, trained: str | tuple[str, ...], callbacks: Iterable[Any]):
        self._tensors: dict[str, tuple[Tensor, Tensor]] = {}
        if averaging(callbacks):
            named = [
                *module.named_parameters(remove_duplicate=False),
                *module.named_buffers(remove_duplicate=False),
            ]
            self._tensors = {
                name: (tensor, tensor.detach().clone())
                for name, tensor in named
                if not name.startswith(trained)
            }

    @torch.no_grad()
    def put_back(self) -> None:
        """Undo what averaging has done to the module."""
        for tensor, kept in self._tensors.values():
            tensor.copy_(kept)

    def correct(self, state: dict[str, Tensor]) -> None:
        """Undo what averaging has done to a state dict."""
        state.update({name: kept for name, (_, kept) in self._tensors.items() if name in state})
