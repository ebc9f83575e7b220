"""A network's graph with what one run of it taught: names, shapes, work, and what a cut means."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from torch import Tensor, fx, nn

from bottleneck.layouts import Layout
from bottleneck.splitting.origins import of_image
from bottleneck.splitting.outputs import makes_output
from bottleneck.splitting.recording import TensorInfo

_NORMS = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm)


@dataclass
class Cut:
    """What a cut behind one or several nodes means: what runs on the device, and what crosses to the rest.

    Attributes:
        nodes: Behind which it lies, in running order.
        before: Bit set of the nodes that the head runs.
        tensors: Nodes whose tensors cross. A closed cut has one, the node itself.
        sizes: Nodes whose plain values (batch size, height, width) cross.
        factors: How many times as fine as the smallest each tensor is, where they cross as one map
            (`packing.py`); empty where one crosses, or several in a vector.
    """

    nodes: list[fx.Node]
    before: int
    tensors: list[fx.Node]
    sizes: list[fx.Node]
    factors: tuple[int, ...] = ()

    @property
    def closed(self) -> bool:
        return len(self.nodes) == 1 and self.tensors == self.nodes

    @property
    def node(self) -> fx.Node:
        """The last of the nodes."""
        return self.nodes[-1]


class Read(NamedTuple):
    """A parameter that a node reads: its identity, its numbers, and whether it belongs to a normalisation."""

    key: int
    numbers: int
    norm: bool


class _About(NamedTuple):
    """What `TracedNetwork.cut` asks of a node: its place, sources and readers as bit sets, and its nature.

    Attributes:
        measured: Whether it is a size, or a tensor that is read for its sizes alone.
    """

    node: fx.Node
    bit: int
    sources: int
    users: int
    size: bool
    measured: bool
    at_hand: bool


@dataclass
class TracedNetwork:
    """A network's graph with what one run on two samples taught about it.

    Attributes:
        model: The network itself; its modules are shared, never copied.
        root: Where the graph's modules, parameters and buffers are: the model, or a holder of what is its.
        graph: From one tensor to the network's output.
        seen: How the graph was found: `torch.fx` or `torch.export`.
        kept_whole: Modules that could not be looked into, with the reason.
        fixed_size: Whether the graph is that of this height and width only.
        probe: The samples, the user's first and a random one.
        nodes: The graph's nodes in the order in which they run.
        names: Every name of a node: the outermost module whose output it is first, then its aliases.
        results: The nodes that each module's last call returned, one or several, by the module's name.
        entries: What went into the outermost module that returns a node.
        values: `TensorInfo`, or the plain value, of each node on the samples.
        by_sample: The nodes that return one tensor with a row for each sample: what can be sent.
        layouts: How to read the axes of each node that returns one tensor.
        macs: Multiply-accumulates of each node on all samples.
        batch: Number of samples.
    """

    model: nn.Module
    root: nn.Module
    graph: fx.Graph
    seen: str
    kept_whole: dict[str, str]
    fixed_size: bool
    probe: Tensor
    nodes: list[fx.Node]
    names: dict[fx.Node, list[str]]
    results: dict[str, list[fx.Node]]
    entries: dict[fx.Node, fx.Node]
    values: dict[fx.Node, Any]
    by_sample: set[fx.Node]
    layouts: dict[fx.Node, Layout]
    macs: dict[fx.Node, int]
    _bit: dict[fx.Node, int] = field(default_factory=dict)
    _ancestors: dict[fx.Node, int] = field(default_factory=dict)
    _of_image: set[fx.Node] = field(default_factory=set)
    _about: list[_About] = field(default_factory=list)

    def __post_init__(self) -> None:
        for position, node in enumerate(self.nodes):
            self._bit[node] = 1 << position
            self._ancestors[node] = self._bit[node]
            for source in node.all_input_nodes:
                self._ancestors[node] |= self._ancestors[source]
        plain = {node for node in self.nodes if self.is_size(node)}
        self._of_image = of_image(self.nodes, plain)
        measured = set(plain)
        for node in reversed(self.nodes):
            if node.users and measured.issuperset(node.users):
                measured.add(node)
        for node in self.nodes:
            sources = sum(self._bit[source] for source in node.all_input_nodes)
            users = sum(self._bit[user] for user in node.users)
            nature = node in plain, node in measured, self.at_hand(node)
            self._about.append(_About(node, self._bit[node], sources, users, *nature))

    @cached_property
    def parameters(self) -> dict[fx.Node, list[Read]]:
        """The parameters that each node reads."""
        norms = [m for m in self.model.modules() if isinstance(m, _NORMS)]
        of_norms = {id(p) for module in norms for p in module.parameters(recurse=False)}
        found = {}
        for node in self.nodes:
            held: Any = None
            if node.op in ("call_module", "get_attr"):
                owner, _, leaf = str(node.target).rpartition(".")
                held = getattr(self.root.get_submodule(owner), leaf)
            parameters = held.parameters() if isinstance(held, nn.Module) else [held]
            read = [p for p in parameters if isinstance(p, nn.Parameter)]
            found[node] = [Read(id(p), p.numel(), id(p) in of_norms) for p in read]
        return found

    @cached_property
    def total_parameters(self) -> int:
        """Parameters of the whole network that its output needs."""
        return sum({read.key: read.numbers for reads in self.parameters.values() for read in reads}.values())

    @property
    def batch(self) -> int:
        return self.probe.shape[0]

    @property
    def input(self) -> fx.Node:
        return self.nodes[0]

    @property
    def output(self) -> fx.Node:
        return self.nodes[-1]

    @property
    def final(self) -> set[fx.Node]:
        """The nodes of the tensors that the network returns, whatever holds them."""
        found: set[fx.Node] = set()
        look = [self.output]
        while look:
            for source in look.pop().all_input_nodes:
                (look.append if makes_output(source) else found.add)(source)
        return found

    def name(self, *nodes: fx.Node) -> str:
        """The node's split-point name, or the name of the operation where no module returns it.

        Names of several nodes are joined by a plus sign.
        """
        return "+".join(self.names[node][0] if node in self.names else node.name for node in nodes)

    def members(self, bits: int) -> list[fx.Node]:
        """The nodes of a bit set, in running order."""
        return [node for node in self.nodes if self._bit[node] & bits]

    def depends_on_input(self, node: fx.Node) -> bool:
        return bool(self._ancestors[node] & self._bit[self.input])

    def is_size(self, node: fx.Node) -> bool:
        return not isinstance(self.values[node], TensorInfo)

    def at_hand(self, node: fx.Node) -> bool:
        """Whether a tensor holds nothing of the image: parameters, constants, what is made of sizes alone."""
        if not self.depends_on_input(node):
            return True
        return not self.is_size(node) and node not in self._of_image

    def cut(self, node: fx.Node, *others: fx.Node) -> Cut:
        """What happens when the network is cut behind `node`, or behind several nodes.

        The head runs their ancestors. Sizes that follow from them belong to the head as well, but those of
        what is cut, which the tail sees. Nodes that hold nothing of the image are at hand on both sides;
        where they are made of sizes, these cross.
        """
        before = self._ancestors[node]
        for other in others:
            before |= self._ancestors[other]
        nodes = sorted((node, *others), key=self._bit.__getitem__)
        seen = sum(self._bit[node] for node in nodes if node is not self.input)
        for about in self._about:
            if about.measured and not about.sources & (seen | ~before):
                before |= about.bit
        after = self._ancestors[self.output] & ~before
        for about in reversed(self._about):
            if about.at_hand and about.users & after:
                after |= about.bit
        crossing = [
            about for about in self._about if about.bit & before and not about.at_hand and about.users & after
        ]
        sizes = [about.node for about in crossing if about.size]
        tensors = [about.node for about in crossing if not about.size]
        return Cut(nodes, before, tensors, sizes)
