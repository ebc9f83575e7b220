"""The list of split points: the cuts of a network, each with its size and its share of the work.

A cut is closed when exactly one tensor crosses it (plain sizes may cross as well). Where several cross, such
as the skips of a U-Net, they can be sent together: as one vector, or as one map where images may have any
size (`packing.py`). Either way the tail runs on another machine from the payload alone.
"""

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn

from bottleneck.layouts import Layout, Part, apart
from bottleneck.splitting.graph import trace
from bottleneck.splitting.packing import factors_of
from bottleneck.splitting.seeing import short_name
from bottleneck.splitting.traced import Cut, TracedNetwork

#: Tensors that are sent together at most.
MOST_TENSORS = 6


@dataclass(frozen=True)
class SplitPoint:
    """One cut.

    Attributes:
        name: The outermost module whose output is cut, or `input`; several names joined by `+`.
        aliases: Other modules that return the very same tensor.
        shape: Shape of what crosses for one sample, without the batch dimension.
        layout: `CHW` and `HWC` for maps, `LC` for token sequences, `C` for vectors, else `<n>-D`.
        nbytes: Bytes of one sample's feature: two for a number in half precision, else four, as in float32.
        input_ratio: Numbers in it over those of one input sample.
        macs, params: Multiply-accumulates (one sample) and parameters before the cut.
        macs_share, params_share: The same as a fraction of the whole network.
        parts: The tensors that cross together in one vector; none where one crosses, or one map holds all.
        beside: Names of what the tail reads beside what is sent; only open cuts have any.
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
    parts: tuple[Part, ...] = ()
    beside: tuple[str, ...] = ()
    seen: str = "torch.fx"

    def __str__(self) -> str:
        told = f"{self.name} ({self.size}, {self.nbytes:,} bytes, {self.macs_share:.1%} of the MACs before it"
        return told + (f"; the tail also reads {', '.join(self.beside)})" if self.beside else ")")

    def __repr__(self) -> str:
        return f"SplitPoint {self}"

    @property
    def sent(self) -> tuple[Part, ...]:
        """What crosses: one tensor, or several."""
        return self.parts or (Part(self.name, self.shape, self.layout),)

    @property
    def size(self) -> str:
        """The shapes of what crosses as text."""
        return " + ".join("×".join(map(str, part.shape)) for part in self.sent)

    def apart(self, feature: Tensor) -> list[tuple[Tensor, Layout]]:
        """The tensors that a batch of features holds, and their layouts: itself, or several."""
        if not self.parts:
            return [(feature, self.layout)]
        tensors = apart(feature, [part.shape for part in self.parts])
        return [(tensor, part.layout) for tensor, part in zip(tensors, self.parts, strict=True)]

    @property
    def complete(self) -> bool:
        """Whether the tail runs from what is sent alone."""
        return not self.beside


def split_points(model: nn.Module, example: Tensor, tensors: int = 1) -> list[SplitPoint]:
    """List the cuts of a network, in the order in which the network computes them.

    Args:
        model: Any module that takes one tensor.
        example: A batch of its inputs, `(b, ...)`. Shapes and MACs are those of this input size.
        tensors: How many may cross, up to `MOST_TENSORS`; 1: every closed cut, and no other.

    Raises:
        ValueError: If the model cannot be traced, or no such number of tensors can be sent.
    """
    return points_of(trace(model, example), tensors)


def points_of(traced: TracedNetwork, tensors: int = 1) -> list[SplitPoint]:
    """The split points of a network that is traced already; see `split_points`."""
    if not 1 <= tensors <= MOST_TENSORS:
        raise ValueError(f"tensors={tensors} must be from 1, for closed cuts alone, to {MOST_TENSORS}.")
    cuts, seen = [], set()
    for cut in _candidates(traced):
        crossing = frozenset(cut.tensors)
        if crossing not in seen and _refused(traced, cut, tensors) is None:
            seen.add(crossing)  # several modules may return what leaves the same to be sent
            cuts.append(cut)
    return [point_of(traced, cut) for cut in cuts]


def point_of(traced: TracedNetwork, cut: Cut, sent: Sequence[fx.Node] = ()) -> SplitPoint:
    """What is said of one cut.

    Args:
        traced: The network.
        cut: Where.
        sent: What of the cut's tensors is sent, where that is not all.
    """
    before = traced.members(cut.before)
    macs, total_macs = sum(traced.macs[node] for node in before), sum(traced.macs.values())
    params, total_params = parameters_read(traced, before), traced.total_parameters
    first, *others = parts = parts_of(traced, sent or cut.tensors)
    shape, layout = first.shape, first.layout
    numbers = sum(math.prod(part.shape) for part in parts)
    if cut.factors:
        height, width = min(part.shape[1:] for part in parts)
        shape = (numbers // (height * width), height, width)
    elif others:
        shape, layout = (numbers,), Layout("C")
    return SplitPoint(
        name=traced.name(*cut.nodes),
        aliases=() if others else tuple(traced.names[cut.node][1:]),
        shape=shape,
        layout=layout,
        nbytes=_number_bytes(traced, cut.node) * numbers,
        input_ratio=numbers / math.prod(traced.probe.shape[1:]),
        macs=macs // traced.batch,
        params=params,
        macs_share=macs / total_macs if total_macs else 0.0,
        params_share=params / total_params if total_params else 0.0,
        parts=tuple(parts) if others and not cut.factors else (),
        seen=traced.seen,
    )


def parts_of(traced: TracedNetwork, tensors: Sequence[fx.Node]) -> list[Part]:
    """Name, shape and layout of nodes that give one tensor each."""
    parts = []
    for node in tensors:
        shape = feature_shape(traced, node)
        assert shape is not None, "only tensors are sent"
        parts.append(Part(traced.name(node), shape, traced.layouts[node]))
    return parts


def closed_cuts(traced: TracedNetwork) -> list[Cut]:
    """Every closed cut behind a named node."""
    return [cut for cut in _candidates(traced) if cut.closed]


def _candidates(traced: TracedNetwork) -> list[Cut]:
    """The cuts behind every named node; the network's own output is left out, as nothing follows it."""
    named = [node for node in traced.nodes if node in traced.names and node not in traced.final]
    return [_cut(traced, node) for node in named if feature_shape(traced, node) is not None]


def _cut(traced: TracedNetwork, *nodes: fx.Node) -> Cut:
    """The cut behind nodes; what several cross as, too, where images may have any size."""
    cut = traced.cut(*nodes)
    maps = [feature_shape(traced, node) for node in cut.tensors if traced.layouts.get(node) == "CHW"]
    sizes = [shape[1:] for shape in maps if shape is not None]
    several = len(cut.tensors) == len(sizes) > 1
    # A map of 1×1 may be a mean of all places, which is as large whatever the image is.
    if several and min(map(min, sizes)) > 1 and _any_size(traced, cut):
        cut.factors = factors_of(sizes) or ()
    return cut


def _any_size(traced: TracedNetwork, cut: Cut) -> bool:
    """Whether the sizes of images cross, so that these may have any."""
    return any(hasattr(traced.values[size], "_fields") for size in cut.sizes)


def _refused(traced: TracedNetwork, cut: Cut, tensors: int = MOST_TENSORS) -> str | None:
    """Why a cut cannot be sent as at most so many tensors, or `None`."""
    if traced.final.intersection(cut.nodes):
        return "it is the network's output, so no tail would remain"
    if cut.closed and feature_shape(traced, cut.node) is not None:
        return None
    told = f"these tensors cross it: {[traced.name(source) for source in cut.tensors]}"
    values = [traced.values[source] for source in cut.tensors]
    if other := [traced.name(source) for source in cut.tensors if feature_shape(traced, source) is None]:
        return f"{told}, and {other} are no tensors of real numbers with a row for each sample"
    if not 1 < len(values) <= tensors:
        return told
    if len(cut.nodes) > 1 and set(cut.nodes) != set(cut.tensors):
        return f"{told}, and these are what to name, or the last module alone"
    if len({value.dtype for value in values}) > 1 or not values[0].dtype.is_floating_point:
        return f"{told}, of types {[str(value.dtype) for value in values]}, and one vector has one type"
    if not _any_size(traced, cut):
        return None
    if not cut.factors:
        shapes = [tuple(value.shape[1:]) for value in values]
        return (
            f"{told}, of shapes {shapes}, and where images may have any size several cross only if they are "
            "maps, each a whole number of times as fine as the smallest, and that larger than 1×1"
        )
    if fixed := [traced.name(size) for size in cut.sizes if not hasattr(traced.values[size], "_fields")]:
        return f"{told}, with {fixed}, which are sizes of this image only"
    return None


def feature_shape(traced: TracedNetwork, node: fx.Node) -> tuple[int, ...] | None:
    """Shape of one sample of a node's output, or `None` where it is not one tensor with a row for each."""
    found: tuple[int, ...] | None = traced.values[node].shape[1:] if node in traced.by_sample else None
    return found


def _number_bytes(traced: TracedNetwork, node: fx.Node) -> int:
    dtype = traced.values[node].dtype
    return 2 if dtype in (torch.float16, torch.bfloat16) else 4


def find_cut(traced: TracedNetwork, at: str | Sequence[str], tensors: int = MOST_TENSORS) -> Cut:
    """The cut of a name or alias, or behind several.

    Args:
        traced: The network.
        at: A name; several, also in one text with `+` between them.
        tensors: How many may cross.

    Raises:
        ValueError: If a name is unknown (similar ones are given), or if its cut cannot be sent (what crosses
            and the nearest closed cuts are given).
    """
    names = at.split("+") if isinstance(at, str) else list(at)
    cut = _cut(traced, *dict.fromkeys(find_node(traced, name) for name in names))
    if (reason := _refused(traced, cut, tensors)) is None:
        return cut

    closed = {traced.name(cut.node): cut for cut in closed_cuts(traced)}
    order = {candidate: position for position, candidate in enumerate(traced.nodes)}
    nearest = sorted(closed, key=lambda name: abs(order[closed[name].node] - order[cut.node]))[:4]
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
