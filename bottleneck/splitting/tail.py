"""The tail: the part of a network behind the cut, which never sees the image."""

import contextlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx, nn

from bottleneck.layouts import Layout
from bottleneck.splitting.recording import Runner


class Layer(NamedTuple):
    """The output of a module behind the cut: its node in the tail's graph, and its layout."""

    node: str
    layout: Layout


class Tail(nn.Module):
    """The part of the network behind the cut. It never sees the image.

    Where the network reads a size of its input (a batch size for a reshape, height and width for an
    interpolation), the tail takes the batch size from the feature and the rest from the example that
    the network was split with.

    Attributes:
        sizes: The plain values that cross the cut, by name, as they were for two samples.
        layers: The modules behind the cut by name: where their output is, and how to read its axes.
    """

    def __init__(
        self,
        graph: fx.GraphModule,
        layers: dict[str, Layer],
        sizes: dict[str, Any],
        alone: dict[str, Any],
        feature: Tensor,
    ):
        """`sizes` were seen with two samples, `alone` with one, whose feature is `feature`."""
        super().__init__()
        self.graph = graph
        self.layers = layers
        self.sizes = sizes
        self.dtype = feature.dtype
        self._alone = alone
        # Networks often go on with an in-place activation; the caller's feature must survive that.
        version = feature._version
        with torch.no_grad():
            graph(feature, **alone)
        self._overwrites = feature._version != version

    def forward(self, feature: Tensor, sizes: dict[str, Any] | None = None) -> Any:
        """Finish the inference.

        Args:
            feature: The head's output, `(b, ...)`.
            sizes: Values that replace entries of `self.sizes`, for features of another image size.

        Raises:
            ValueError: If `sizes` names something that does not cross this cut.
        """
        crossing = self._sizes_for(feature)
        if unknown := set(sizes or {}) - set(crossing):
            raise ValueError(f"sizes={sorted(unknown)} do not cross this cut; it takes {sorted(crossing)}.")
        return self.graph(self._own(feature), **{**crossing, **(sizes or {})})

    def watch(
        self,
        feature: Tensor,
        layers: Sequence[str],
        sizes: dict[str, Any] | None = None,
        finish: bool = True,
    ) -> tuple[Any, dict[str, Tensor]]:
        """Finish the inference, and see what some layers make of the feature on the way.

        Args:
            feature: The head's output, `(b, ...)`.
            layers: Names of modules behind the cut.
            sizes: As for `forward`.
            finish: Whether the output is wanted; without it nothing is computed behind the last layer.

        Returns:
            The output (or `None`), and each layer's feature by the layer's name.

        Raises:
            ValueError: If a layer is no module behind the cut.
        """
        if not layers:
            return (self(feature, sizes) if finish else None), {}
        if unknown := [name for name in layers if name not in self.layers]:
            raise ValueError(f"layers={unknown} are not behind this cut, which has {[*self.layers]} there.")
        watcher = _Watcher(self.graph, {self.layers[name].node for name in layers}, finish)
        output = None
        with contextlib.suppress(_SeenAllError):
            output = watcher.run(self._own(feature), *{**self._sizes_for(feature), **(sizes or {})}.values())
        return output, {name: watcher.seen[self.layers[name].node] for name in layers}

    def _own(self, feature: Tensor) -> Tensor:
        """The feature in the network's precision, and a copy where the network would write into it."""
        both_float = feature.is_floating_point() and self.dtype.is_floating_point  # pixels may have gradients
        own = feature.to(self.dtype) if both_float else feature
        return own.clone() if self._overwrites and own is feature else own

    def _sizes_for(self, feature: Tensor) -> dict[str, Any]:
        """The crossing sizes for a batch as large as this feature's."""
        return {
            name: _scaled(value, self._alone[name], feature.shape[0], feature.device)
            for name, value in self.sizes.items()
        }


class _SeenAllError(Exception):
    """What is left of a graph is not needed."""


class _Watcher(Runner):
    """Run a graph and keep what some of its nodes give."""

    def __init__(self, graph: fx.GraphModule, nodes: set[str], finish: bool):
        super().__init__(graph)
        self.nodes = nodes
        self.finish = finish
        self.extra_traceback = False  # stopping early is no error to be explained
        self.seen: dict[str, Tensor] = {}

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if n.name in self.nodes:
            self.seen[n.name] = value.clone()  # what follows may work in place
            if not self.finish and len(self.seen) == len(self.nodes):
                raise _SeenAllError
        return value


def _scaled(value: Any, alone: Any, batch: int, device: torch.device) -> Any:
    """A size for `batch` samples, from those for two and for one: each sample adds as much."""
    if isinstance(value, torch.device):
        return device  # halves may have been moved since they were split
    if isinstance(value, (tuple, list)):
        if len(alone) != len(value):  # one entry for each sample
            return type(value)(value[:1] * batch)
        items = [_scaled(v, a, batch, device) for v, a in zip(value, alone, strict=True)]
        if hasattr(value, "_make"):  # a named tuple
            return value._make(items)
        return torch.Size(items) if isinstance(value, torch.Size) else type(value)(items)
    return value if value == alone else alone + (value - alone) * (batch - 1)
