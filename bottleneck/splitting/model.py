"""Head and tail: the two halves of a network, each a module that runs alone.

image ──► head ──► feature ──► tail ──► output                      tail(head(x)) == model(x)

Where a unit takes a module's place, or a cut is not closed, an adapter stands in between (`adapters.py`).
"""

import contextlib
import copy
from collections.abc import Container, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx, nn

from bottleneck.layouts import Layout
from bottleneck.splitting.adapters import Direct, Replaced
from bottleneck.splitting.graph import Cut, TracedNetwork, evaluating, trace
from bottleneck.splitting.points import SplitPoint, find_cut, point_of


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
        sizes: The plain values that cross the cut, by name, as they were on the example.
        layers: The modules behind the cut by name: where their output is, and how to read its axes.
    """

    def __init__(
        self,
        graph: fx.GraphModule,
        layers: dict[str, Layer],
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
        if self._overwrites:
            feature = feature.clone()
        watcher = _Watcher(self.graph, {self.layers[name].node for name in layers}, finish)
        output = None
        with contextlib.suppress(_SeenAllError):
            output = watcher.run(feature, *{**self._sizes_for(feature), **(sizes or {})}.values())
        return output, {name: watcher.seen[self.layers[name].node] for name in layers}

    def _sizes_for(self, feature: Tensor) -> dict[str, Any]:
        """The crossing sizes for a batch as large as this feature's."""
        return {
            name: _scaled(value, self._doubled[name], feature.shape[0], self._batch)
            for name, value in self.sizes.items()
        }


class _SeenAllError(Exception):
    """What is left of a graph is not needed."""


class _Watcher(fx.Interpreter):
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


class SplitModel(nn.Module):
    """A network in two halves that share its parameters.

    Attributes:
        head: Image to what the device has at the cut.
        tail: Feature to output.
        adapter: What lies between these two and a channel; nothing at a closed cut (`Direct`).
        point: The split point: name, shape, share of the work.
        entry: The split point at which the head ends: `point`, but where a module may be replaced.
    """

    def __init__(
        self,
        head: fx.GraphModule,
        tail: Tail,
        point: SplitPoint,
        sizes: fx.GraphModule,
        adapter: Direct | None = None,
        entry: SplitPoint | None = None,
    ):
        super().__init__()
        self.head = head
        self.adapter = adapter or Direct()
        self.tail = tail
        self.point = point
        self.entry = entry or point
        self._sizes = sizes
        self._frozen = False
        self.eval()

    def forward(self, image: Tensor) -> Any:
        return self.rest(self.head(image))

    def rest(self, given: Tensor, sizes: dict[str, Any] | None = None) -> Any:
        """The network's output from what its head gives, with nothing in between."""
        return self.tail(self.at_cut(given), sizes)

    def at_cut(self, given: Tensor) -> Tensor:
        """What the frozen network's own tail takes, from what its head gives."""
        return self.adapter.after(self.adapter.before(given), given)

    def sizes(self, images: Any) -> dict[str, Any]:
        """The plain values that cross the cut for these images, by name; what `tail` takes as `sizes`."""
        return self._sizes(images)

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


def split(model: nn.Module, at: str, example: Tensor, replace: bool = False) -> SplitModel:
    """Cut a network behind one of its modules.

    Args:
        model: Any module that takes one tensor. Both halves share its parameters and buffers.
            The network goes into eval mode with them.
        at: Name of the split point, such as `layer3.4`, or `input`.
        example: A batch of inputs, `(b, ...)`. The halves run on any batch size, and on other image
            sizes as far as the network itself does.
        replace: Whether the module itself is to be replaced: the head then ends before it.

    Raises:
        ValueError: If the model cannot be traced, the name is unknown, or the cut is not closed; with
            `replace`, if the cut before the module is not closed.
    """
    return split_traced(trace(model, example), at, replace)


def split_traced(traced: TracedNetwork, at: str, replace: bool = False) -> SplitModel:
    """Cut a network that is traced already; see `split`."""
    cut = find_cut(traced, at)
    head_nodes = set(traced.members(cut.before))
    adapter, entry = Direct(), cut
    if replace:
        entry = _cut_before(traced, cut, at)
        module, _ = subgraph(traced, {entry.node: "entry"}, cut.node, head_nodes)
        adapter = Replaced(module)
    head, _ = subgraph(traced, {traced.input: "image"}, entry.node, head_nodes)
    measured = {node.name: node for node in cut.sizes}
    sizes, _ = subgraph(traced, {traced.input: "image"}, measured, head_nodes)

    inputs = {cut.node: "feature"} | {node: node.name for node in cut.sizes}
    tail_nodes = {n for n in traced.nodes if n not in head_nodes or not traced.depends_on_input(n)}
    tail_graph, copies = subgraph(traced, inputs, traced.output, tail_nodes)
    layers = layers_behind(traced, copies, inputs)
    with evaluating(traced.model), torch.no_grad():
        feature = adapter.before(head(traced.example))
        tail = Tail(tail_graph, layers, *size_samples(traced, cut), feature)

    return SplitModel(head, tail, point_of(traced, cut), sizes, adapter, point_of(traced, entry))


def _cut_before(traced: TracedNetwork, cut: Cut, at: str) -> Cut:
    """The cut in front of the module at a cut.

    Raises:
        ValueError: If it is not closed.
    """
    entry = traced.entries.get(cut.node)
    before = None if entry is None else traced.cut(entry)
    if before is None or not before.closed or before.sizes != cut.sizes:
        crossing = [] if before is None else [traced.name(source) for source in before.tensors]
        raise ValueError(
            f"split={at!r} cannot be replaced: one tensor has to enter it, and nothing may pass it by; these "
            f"enter or pass: {crossing}. Choose a unit that stands behind the module, such as unit=depthwise."
        )
    return before


def subgraph(
    traced: TracedNetwork,
    inputs: dict[fx.Node, str],
    output: fx.Node | dict[str, fx.Node],
    allowed: set[fx.Node],
) -> tuple[fx.GraphModule, dict[fx.Node, fx.Node]]:
    """The module that computes `output`, one node or several by name, from `inputs`.

    It takes from `allowed` only what it needs.

    Returns:
        The module, and its nodes by those of the network that they are copies of.
    """
    needed = set(output.values()) if isinstance(output, dict) else {output}
    for node in reversed(traced.nodes):
        if node in needed and node not in inputs:
            needed.update(node.all_input_nodes)

    graph = fx.Graph()
    copies = {node: graph.placeholder(name) for node, name in inputs.items()}
    for node in traced.nodes:
        if node in needed and node in allowed and node not in copies:
            copies[node] = graph.node_copy(node, copies.__getitem__)
    if isinstance(output, dict):
        graph.output({name: copies[node] for name, node in output.items()})
    elif output.op != "output":
        graph.output(copies[output])
    return fx.GraphModule(traced.model, graph), copies


def layers_behind(
    traced: TracedNetwork, copies: dict[fx.Node, fx.Node], inputs: Container[fx.Node]
) -> dict[str, Layer]:
    """The modules that a tail runs, by each of their names.

    Args:
        traced: The network.
        copies: Nodes of the tail's graph by those of the network.
        inputs: What the tail is given, which it does not run.
    """
    return {
        name: Layer(copies[node].name, traced.layouts.get(node, Layout("")))
        for node, names in traced.names.items()
        if node in copies and node not in inputs
        for name in names
    }


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
