"""Everything that the plugin changes in somebody's module, and how it is undone."""

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from bottleneck.identity import UNIT_NAME
from bottleneck.plugin.hook import Hook

_MISSING = object()


class Insertion:
    """A module's state before the plugin, and the changes since.

    The hook becomes the submodule `bottleneck_unit`, so that the Trainer moves its unit and its rate, DDP
    synchronises them and summaries show them. All other parameters are frozen.

    Args:
        module: Somebody's LightningModule.
    """

    def __init__(self, module: nn.Module):
        self.module = module
        self._methods: dict[str, Any] = {}
        self._modes: dict[nn.Module, bool] = {}
        self._learnt: list[nn.Parameter] = []
        self._handle: RemovableHandle | None = None

    def check(self, module: nn.Module) -> None:
        """Refuse another module than the one that was changed.

        Raises:
            ValueError: Naming the way out.
        """
        if module is not self.module:
            raise ValueError(
                f"This plugin is attached to another {type(self.module).__name__}. Call "
                "plugin.detach(that_module) first, or make another plugin."
            )

    def override(self, name: str, method: Callable[..., Any]) -> None:
        """Replace a method of this one module object.

        Args:
            name: The method's name.
            method: Takes the replaced method, then its arguments.
        """
        theirs = getattr(self.module, name)
        replacement = functools.partial(method, theirs)
        if name == "training_step":
            replacement.__wrapped__ = theirs  # type: ignore[attr-defined]  # Lightning reads its signature
        self._methods.setdefault(name, self.module.__dict__.get(name, _MISSING))
        self.module.__dict__[name] = replacement

    def restore(self, name: str) -> None:
        """Give a method back."""
        theirs = self._methods.pop(name)
        if theirs is _MISSING:
            del self.module.__dict__[name]
        else:
            self.module.__dict__[name] = theirs

    def insert(self, hook: Hook) -> None:
        """Freeze the module, add unit and loss, and put the hook behind the split point.

        Raises:
            ValueError: If the module has something else under the unit's name.
        """
        if hasattr(self.module, UNIT_NAME):
            raise ValueError(
                f"This module has an attribute {UNIT_NAME!r} already. Rename it, or detach the other plugin."
            )
        self._modes = {submodule: submodule.training for submodule in self.module.modules()}
        self._learnt = [parameter for parameter in self.module.parameters() if parameter.requires_grad]
        self.module.requires_grad_(False)
        self.module.add_module(UNIT_NAME, hook)
        self._handle = self.module.get_submodule(hook.at).register_forward_hook(hook.behind)
        torch.compiler.reset()  # compiled code does not look whether hooks have come or gone

    def undo(self) -> None:
        """Leave no trace: methods, unit, gradients and modes are as they were."""
        if self._handle is not None:
            self._handle.remove()
            self._handle = None
            self.module._modules.pop(UNIT_NAME)
            torch.compiler.reset()
        for name in list(self._methods):
            self.restore(name)
        for parameter in self._learnt:
            parameter.requires_grad_(True)
        for submodule, training in self._modes.items():
            submodule.training = training
