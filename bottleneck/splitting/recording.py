"""One run of a graph: what each node gives, and what that costs."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.immutable_collections import immutable_dict, immutable_list

from bottleneck.splitting.macs import MacCounter
from bottleneck.splitting.outputs import tensors_in


@dataclass(frozen=True)
class TensorInfo:
    """Shape and dtype of a tensor; both `None` for any other value that holds tensors, such as a tuple.

    Attributes:
        elements: Numbers in the tensor, or in all tensors that the value holds; `None` where it holds none.
    """

    shape: tuple[int, ...] | None
    dtype: torch.dtype | None
    elements: int | None

    @classmethod
    def of(cls, value: Any) -> "TensorInfo":
        if isinstance(value, Tensor):
            return cls(tuple(value.shape), value.dtype, value.numel())
        held = [tensor.numel() for tensor in tensors_in(value)]
        return cls(None, None, sum(held) if held else None)


def is_plain(value: Any) -> bool:
    """Whether a value is sizes and settings only, so that the tail can have it without the channel."""
    if isinstance(value, (tuple, list)):
        return all(is_plain(item) for item in value)
    return value is None or isinstance(value, (int, float, str, slice, torch.dtype, torch.device))


class Runner(fx.Interpreter):
    """Run a graph node by node; lists and dicts are ordinary ones, as in the network."""

    def fetch_args_kwargs_from_env(self, n: fx.Node) -> tuple[Any, Any]:
        args, kwargs = super().fetch_args_kwargs_from_env(n)
        return _writable(args), _writable(kwargs)


class Recorder(Runner):
    """Run a graph once, keeping each node's value summary and its multiply-accumulates.

    Attributes:
        values: `TensorInfo`, or the plain value, of each node.
        macs: Multiply-accumulates of each node.
        result: What the graph returned.
    """

    def __init__(self, module: nn.Module, graph: fx.Graph) -> None:
        super().__init__(module, graph=graph)
        self.values: dict[fx.Node, Any] = {}
        self.macs: dict[fx.Node, int] = {}
        self.result: Any = None
        self._counter = MacCounter()

    def record(self, batch: Tensor) -> None:
        """Run the graph on a batch."""
        with torch.no_grad(), self._counter:
            self.result = self.run(batch.clone())  # some networks write into what they are given

    def run_node(self, n: fx.Node) -> Any:
        before = self._counter.macs
        value = super().run_node(n)
        self.macs[n] = self._counter.macs - before
        self.values[n] = value if is_plain(value) else TensorInfo.of(value)
        return value


def _writable(value: Any) -> Any:
    """The value with ordinary lists and dicts in the place of fx's immutable ones; others are the graph's."""
    if type(value) is immutable_list:
        return [_writable(item) for item in value]
    if type(value) is immutable_dict:
        return {key: _writable(item) for key, item in value.items()}
    if type(value) is tuple:
        return tuple(_writable(item) for item in value)
    return value
