"""A frozen tail that computes the same at less cost, for training through it.

    zero padding ─► convolution ─► BatchNorm    becomes    one convolution
    weights channels last in memory, and with them all maps: what a CPU's kernels are quickest on

Equal but for rounding. Measuring and deploying stay with the tail as it is.
"""

import copy
from collections.abc import Collection
from operator import attrgetter
from typing import Any

import torch
from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from bottleneck.splitting.tail import Tail


def folded(tail: Tail, watched: Collection[str] = ()) -> Tail:
    """A copy of a frozen tail with paddings and BatchNorms folded into convolutions.

    Args:
        tail: Frozen, in eval mode.
        watched: Modules behind the cut whose outputs will be asked for; others may be gone from it.
    """
    found = copy.deepcopy(tail)
    watched_nodes = {found.layers[name].node for name in watched if name in found.layers}
    for node in list(found.graph.graph.nodes):
        norm = _module(found.graph, node, nn.BatchNorm2d)
        if norm is not None and norm.running_mean is not None:
            _fold(found.graph, node, norm, watched_nodes)
    found.graph.delete_all_unused_submodules()
    found.graph.recompile()
    left = {node.name for node in found.graph.graph.nodes}
    found.layers = {name: layer for name, layer in found.layers.items() if layer.node in left}
    return found.to(memory_format=torch.channels_last)


def _fold(module: fx.GraphModule, node: fx.Node, norm: nn.BatchNorm2d, watched: set[str]) -> None:
    """Let a BatchNorm's node do what it and the convolution before it do, if nobody else sees between."""

    def unseen(between: fx.Node) -> bool:
        return len(between.users) == 1 and between.name not in watched

    (before,) = node.all_input_nodes
    arguments = _convolution(module, before)
    if arguments is None or not unseen(before):
        return
    image, weight, bias, stride, padding, *rest = arguments
    gone = [before]
    zeros = _module(module, image, nn.ZeroPad2d)
    if zeros is not None and unseen(image) and padding in (0, (0, 0)):
        left, right, top, bottom = zeros.padding
        if (left, top) == (right, bottom):
            image, padding, gone = image.args[0], (top, left), [before, image]
    statistics: Any = (norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias)
    values = fuse_conv_bn_weights(weight, bias, *statistics)
    with module.graph.inserting_before(node):
        for name, value in zip(("weight", "bias"), values, strict=True):
            module.register_parameter(f"{node.name}_{name}", value)
        held = [module.graph.get_attr(f"{node.name}_{name}") for name in ("weight", "bias")]
    node.op, node.target = "call_function", torch.conv2d
    node.args = (image, *held, stride, padding, *rest)
    for unused in gone:
        module.graph.erase_node(unused)


def _module(module: fx.GraphModule, node: fx.Node, kind: type[nn.Module]) -> Any:
    """The module that a node calls, if it is one of this kind."""
    called = module.get_submodule(str(node.target)) if node.op == "call_module" else None
    return called if type(called) is kind else None


def _convolution(module: fx.GraphModule, node: fx.Node) -> tuple[Any, ...] | None:
    """The arguments of `torch.conv2d` of a node that does what it does: a module, or the function itself."""
    if (layer := _module(module, node, nn.Conv2d)) is not None:
        if layer.padding_mode != "zeros":
            return None
        geometry = layer.stride, layer.padding, layer.dilation, layer.groups
        return node.args[0], layer.weight, layer.bias, *geometry
    if node.target is not torch.conv2d or node.kwargs or len(node.args) != 7:
        return None
    weights: list[Any] = []
    for held in node.args[1:3]:
        if isinstance(held, fx.Node) and held.op != "get_attr":
            return None  # computed anew in each run
        weights.append(attrgetter(str(held.target))(module) if isinstance(held, fx.Node) else None)
    return node.args[0], *weights, *node.args[3:]
