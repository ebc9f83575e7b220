"""The traced graph of a network: what each node is called, what it computes and what it depends on.

    model ──► torch.fx trace ──► run once on an example ──► per node: name, shape, MACs, ancestors

Everything that `points.py` and `model.py` say about a network is read off this one object.
"""

import contextlib
import inspect
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from bottleneck.layouts import Layout
from bottleneck.splitting.axes import layouts_of


class _NamingTracer(fx.Tracer):
    """Trace a model, remembering which module calls returned each node.

    A submodule that cannot be traced (data-dependent control flow), or that the model names in its
    attribute `opaque`, is kept whole, as one opaque node: cuts inside it are not offered, cuts around it are.
    """

    def __init__(self, opaque: Sequence[str] = ()) -> None:
        super().__init__()
        self.opaque = opaque
        self.calls: dict[str, list[fx.Node]] = defaultdict(list)
        self.results: dict[str, list[list[fx.Node]]] = defaultdict(list)
        self.entries: dict[fx.Node, fx.Node] = {}

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        path = self.path_of_module(m)
        try:
            if path in self.opaque:
                output = self.create_proxy("call_module", path, args, kwargs)
            else:
                output = super().call_module(m, forward, args, kwargs)
        except Exception:
            output = self.create_proxy("call_module", path, args, kwargs)
        passed_through = any(output is argument for argument in (*args, *kwargs.values()))
        if isinstance(output, fx.Proxy) and not passed_through:
            self.calls[path].append(output.node)
            if args and isinstance(args[0], fx.Proxy):  # the outermost module comes last
                self.entries[output.node] = args[0].node
        if not passed_through:
            proxies = [value for value in tree_leaves(output) if isinstance(value, fx.Proxy)]
            self.results[path].append([proxy.node for proxy in proxies])
        return output


class _Recorder(fx.Interpreter):
    """Run a graph once, keeping each node's value summary and its multiply-accumulates."""

    def __init__(self, module: nn.Module, graph: fx.Graph) -> None:
        super().__init__(module, graph=graph)
        self.values: dict[fx.Node, Any] = {}
        self.macs: dict[fx.Node, int] = {}
        self.result: Any = None
        self._flops = FlopCounterMode(display=False)

    def record(self, example: Tensor) -> None:
        # PyTorch's fused attention path hides its matrix products from the counter.
        fused_attention = torch.backends.mha.get_fastpath_enabled()
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            with torch.no_grad(), self._flops:
                self.result = self.run(example)
        finally:
            torch.backends.mha.set_fastpath_enabled(fused_attention)

    def run_node(self, n: fx.Node) -> Any:
        before = self._flops.get_total_flops()
        value = super().run_node(n)
        self.macs[n] = (self._flops.get_total_flops() - before) // 2
        self.values[n] = value if is_plain(value) else TensorInfo.of(value)
        return value


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
        held = [leaf.numel() for leaf in tree_leaves(value) if isinstance(leaf, Tensor)]
        return cls(None, None, sum(held) if held else None)


def is_plain(value: Any) -> bool:
    """Whether a value is sizes and settings only, so that the tail can have it without the channel."""
    if isinstance(value, (tuple, list)):
        return all(is_plain(item) for item in value)
    return value is None or isinstance(value, (int, float, str, slice, torch.dtype, torch.device))


@dataclass
class Cut:
    """What a cut behind one node means: the nodes that run on the device, and what crosses to the rest.

    Attributes:
        before: Bit set of the nodes that the head runs.
        tensors: Nodes whose tensors cross. A closed cut has one, the node itself.
        sizes: Nodes whose plain values (batch size, height, width) cross.
    """

    node: fx.Node
    before: int
    tensors: list[fx.Node]
    sizes: list[fx.Node]

    @property
    def closed(self) -> bool:
        return self.tensors == [self.node]


@dataclass
class TracedNetwork:
    """A network's graph with what one run on an example taught about it.

    Attributes:
        model: The network itself; its modules are shared, never copied.
        nodes: The graph's nodes in the order in which they run.
        names: Every name of a node: the outermost module whose output it is first, then its aliases.
        results: The nodes that each module's last call returned, one or several, by the module's name.
        entries: What went into the outermost module that returns a node.
        values: `TensorInfo`, or the plain value, of each node on the example.
        layouts: How to read the axes of each node that returns one tensor.
        macs: Multiply-accumulates of each node on the whole example batch.
        batch: Batch size of the example.
    """

    model: nn.Module
    graph: fx.Graph
    example: Tensor
    nodes: list[fx.Node]
    names: dict[fx.Node, list[str]]
    results: dict[str, list[fx.Node]]
    entries: dict[fx.Node, fx.Node]
    values: dict[fx.Node, Any]
    layouts: dict[fx.Node, Layout]
    macs: dict[fx.Node, int]
    _bit: dict[fx.Node, int] = field(default_factory=dict)
    _ancestors: dict[fx.Node, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for position, node in enumerate(self.nodes):
            self._bit[node] = 1 << position
            self._ancestors[node] = self._bit[node]
            for source in node.all_input_nodes:
                self._ancestors[node] |= self._ancestors[source]

    @property
    def batch(self) -> int:
        return self.example.shape[0]

    @property
    def input(self) -> fx.Node:
        return self.nodes[0]

    @property
    def output(self) -> fx.Node:
        return self.nodes[-1]

    def name(self, node: fx.Node) -> str:
        """The node's split-point name, or the name of the operation where no module returns it."""
        return self.names[node][0] if node in self.names else node.name

    def members(self, bits: int) -> list[fx.Node]:
        """The nodes of a bit set, in running order."""
        return [node for node in self.nodes if self._bit[node] & bits]

    def depends_on_input(self, node: fx.Node) -> bool:
        return bool(self._ancestors[node] & self._bit[self.input])

    def is_size(self, node: fx.Node) -> bool:
        return not isinstance(self.values[node], TensorInfo)

    def cut(self, node: fx.Node, *others: fx.Node) -> Cut:
        """What happens when the network is cut behind `node`, or behind several nodes.

        The head runs their ancestors. Sizes that follow from them belong to the head as well, and
        nodes that do not depend on the input (parameters, constants) are at hand on both sides.
        """
        before = self._ancestors[node]
        for other in others:
            before |= self._ancestors[other]
        for candidate in self.nodes:
            if self.is_size(candidate) and all(self._bit[s] & before for s in candidate.all_input_nodes):
                before |= self._bit[candidate]
        after = self._ancestors[self.output] & ~before
        crossing = [
            source
            for source in self.members(before)
            if self.depends_on_input(source) and any(self._bit[user] & after for user in source.users)
        ]
        sizes = [source for source in crossing if self.is_size(source)]
        tensors = [source for source in crossing if not self.is_size(source)]
        return Cut(node, before, tensors, sizes)

    def sizes_at(self, batch: int) -> dict[fx.Node, Any]:
        """Every plain value of the graph when the example is repeated to `batch` samples."""
        repeated = self.example[:1].expand(batch, *self.example.shape[1:])
        recorder = _Recorder(self.model, self.graph)
        with evaluating(self.model):
            recorder.record(repeated)
        return {node: value for node, value in recorder.values.items() if self.is_size(node)}


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model into eval mode for a while, and every submodule back into its own mode after."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


def trace(model: nn.Module, example: Tensor) -> TracedNetwork:
    """Trace a network and run it once on an example.

    Args:
        model: Any module whose `forward` takes one tensor (further arguments keep their defaults).
            It is left as it was: weights, modes and buffers.
        example: One batch of inputs, first dimension the batch.

    Raises:
        ValueError: If `torch.fx` cannot trace the model's own `forward`; the message has its reason.
    """
    parameters = list(inspect.signature(model.forward).parameters.values())
    defaults = {p.name: p.default for p in parameters[1:] if p.default is not inspect.Parameter.empty}
    tracer = _NamingTracer(getattr(model, "opaque", ()))
    with evaluating(model):
        try:
            graph = tracer.trace(model, concrete_args=defaults or None)
        except Exception as error:
            raise ValueError(
                f"{type(model).__name__} cannot be traced by torch.fx, so it cannot be cut: {error}. "
                "Move the data-dependent part of its forward() into a submodule of its own (it is then kept "
                "whole), mark the function with torch.fx.wrap, or cut a traceable submodule instead."
            ) from error
        _drop_unused(graph)
        recorder = _Recorder(model, graph)
        try:
            recorder.record(example)
            with torch.no_grad():
                expected = model(example)
        except Exception as error:
            raise ValueError(
                f"{type(model).__name__} does not run on an example of shape {tuple(example.shape)}: "
                f"{error}. Give one batch of what its forward() takes; it may take one tensor only."
            ) from error
        if not _equal(recorder.result, expected):
            raise ValueError(
                f"The traced graph of {type(model).__name__} computes something else than the network. A "
                "usual cause is an in-place operation whose result is dropped, as in `self.relu(x)` for "
                "`x = self.relu(x)`; assign the result."
            )

    nodes = list(graph.nodes)
    shapes = {
        node: value.shape
        for node in nodes
        if isinstance(value := recorder.values[node], TensorInfo) and value.shape is not None
    }
    return TracedNetwork(
        model=model,
        graph=graph,
        example=example,
        nodes=nodes,
        names=_names(model, tracer, nodes),
        results=_results(model, tracer, nodes),
        entries=tracer.entries,
        values=recorder.values,
        layouts=layouts_of(model, shapes, tuple(example.shape[1:])),
        macs=recorder.macs,
    )


def _equal(outputs: Any, expected: Any) -> bool:
    """Whether two outputs hold the same tensors, up to rounding."""
    pairs = zip(tree_leaves(outputs), tree_leaves(expected), strict=True)
    return all(
        torch.allclose(ours, theirs, rtol=1e-3, atol=1e-4, equal_nan=True)
        for ours, theirs in pairs
        if isinstance(theirs, Tensor)
    )


def _drop_unused(graph: fx.Graph) -> None:
    """Remove what the output does not need: half-traced submodules, checks, arguments held at defaults."""
    output = next(node for node in graph.nodes if node.op == "output")
    needed = {output}
    for node in reversed(graph.nodes):
        if node in needed:
            needed.update(node.all_input_nodes)
    first_input = next(iter(graph.nodes))
    for node in reversed(graph.nodes):
        if node not in needed and node is not first_input:
            graph.erase_node(node)


def _names(model: nn.Module, tracer: _NamingTracer, nodes: list[fx.Node]) -> dict[fx.Node, list[str]]:
    """All names of each node, outermost module first; `name#k` for the k-th call of a module."""
    names: dict[fx.Node, list[str]] = {nodes[0]: ["input"]}
    for path, results in tracer.calls.items():
        for call, node in enumerate(results, start=1):
            name = _short(model, path)
            names.setdefault(node, []).append(name if len(results) == 1 else f"{name}#{call}")
    for aliases in names.values():
        aliases.sort(key=lambda name: name.count("."))
    present = set(nodes)
    return {node: aliases for node, aliases in names.items() if node in present}


def _results(model: nn.Module, tracer: _NamingTracer, nodes: list[fx.Node]) -> dict[str, list[fx.Node]]:
    """What each module returned when it was called last, by its name.

    Modules that are not needed are left out, and so are those that others are named within.
    """
    present = set(nodes)
    holders = {prefix.removesuffix(".") for prefix in getattr(model, "transparent_prefixes", ())}
    last = {_short(model, path): calls[-1] for path, calls in tracer.results.items() if path not in holders}
    return {name: found for name, found in last.items() if found and present.issuperset(found)}


def _short(model: nn.Module, path: str) -> str:
    """A module's path without the first of the model's prefixes that it begins with."""
    for prefix in getattr(model, "transparent_prefixes", ()):
        if path.startswith(prefix):
            return path.removeprefix(prefix)
    return path
