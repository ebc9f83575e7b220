"""Head and tail: the two halves of a network, each a module that runs alone.

image ──► head ──► feature ──► tail ──► output          tail(head(x)) == model(x)
"""

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from bottleneck.splitting.graph import Cut, TracedNetwork, evaluating, trace
from bottleneck.splitting.points import SplitPoint, find_cut, point_of


class Tail(nn.Module):
    """The part of the network behind the cut. It never sees the image.

    Where the network reads a size of its input (a batch size for a reshape, height and width for an
    interpolation), the tail takes the batch size from the feature and the rest from the example that
    the network was split with.

    Attributes:
        sizes: The plain values that cross the cut, by name, as they were on the example.
        layers: Names of the modules behind the cut, with the nodes of the graph that are their outputs.
        feature_shape: Shape of the feature for one sample.
    """

    def __init__(
        self,
        graph: fx.GraphModule,
        layers: dict[str, str],
        sizes: dict[str, Any],
        doubled: dict[str, Any],
        feature: Tensor,
    ):
        """`sizes` were seen with `feature`, `doubled` with twice its batch."""
        super().__init__()
        self.graph = graph
        self.layers = layers
        self.sizes = sizes
        self._doubled = doubled
        self._batch = feature.shape[0]
        self.feature_shape = tuple(feature.shape[1:])
        # Networks often go on with an in-place activation; the caller's feature must survive that.
        version = feature._version
        with torch.no_grad():
            graph(feature, **sizes)
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
        if self._overwrites:
            feature = feature.clone()
        return self.graph(feature, **{**crossing, **(sizes or {})})

    def watch(self, feature: Tensor, layers: Sequence[str]) -> tuple[Any, dict[str, Tensor]]:
        """Finish the inference, and see what some layers make of the feature on the way.

        Args:
            feature: The head's output, `(b, ...)`.
            layers: Names of modules behind the cut.

        Returns:
            The output, and each layer's feature by the layer's name.

        Raises:
            ValueError: If a layer is no module behind the cut.
        """
        if not layers:
            return self(feature), {}
        if unknown := [name for name in layers if name not in self.layers]:
            raise ValueError(f"layers={unknown} are not behind this cut, which has {[*self.layers]} there.")
        if self._overwrites:
            feature = feature.clone()
        watcher = _Watcher(self.graph, {self.layers[name] for name in layers})
        output = watcher.run(feature, *self._sizes_for(feature).values())
        return output, {name: watcher.seen[self.layers[name]] for name in layers}

    def _sizes_for(self, feature: Tensor) -> dict[str, Any]:
        """The crossing sizes for a batch as large as this feature's."""
        return {
            name: _scaled(value, self._doubled[name], feature.shape[0], self._batch)
            for name, value in self.sizes.items()
        }


class _Watcher(fx.Interpreter):
    """Run a graph and keep what some of its nodes give."""

    def __init__(self, graph: fx.GraphModule, nodes: set[str]):
        super().__init__(graph)
        self.nodes = nodes
        self.seen: dict[str, Tensor] = {}

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if n.name in self.nodes:
            self.seen[n.name] = value.clone()  # what follows may work in place
        return value


class SplitModel(nn.Module):
    """A network in two halves that share its parameters.

    Attributes:
        head: Image to feature.
        tail: Feature to output.
        point: The split point: name, shape, share of the work.
        feature_shape: Shape of the head's output for one sample; at a closed cut the split point's.
    """

    def __init__(self, head: fx.GraphModule, tail: Tail, point: SplitPoint):
        super().__init__()
        self.head = head
        self.tail = tail
        self.point = point
        self.feature_shape = tail.feature_shape
        self._frozen = False
        self.eval()

    def forward(self, image: Tensor) -> Any:
        return self.tail(self.head(image))

    def sent(self, feature: Tensor) -> Tensor:
        """The part of the head's output that goes through the channel: all of it at a closed cut."""
        return feature if self.point.closed else feature[:, : self.point.shape[0]]

    def joined(self, received: Tensor, feature: Tensor) -> Tensor:
        """What the tail takes: what came through the channel, and what it reads beside it at an open cut."""
        return received if self.point.closed else torch.cat([received, feature[:, received.shape[1] :]], 1)

    def freeze(self) -> "SplitModel":
        """Stop all gradients to the network's parameters and hold both halves in eval mode for good."""
        self.requires_grad_(False)
        self._frozen = True
        return self.eval()

    def unfreeze(self) -> "SplitModel":
        """Let gradients and statistics change the network again."""
        self._frozen = False
        return self.requires_grad_(True)

    def train(self, mode: bool = True) -> "SplitModel":
        """Stay in eval mode once frozen: BatchNorm statistics and dropout are part of the frozen network."""
        return super().train(mode and not self._frozen)


def split(model: nn.Module, at: str, example: Tensor) -> SplitModel:
    """Cut a network behind one of its modules.

    Args:
        model: Any module that takes one tensor. Both halves share its parameters and buffers.
            The network goes into eval mode with them.
        at: Name of the split point, such as `layer3.4`, or `input`.
        example: A batch of inputs, `(b, ...)`. The halves run on any batch size, and on other image
            sizes as far as the network itself does.

    Raises:
        ValueError: If the model cannot be traced, the name is unknown, or the cut is not closed.
    """
    return split_traced(trace(model, example), at)


def split_traced(traced: TracedNetwork, at: str) -> SplitModel:
    """Cut a network that is traced already; see `split`."""
    cut = find_cut(traced, at)
    head_nodes = set(traced.members(cut.before))
    head, _ = subgraph(traced, {traced.input: "image"}, cut.node, head_nodes)

    inputs = {cut.node: "feature"} | {node: node.name for node in cut.sizes}
    tail_nodes = {n for n in traced.nodes if n not in head_nodes or not traced.depends_on_input(n)}
    tail_graph, copies = subgraph(traced, inputs, traced.output, tail_nodes)
    behind = [node for node in traced.names if node in copies and node not in inputs]
    layers = {name: copies[node].name for node in behind for name in traced.names[node]}
    with evaluating(traced.model), torch.no_grad():
        tail = Tail(tail_graph, layers, *size_samples(traced, cut), head(traced.example))

    return SplitModel(head, tail, point_of(traced, cut))


def subgraph(
    traced: TracedNetwork, inputs: dict[fx.Node, str], output: fx.Node, allowed: set[fx.Node]
) -> tuple[fx.GraphModule, dict[fx.Node, fx.Node]]:
    """The module that computes `output` from `inputs`, taking from `allowed` only what it needs.

    Returns:
        The module, and its nodes by those of the network that they are copies of.
    """
    needed = {output}
    for node in reversed(traced.nodes):
        if node in needed and node not in inputs:
            needed.update(node.all_input_nodes)

    graph = fx.Graph()
    copies = {node: graph.placeholder(name) for node, name in inputs.items()}
    for node in traced.nodes:
        if node in needed and node in allowed and node not in copies:
            copies[node] = graph.node_copy(node, copies.__getitem__)
    if output.op != "output":
        graph.output(copies[output])
    return fx.GraphModule(traced.model, graph), copies


def size_samples(traced: TracedNetwork, cut: Cut) -> tuple[dict[str, Any], dict[str, Any]]:
    """The crossing sizes on the example and on twice its batch, which tells batch sizes from the others."""
    if not cut.sizes:
        return {}, {}
    doubled = traced.sizes_at(2 * traced.batch)
    sizes = {node.name: copy.copy(traced.values[node]) for node in cut.sizes}
    return sizes, {node.name: doubled[node] for node in cut.sizes}


def _scaled(value: Any, doubled: Any, batch: int, example_batch: int) -> Any:
    """A size for `batch` samples: it grows in proportion where it doubled with the example's batch."""
    if isinstance(value, (tuple, list)):
        if len(doubled) != len(value):  # one entry for each sample
            return type(value)(value[:1] * batch)
        items = [_scaled(v, d, batch, example_batch) for v, d in zip(value, doubled, strict=True)]
        if hasattr(value, "_make"):  # a named tuple
            return value._make(items)
        return torch.Size(items) if isinstance(value, torch.Size) else type(value)(items)
    return value if value == doubled else value * batch // example_batch
