"""What the tensors of a graph are made of: of the image, or of sizes alone, as the tail can make them again.

    x ──► ones_like ──► mask      becomes      x ──► shape, type, device ──► blank ──► ones_like ──► mask

Masks, position codes and tables follow from a few whole numbers. These cross a cut for nothing, where the
tensors, or whatever they are shaped after, would have to be sent.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx

_aten = torch.ops.aten
_MADE = ("zeros", "ones", "empty", "full")
_SHAPED = ("type_as", "expand_as", "reshape_as", "view_as")
#: Operations, methods by name, with the place of the argument of which they read shape, type or device only.
_LIKE: dict[Any, int] = {
    **{getattr(library, f"{made}_like"): 0 for library in (torch, _aten) for made in _MADE},
    **{getattr(_aten, f"new_{made}"): 0 for made in _MADE},
    **{f"new_{made}": 0 for made in (*_MADE, "tensor")},
    **{getattr(_aten, name): 1 for name in _SHAPED},
    **dict.fromkeys(_SHAPED, 1),
}


def read_as_sizes(graph: fx.Graph) -> None:
    """Let operations that read no number of a tensor have a blank one of its shape, type and device.

    The graph computes what it did, and its text says what of it depends on sizes alone.
    """
    blanks: dict[fx.Node, fx.Node] = {}
    for node in list(graph.nodes):
        place = _LIKE.get(getattr(node.target, "overloadpacket", node.target))
        if place is None or len(node.args) <= place or not isinstance(like := node.args[place], fx.Node):
            continue
        if like not in blanks:
            with graph.inserting_before(node):
                blanks[like] = graph.call_function(blank, (graph.call_function(sizes, (like,)),))
        node.update_arg(place, blanks[like])


def sizes(tensor: Tensor) -> tuple[torch.Size, torch.dtype, torch.device]:
    """What `blank` makes a tensor like this one of."""
    return tensor.shape, tensor.dtype, tensor.device


def blank(like: tuple[Sequence[int], torch.dtype, torch.device]) -> Tensor:
    """A tensor without content, which takes no memory."""
    shape, dtype, device = like
    return torch.zeros((), dtype=dtype, device=device).expand(shape)


def of_image(nodes: Sequence[fx.Node], plain: set[fx.Node]) -> set[fx.Node]:
    """The nodes whose tensors hold anything of the image.

    What an operation in place writes something of the image into holds it as well, and so does whatever
    that is a view of.

    Args:
        nodes: In running order, the image's first.
        plain: Those that give sizes and settings only.
    """
    holding = {nodes[0]}
    while True:
        for node in nodes:
            if node not in plain and holding.intersection(node.all_input_nodes):
                holding.add(node)
        written = {node.args[0] for node in nodes if node in holding and _in_place(node)}
        for node in reversed(nodes):
            if node in written and node not in plain:
                written.update(node.all_input_nodes)
        if written <= holding | plain:
            return holding
        holding |= written - plain  # type: ignore[arg-type]


def _in_place(node: fx.Node) -> bool:
    """Whether an operation writes into its first argument."""
    if isinstance(node.target, torch._ops.OpOverload):
        return node.target._schema.is_mutable
    name = str(getattr(node.target, "__name__", node.target))
    return node.op in ("call_method", "call_function") and name.endswith("_") and not name.endswith("__")
