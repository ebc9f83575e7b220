"""What really has to be sent behind each stage of a network, whether the cut is closed or not.

Behind a stage that others branch off from, its own output is not all that the rest of the network reads: the
tensors that are still alive there have to cross as well.

Source: Matsubara and Levorato, EMDL 2020, arXiv:2007.15818.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import fx

from bottleneck.splitting.points import SplitPoint, feature_shape, parameters_read
from bottleneck.splitting.recording import TensorInfo
from bottleneck.splitting.traced import TracedNetwork


@dataclass(frozen=True)
class Boundary:
    """The place behind one stage.

    Attributes:
        name: The module that has just returned.
        shapes: Shapes of the tensors that it returns, for one sample; none where it returns a structure.
        own_ratio: Numbers that it returns over those of the input.
        live: Names of everything that the rest of the network reads, sizes left out.
        live_ratio: Numbers in these over those of the input: what must really be sent.
        closed: Whether one tensor alone crosses.
        macs: Multiply-accumulates (one sample) before it.
        params: Parameters before it, those of normalisation layers left out.
    """

    name: str
    shapes: tuple[tuple[int, ...], ...]
    own_ratio: float
    live: tuple[str, ...]
    live_ratio: float
    closed: bool
    macs: int
    params: int


def boundaries(traced: TracedNetwork, depth: int = 1) -> list[Boundary]:
    """The boundaries behind a network's stages, in the order in which they return.

    Args:
        traced: The network.
        depth: A module is a stage if its name has at most so many parts: 1 for `layer1`, 2 for `layer1.0`.
    """
    stages = {name: found for name, found in traced.results.items() if name.count(".") < depth}
    order = {node: position for position, node in enumerate(traced.nodes)}
    found: dict[tuple[fx.Node, ...], Boundary] = {}
    returned = {name: max(order[node] for node in nodes) for name, nodes in stages.items()}
    for name in sorted(stages, key=lambda name: (returned[name], name.count("."))):
        nodes = stages[name]
        # Modules that return the same are one stage, that of the outermost; what holds no tensor, such as
        # a size, takes no channel.
        if tuple(nodes) not in found and any(_elements(traced, node) is not None for node in nodes):
            found[tuple(nodes)] = _boundary(traced, name, nodes)
    return list(found.values())


def first_useful(points: Sequence[SplitPoint], ratio: float = 1.0) -> SplitPoint | None:
    """The earliest closed cut behind the input that sends fewer numbers than `ratio` times the input's."""
    return next((point for point in points if point.name != "input" and point.input_ratio < ratio), None)


def _boundary(traced: TracedNetwork, name: str, nodes: list[fx.Node]) -> Boundary:
    cut = traced.cut(*nodes)
    shapes = [feature_shape(traced, node) for node in nodes]
    input_elements = math.prod(traced.probe.shape)
    before = traced.members(cut.before)
    return Boundary(
        name=name,
        shapes=tuple(shape for shape in shapes if shape is not None),
        own_ratio=sum(_elements(traced, node) or 0 for node in nodes) / input_elements,
        live=tuple(traced.name(node) for node in cut.tensors),
        live_ratio=sum(_elements(traced, node) or 0 for node in cut.tensors) / input_elements,
        closed=cut.closed and len(nodes) == 1,
        macs=sum(traced.macs[node] for node in before) // traced.batch,
        params=parameters_read(traced, before, norms=False),
    )


def _elements(traced: TracedNetwork, node: fx.Node) -> int | None:
    value = traced.values[node]
    return value.elements if isinstance(value, TensorInfo) else None
