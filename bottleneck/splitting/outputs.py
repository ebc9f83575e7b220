"""What a network returns: the tensors in it, and the types that hold them.

ImageClassifierOutput(logits=…) ──► tensors  [logits]            what is compared, and what a graph computes
                               └──► outline  the type, its fields ──► call in a graph that makes it again
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils._pytree import tree_leaves

_PLAIN = (int, float, complex, str, bytes, torch.dtype, torch.device, torch.Size, slice, type(None))


@dataclasses.dataclass(frozen=True)
class Held:
    """The place of a tensor in an outline."""

    index: int


@dataclasses.dataclass(frozen=True)
class Typed:
    """A dataclass, or a subclass of `dict`, in an outline.

    Attributes:
        kind: The class.
        parts: Outlines by field or key.
    """

    kind: type
    parts: dict[Any, Any]


def outline(value: Any, tensors: list[Tensor]) -> Any:
    """Take a value apart: its tensors go to `tensors`, and `Held` in their places.

    Raises:
        TypeError: If it holds an object that may hide tensors.
    """
    if isinstance(value, Tensor):
        tensors.append(value)
        return Held(len(tensors) - 1)
    if (parts := typed_parts(value)) is not None:
        return Typed(type(value), {key: outline(part, tensors) for key, part in parts.items()})
    if isinstance(value, dict):
        return {key: outline(part, tensors) for key, part in value.items()}
    if isinstance(value, (tuple, list)):
        items = [outline(part, tensors) for part in value]
        return type(value)(*items) if hasattr(value, "_make") else type(value)(items)
    if isinstance(value, _PLAIN):
        return value
    raise TypeError(f"it returns a {type(value).__name__}, of which nobody knows what tensors it holds")


def typed_parts(value: Any) -> dict[Any, Any] | None:
    """The fields of a dataclass, or the entries of a subclass of `dict`; `None` for everything else."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.init}
    return dict(value) if isinstance(value, dict) and type(value) is not dict else None


def typed_call(kind: type, parts: dict[Any, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments with which a class makes an object of its parts."""
    if dataclasses.is_dataclass(kind):
        return (), parts
    return (list(parts.items()),), {}


def arguments(graph: fx.Graph, outlined: Any, nodes: Sequence[fx.Node]) -> Any:
    """What a graph returns to make a value of its tensors' nodes again, types included."""
    if isinstance(outlined, Held):
        return nodes[outlined.index]
    if isinstance(outlined, Typed):
        parts = {key: arguments(graph, part, nodes) for key, part in outlined.parts.items()}
        return graph.call_function(outlined.kind, *typed_call(outlined.kind, parts))
    if isinstance(outlined, dict):
        return {key: arguments(graph, part, nodes) for key, part in outlined.items()}
    if isinstance(outlined, (tuple, list)):
        items = [arguments(graph, part, nodes) for part in outlined]
        return type(outlined)(*items) if hasattr(outlined, "_make") else type(outlined)(items)
    return outlined


def makes_output(node: fx.Node) -> bool:
    """Whether a node only puts tensors together, as `arguments` writes it."""
    return node.op == "output" or (node.op == "call_function" and isinstance(node.target, type))


def tensors_in(value: Any) -> list[Tensor]:
    """The tensors in a value, in their order; what else it holds is passed over."""
    found: list[Tensor] = []
    try:
        outline(value, found)
    except TypeError:
        return [leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor)]
    return found
