"""The list of split points: every closed cut of a network, with its size and its share of the work.

A cut is closed when exactly one tensor crosses it (plain sizes may cross as well). Only then can the
tail run on another machine from the payload alone.
"""

import difflib
import math
from dataclasses import dataclass

from torch import Tensor, fx, nn

from bottleneck.layouts import Layout
from bottleneck.splitting.graph import Cut, TensorInfo, TracedNetwork, trace

_NORMS = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm)


@dataclass(frozen=True)
class SplitPoint:
    """One closed cut.

    Attributes:
        name: The outermost module whose output is cut, or `input`.
        aliases: Other modules that return the very same tensor.
        shape: Shape of the crossing tensor for one sample, without the batch dimension.
        layout: `CHW` and `HWC` for maps, `LC` for token sequences, `C` for vectors, else `<n>-D`.
        nbytes: Bytes of one sample's feature in float32.
        input_ratio: `nbytes` over the float32 bytes of one input sample.
        macs, params: Multiply-accumulates (one sample) and parameters before the cut.
        macs_share, params_share: The same as a fraction of the whole network.
        beside: Names of what the tail reads beside this tensor; none at a closed cut.
    """

    name: str
    aliases: tuple[str, ...]
    shape: tuple[int, ...]
    layout: Layout
    nbytes: int
    input_ratio: float
    macs: int
    params: int
    macs_share: float
    params_share: float
    beside: tuple[str, ...] = ()

    @property
    def closed(self) -> bool:
        """Whether the tail runs from this tensor alone."""
        return not self.beside


def split_points(model: nn.Module, example: Tensor) -> list[SplitPoint]:
    """List every closed cut of a network, in the order in which the network computes them.

    Args:
        model: Any module that takes one tensor.
        example: A batch of its inputs, `(b, ...)`. Shapes and MACs are those of this input size.

    Raises:
        ValueError: If the model cannot be traced.
    """
    return points_of(trace(model, example))


def points_of(traced: TracedNetwork) -> list[SplitPoint]:
    """The split points of a network that is traced already."""
    return [point_of(traced, cut) for cut in closed_cuts(traced)]


def point_of(traced: TracedNetwork, cut: Cut) -> SplitPoint:
    """What is said of one closed cut."""
    shape = feature_shape(traced, cut.node)
    assert shape is not None, "closed cuts send one tensor"
    before = traced.members(cut.before)
    macs, total_macs = sum(traced.macs[node] for node in before), sum(traced.macs.values())
    params, total_params = parameters_read(traced, before), parameters_read(traced, traced.nodes)
    return SplitPoint(
        name=traced.name(cut.node),
        aliases=tuple(traced.names[cut.node][1:]),
        shape=shape,
        layout=traced.layouts[cut.node],
        nbytes=4 * math.prod(shape),
        input_ratio=math.prod(shape) / math.prod(traced.example.shape[1:]),
        macs=macs // traced.batch,
        params=params,
        macs_share=macs / total_macs if total_macs else 0.0,
        params_share=params / total_params if total_params else 0.0,
    )


def closed_cuts(traced: TracedNetwork) -> list[Cut]:
    """Every closed cut behind a named node; the network's own output is left out, as nothing follows it."""
    final = set(traced.output.all_input_nodes)
    candidates = [node for node in traced.nodes if node in traced.names and node not in final]
    cuts = (traced.cut(node) for node in candidates if feature_shape(traced, node) is not None)
    return [cut for cut in cuts if cut.closed]


def feature_shape(traced: TracedNetwork, node: fx.Node) -> tuple[int, ...] | None:
    """Shape of one sample of a node's output, or `None` where the output is not one tensor."""
    value = traced.values[node]
    return value.shape[1:] if isinstance(value, TensorInfo) and value.shape is not None else None


def find_cut(traced: TracedNetwork, at: str) -> Cut:
    """The closed cut of a name or alias.

    Raises:
        ValueError: If the name is unknown (similar ones are given), or if its cut is not closed (what
            crosses and the nearest closed cuts are given).
    """
    node = find_node(traced, at)
    closed = {traced.name(cut.node): cut for cut in closed_cuts(traced)}
    if traced.name(node) in closed:
        return closed[traced.name(node)]

    order = {candidate: position for position, candidate in enumerate(traced.nodes)}
    nearest = sorted(closed, key=lambda name: abs(order[closed[name].node] - order[node]))[:4]
    crossing = [traced.name(source) for source in traced.cut(node).tensors]
    reason = (
        "it is the network's output, so no tail would remain"
        if node in traced.output.all_input_nodes
        else f"these tensors cross it: {crossing}"
    )
    raise ValueError(f"split={at!r} is not a closed cut: {reason}. Nearest closed cuts: {nearest}.")


def find_node(traced: TracedNetwork, at: str) -> fx.Node:
    """The node of a name or alias.

    Raises:
        ValueError: If the name is unknown; similar ones are given.
    """
    nodes = {name: node for node, names in traced.names.items() for name in names}
    if at not in nodes:
        similar = difflib.get_close_matches(at, [name for name in nodes if "#" not in name], n=5, cutoff=0.3)
        closed = [traced.name(cut.node) for cut in closed_cuts(traced)]
        raise ValueError(
            f"split={at!r} is no split point of this network. Similar names: {similar or closed[:5]}. "
            "`bottleneck.split_points(model, example)` lists all of them."
        )
    return nodes[at]


def parameters_read(traced: TracedNetwork, nodes: list[fx.Node], norms: bool = True) -> int:
    """Parameters that the given nodes read, each counted once.

    Args:
        traced: The network.
        nodes: Some of its nodes.
        norms: Whether those of normalisation layers count.
    """
    parameters: dict[int, int] = {}
    for node in nodes:
        if node.op == "call_module":
            modules = traced.model.get_submodule(str(node.target)).modules()
            counted = [m for m in modules if norms or not isinstance(m, _NORMS)]
            found = [parameter for module in counted for parameter in module.parameters(recurse=False)]
        elif node.op == "get_attr":
            owner, _, leaf = str(node.target).rpartition(".")
            value = getattr(traced.model.get_submodule(owner), leaf)
            found = [value] if isinstance(value, nn.Parameter) else []
        else:
            found = []
        parameters.update((id(parameter), parameter.numel()) for parameter in found)
    return sum(parameters.values())
