"""What any way of seeing a network has to find: its graph, and which module returned which node."""

from collections import defaultdict
from dataclasses import dataclass, field

from torch import fx, nn


@dataclass
class Call:
    """One call of a module.

    Attributes:
        path: The module's path in the network.
        returned: Nodes of the tensors that it returned.
        entry: What went in, where that is one tensor's node.
    """

    path: str
    returned: list[fx.Node]
    entry: fx.Node | None


@dataclass
class Seen:
    """A network as a graph.

    Attributes:
        way: How it was seen: `torch.fx` or `torch.export`.
        root: Holds what the graph's nodes name, shared with the network.
        graph: From one tensor to the network's output.
        calls: Every call of a module that changed something, innermost first.
        kept_whole: Modules that could not be looked into, with the reason.
        fixed_size: Whether the graph is that of the example's height and width only.
    """

    way: str
    root: nn.Module
    graph: fx.Graph
    calls: list[Call]
    kept_whole: dict[str, str] = field(default_factory=dict)
    fixed_size: bool = False

    def names(self, model: nn.Module) -> dict[fx.Node, list[str]]:
        """All names of each node, outermost module first; `name#k` for the k-th call of a module."""
        present = set(self.graph.nodes)
        by_path: dict[str, list[fx.Node]] = defaultdict(list)
        for call in self.calls:
            if len(call.returned) == 1:
                by_path[call.path].append(call.returned[0])
        names: dict[fx.Node, list[str]] = {next(iter(self.graph.nodes)): ["input"]}
        for path, nodes in by_path.items():
            for number, node in enumerate(nodes, start=1):
                name = short_name(model, path)
                names.setdefault(node, []).append(name if len(nodes) == 1 else f"{name}#{number}")
        for aliases in names.values():
            aliases.sort(key=lambda name: name.count("."))
        return {node: aliases for node, aliases in names.items() if node in present}

    def results(self, model: nn.Module) -> dict[str, list[fx.Node]]:
        """What each module returned when it was called last, by its name.

        Modules that are not needed are left out, and so are those that others are named within.
        """
        present = set(self.graph.nodes)
        holders = {prefix.removesuffix(".") for prefix in getattr(model, "transparent_prefixes", ())}
        last = {call.path: call.returned for call in self.calls if call.path not in holders}
        found = {short_name(model, path): nodes for path, nodes in last.items()}
        return {name: nodes for name, nodes in found.items() if nodes and present.issuperset(nodes)}

    def entries(self) -> dict[fx.Node, fx.Node]:
        """What went into the outermost module that returns a node."""
        single = [call for call in self.calls if len(call.returned) == 1 and call.entry is not None]
        return {call.returned[0]: call.entry for call in single if call.entry is not None}


def short_name(model: nn.Module, path: str) -> str:
    """A module's path without the first of the model's prefixes that it begins with."""
    for prefix in getattr(model, "transparent_prefixes", ()):
        if path.startswith(prefix):
            return path.removeprefix(prefix)
    return path


def drop_unused(graph: fx.Graph) -> None:
    """Remove what the output does not need: checks, arguments held at defaults, results that nobody reads."""
    nodes = list(graph.nodes)
    needed = {nodes[-1]}
    for node in reversed(nodes):
        if node in needed:
            needed.update(node.all_input_nodes)
    for node in reversed(nodes[1:]):
        if node not in needed:
            graph.erase_node(node)
