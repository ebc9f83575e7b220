"""The list of split points: every closed cut of a network, with its size and its share of the work.

A cut is closed when exactly one tensor crosses it (plain sizes may cross as well). Only then can the
tail run on another machine from the payload alone.
"""

import difflib
import math
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn

from bottleneck.layouts import Layout
from bottleneck.splitting.graph import trace
from bottleneck.splitting.recording import TensorInfo
from bottleneck.splitting.seeing import short_name
from bottleneck.splitting.traced import Cut, TracedNetwork


@dataclass(frozen=True)
class SplitPoint:
    """One closed cut.

    Attributes:
        name: The outermost module whose output is cut, or `input`.
        aliases: Other modules that return the very same tensor.
        shape: Shape of the crossing tensor for one sample, without the batch dimension.
        layout: `CHW` and `HWC` for maps, `LC` for token sequences, `C` for vectors, else `<n>-D`.
        nbytes: Bytes of one sample's feature: two for a number in half precision, else four, as in float32.
        input_ratio: Numbers in it over those of one input sample.
        macs, params: Multiply-accumulates (one sample) and parameters before the cut.
        macs_share, params_share: The same as a fraction of the whole network.
        beside: Names of what the tail reads beside this tensor; none at a closed cut.
        seen: How the network was seen: `torch.fx`, or `torch.export` for this height and width only.
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
    seen: str = "torch.fx"

    def __str__(self) -> str:
        shape = "×".join(map(str, self.shape))
        told = f"{self.name} ({shape}, {self.nbytes:,} bytes, {self.macs_share:.1%} of the MACs before it"
        return told + (f"; the tail also reads {', '.join(self.beside)})" if self.beside else ")")

    def __repr__(self) -> str:
        return f"SplitPoint {self}"

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
    params, total_params = parameters_read(traced, before), traced.total_parameters
    return SplitPoint(
        name=traced.name(cut.node),
        aliases=tuple(traced.names[cut.node][1:]),
        shape=shape,
        layout=traced.layouts[cut.node],
        nbytes=_number_bytes(traced, cut.node) * math.prod(shape),
        input_ratio=math.prod(shape) / math.prod(traced.probe.shape[1:]),
        macs=macs // traced.batch,
        params=params,
        macs_share=macs / total_macs if total_macs else 0.0,
        params_share=params / total_params if total_params else 0.0,
        seen=traced.seen,
    )


def closed_cuts(traced: TracedNetwork) -> list[Cut]:
    """Every closed cut behind a named node; the network's own output is left out, as nothing follows it."""
    final = traced.final
    candidates = [node for node in traced.nodes if node in traced.names and node not in final]
    cuts = (traced.cut(node) for node in candidates if feature_shape(traced, node) is not None)
    return [cut for cut in cuts if cut.closed]


def feature_shape(traced: TracedNetwork, node: fx.Node) -> tuple[int, ...] | None:
    """Shape of one sample of a node's output, or `None` where the output is not one tensor."""
    value = traced.values[node]
    return value.shape[1:] if isinstance(value, TensorInfo) and value.shape is not None else None


def _number_bytes(traced: TracedNetwork, node: fx.Node) -> int:
    dtype = traced.values[node].dtype
    return 2 if dtype in (torch.float16, torch.bfloat16) else 4


def find_cut(traced: TracedNetwork, at: str) -> Cut:
    """The closed cut of a name or alias.

    Raises:
        ValueError: If the name is unknown (similar ones are given), or if its cut is not closed (what
            crosses and the nearest closed cuts are given).
    """
    node = find_node(traced, at)
    cut = traced.cut(node)
    if cut.closed and node not in traced.final and feature_shape(traced, node) is not None:
        return cut

    closed = {traced.name(cut.node): cut for cut in closed_cuts(traced)}
    order = {candidate: position for position, candidate in enumerate(traced.nodes)}
    nearest = sorted(closed, key=lambda name: abs(order[closed[name].node] - order[node]))[:4]
    crossing = [traced.name(source) for source in cut.tensors]
    reason = (
        "it is the network's output, so no tail would remain"
        if node in traced.final
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
        for module, reason in traced.kept_whole.items():
            if at.startswith(f"{short_name(traced.model, module)}."):
                raise ValueError(
                    f"split={at!r} lies in {module!r}, which is kept whole because it cannot be traced "
                    f"({reason}). Cut before or behind it."
                )
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
    read: dict[int, int] = {}
    for node in nodes:
        read.update((p.key, p.numbers) for p in traced.parameters[node] if norms or not p.norm)
    return sum(read.values())
