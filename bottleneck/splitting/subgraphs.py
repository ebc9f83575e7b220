"""Parts of a network's graph as modules, and what has to be known to run them."""

import operator
from collections.abc import Container

from torch import fx, nn

from bottleneck.layouts import Layout, apart, together
from bottleneck.splitting.packing import packed, unpacked
from bottleneck.splitting.tail import Layer
from bottleneck.splitting.traced import Cut, TracedNetwork


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
    return fx.GraphModule(traced.root, graph), copies


def head_of(traced: TracedNetwork, cut: Cut) -> fx.GraphModule:
    """The module from the image to a cut's tensor, or to several in one vector, or in one map."""
    nodes, image = set(traced.nodes), {traced.input: "image"}
    if len(cut.tensors) == 1:
        return subgraph(traced, image, cut.tensors[0], nodes)[0]
    module, copies = subgraph(traced, image, {node.name: node for node in cut.tensors}, nodes)
    (output,) = (node for node in module.graph.nodes if node.op == "output")
    separate = [copies[node] for node in cut.tensors]
    with module.graph.inserting_before(output):
        if cut.factors:
            feature = module.graph.call_function(packed, (separate, cut.factors))
        else:
            feature = module.graph.call_function(together, (separate,))
    output.args = (feature,)
    module.recompile()
    return module


def tail_of(traced: TracedNetwork, cut: Cut) -> tuple[fx.GraphModule, dict[str, Layer]]:
    """The module from what `head_of` gives for a cut's tensors to the network's output, and its layers."""
    before = set(traced.members(cut.before))
    after = {node for node in traced.nodes if node not in before or traced.at_hand(node)}
    names = {node: "feature" if len(cut.tensors) == 1 else f"{node.name}_sent" for node in cut.tensors}
    inputs = names | {node: node.name for node in cut.sizes}
    module, copies = subgraph(traced, inputs, traced.output, after)
    layers = layers_behind(traced, copies, inputs)
    if len(cut.tensors) > 1:
        separate = [copies[node] for node in cut.tensors]
        with module.graph.inserting_before(separate[0]):
            feature = module.graph.placeholder("feature")
        last = [node for node in module.graph.nodes if node.op == "placeholder"][-1]
        shapes = [traced.values[node].shape[1:] for node in cut.tensors]
        with module.graph.inserting_after(last):
            if cut.factors:
                channels = [shape[0] for shape in shapes]
                parts = module.graph.call_function(unpacked, (feature, channels, cut.factors))
            else:
                parts = module.graph.call_function(apart, (feature, shapes))
        for number, node in enumerate(separate):
            with module.graph.inserting_after(parts):
                part = module.graph.call_function(operator.getitem, (parts, number))
            node.replace_all_uses_with(part)
            module.graph.erase_node(node)
        module.recompile()
    return module, layers


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


def sizes_of(traced: TracedNetwork, cut: Cut) -> nn.Module:
    """The module that takes the plain values which cross a cut from an image, by name."""
    before = set(traced.members(cut.before))
    return subgraph(traced, {traced.input: "image"}, {node.name: node for node in cut.sizes}, before)[0]
