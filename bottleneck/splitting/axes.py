"""Which axis of a tensor is which, read off the operations of the graph that make and take it.

A convolution says that its maps are C×H×W, a linear layer or a LayerNorm that channels stand last, a permute
turns one into the other, and what works element by element keeps what comes in. Where nothing of that reaches
a tensor, its shape decides.
"""

import math
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F

from bottleneck.layouts import Layout

_CHW, _HWC = Layout("CHW"), Layout("HWC")
_MAP_MODULES = (
    nn.modules.conv._ConvNd,
    nn.modules.batchnorm._BatchNorm,
    nn.modules.pooling._MaxPoolNd,
    nn.modules.pooling._AvgPoolNd,
    nn.modules.pooling._AdaptiveAvgPoolNd,
    nn.modules.pooling._AdaptiveMaxPoolNd,
    nn.GroupNorm,
    nn.Upsample,
)
_LAST_MODULES = (nn.Linear, nn.LayerNorm)
_aten = torch.ops.aten
_MAP_FUNCTIONS = (
    torch.conv2d,
    F.conv2d,
    F.batch_norm,
    F.group_norm,
    F.interpolate,
    F.max_pool2d,
    F.avg_pool2d,
    _aten.conv2d,
    _aten.convolution,
    _aten.batch_norm,
    _aten.group_norm,
    _aten.max_pool2d,
    _aten.avg_pool2d,
    _aten.adaptive_avg_pool2d,
    _aten.upsample_nearest2d,
    _aten.upsample_bilinear2d,
)
_LAST_FUNCTIONS = (F.linear, F.layer_norm, _aten.linear, _aten.layer_norm)
#: What a permute of a batch's axes turns into what.
_TURNS: dict[tuple[int, ...] | None, tuple[Layout, Layout]] = {
    (0, 2, 3, 1): (_CHW, _HWC),
    (0, 3, 1, 2): (_HWC, _CHW),
}


def layouts_of(
    root: nn.Module, shapes: dict[fx.Node, tuple[int, ...]], input_shape: tuple[int, ...]
) -> dict[fx.Node, Layout]:
    """The layout of every node of a graph that returns one tensor.

    Args:
        root: Whose modules the graph calls.
        shapes: The tensors' shapes, batch included, in the order in which they are computed.
        input_shape: Shape of one sample of the network's input.
    """
    maps = [node for node, shape in shapes.items() if len(shape) == 4]
    known: dict[fx.Node, Layout] = {}
    for node in maps:
        if (own := _stated(root, node)) is not None:
            known[node] = own
            for source in node.all_input_nodes:  # what it takes is laid out as what it makes
                if len(shapes.get(source, ())) == 4:
                    known.setdefault(source, own)
    for order in (maps, maps[::-1]):  # from where it is known to what comes behind, then to what came before
        for node in order:
            _spread(root, node, known, shapes)
    return {node: known.get(node) or layout_of(shape[1:], input_shape) for node, shape in shapes.items()}


def layout_of(shape: tuple[int, ...], input_shape: tuple[int, ...]) -> Layout:
    """The likeliest layout of a shape; a map is channels-last where only so it has the input's aspect."""
    if len(shape) == 3 and len(input_shape) == 3:
        aspect = math.log(input_shape[1] / input_shape[2])
        first = abs(math.log(shape[1] / shape[2]) - aspect)
        last = abs(math.log(shape[0] / shape[1]) - aspect)
        return _HWC if last < first else _CHW
    return Layout({3: "CHW", 2: "LC", 1: "C"}.get(len(shape), f"{len(shape)}-D"))


def _stated(root: nn.Module, node: fx.Node) -> Layout | None:
    """The layout of what a node makes, where its operation says it."""
    if node.op == "call_module":
        module = root.get_submodule(str(node.target))
        if isinstance(module, _MAP_MODULES):
            return _CHW
        return _HWC if isinstance(module, _LAST_MODULES) else None
    if node.op == "call_function":
        operation = _operation(node)
        if operation in _MAP_FUNCTIONS:
            return _CHW
        return _HWC if operation in _LAST_FUNCTIONS else None
    return None


def _spread(
    root: nn.Module, node: fx.Node, known: dict[fx.Node, Layout], shapes: dict[fx.Node, tuple[int, ...]]
) -> None:
    """Let a node and the nodes that it reads know each other's layout."""
    turned = _TURNS.get(_permutation(root, node))
    for source in node.all_input_nodes:
        if turned is not None:
            known.setdefault(source, turned[0])
            known.setdefault(node, turned[1])
        elif shapes.get(source) == shapes[node]:
            if source in known:
                known.setdefault(node, known[source])
            elif node in known:
                known.setdefault(source, known[node])


def _operation(node: fx.Node) -> Any:
    """What a node calls; of an operation of PyTorch's, whatever its arguments' types."""
    return getattr(node.target, "overloadpacket", node.target)


def _permutation(root: nn.Module, node: fx.Node) -> tuple[int, ...] | None:
    """The axes that a permute puts in order, or `None` for any other operation."""
    if node.op == "call_module":
        dims = getattr(root.get_submodule(str(node.target)), "dims", None)  # torchvision's Permute
    elif _operation(node) in ("permute", torch.permute, _aten.permute):
        given = node.args[1:]
        dims = given[0] if len(given) == 1 else given
    else:
        return None
    return tuple(dims) if isinstance(dims, (list, tuple)) and all(isinstance(d, int) for d in dims) else None
