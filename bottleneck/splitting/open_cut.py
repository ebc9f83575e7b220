"""Cuts that are not closed: a tensor goes through the channel, others reach the tail beside it.

image ──► head ──► [sent | beside] ──► tail ──► output
                     │ channel ▲ │
                     └─────────┘ └──── no channel: head and tail share one machine

Some papers report rates at such a place, such as one branch of several. It can be trained and measured here
to compare with them; it cannot be deployed, because the tail does not run from the payload alone.
"""

import dataclasses
import operator

import torch
from torch import fx

from bottleneck.splitting.adapters import Open
from bottleneck.splitting.graph import evaluating
from bottleneck.splitting.model import SplitModel
from bottleneck.splitting.points import feature_shape, find_node, point_of
from bottleneck.splitting.subgraphs import layers_behind, sizes_of, subgraph
from bottleneck.splitting.tail import Tail
from bottleneck.splitting.traced import TracedNetwork


def split_open(traced: TracedNetwork, at: str) -> SplitModel:
    """Cut a traced network behind a module, whatever else crosses there.

    The head returns all crossing tensors in one, the one that is sent in its first channels.

    Raises:
        ValueError: If the name is unknown, or the tensors differ in height or width.
    """
    node = find_node(traced, at)
    cut = traced.cut(node)
    beside = [tensor for tensor in cut.tensors if tensor is not node]
    tensors = [node, *beside]
    shapes = [feature_shape(traced, tensor) for tensor in tensors]
    if any(shape is None or len(shape) != 3 or shape[1:] != shapes[0][1:] for shape in shapes):  # type: ignore[index]
        crossing = {traced.name(tensor): shape for tensor, shape in zip(tensors, shapes, strict=True)}
        raise ValueError(
            f"split={at!r} cannot be measured with open_cut=true, because the tensors that cross it are no "
            f"maps of one size: {crossing}. Choose a closed cut."
        )
    head_nodes = set(traced.members(cut.before))
    head = _head(traced, tensors)

    tail_nodes = {n for n in traced.nodes if n not in head_nodes or traced.at_hand(n)}
    inputs = {tensor: f"crossing_{number}" for number, tensor in enumerate(tensors)}
    inputs |= {size: size.name for size in cut.sizes}
    graph, copies = subgraph(traced, inputs, traced.output, tail_nodes)
    layers = layers_behind(traced, copies, inputs)
    _take_one(graph, len(tensors), [shape[0] for shape in shapes if shape is not None])
    sizes = sizes_of(traced, cut)
    with evaluating(traced.model), torch.no_grad():
        alone = traced.probe[:1]
        tail = Tail(graph, layers, sizes(traced.probe), sizes(alone), head(alone))
    names = tuple(traced.name(tensor) for tensor in beside)
    point = dataclasses.replace(point_of(traced, cut), beside=names)
    channels = sum(shape[0] for shape in shapes if shape is not None)
    entry = dataclasses.replace(point, shape=(channels, *point.shape[1:]))
    return SplitModel(head, tail, point, sizes, Open(point.shape[0]), entry)


def _head(traced: TracedNetwork, tensors: list[fx.Node]) -> fx.GraphModule:
    """From the image to all tensors, one behind the other along the channels."""
    needed = set(tensors)
    for node in reversed(traced.nodes):
        if node in needed:
            needed.update(node.all_input_nodes)
    graph = fx.Graph()
    copies = {traced.input: graph.placeholder("image")}
    for node in traced.nodes:
        if node in needed and node not in copies:
            copies[node] = graph.node_copy(node, copies.__getitem__)
    graph.output(graph.call_function(torch.cat, ([copies[tensor] for tensor in tensors], 1)))
    return fx.GraphModule(traced.root, graph)


def _take_one(module: fx.GraphModule, count: int, channels: list[int]) -> None:
    """Let a graph take its first `count` inputs as one tensor, one behind the other along the channels."""
    graph: fx.Graph = module.graph
    separate = [node for node in graph.nodes if node.op == "placeholder"][:count]
    with graph.inserting_before(separate[0]):
        feature = graph.placeholder("feature")
    last = [node for node in graph.nodes if node.op == "placeholder"][-1]
    with graph.inserting_after(last):
        parts = graph.call_function(torch.split, (feature, channels, 1))
    for number, node in reversed(list(enumerate(separate))):
        with graph.inserting_after(parts):
            part = graph.call_function(operator.getitem, (parts, number))
        node.replace_all_uses_with(part)
        graph.erase_node(node)
    module.recompile()
