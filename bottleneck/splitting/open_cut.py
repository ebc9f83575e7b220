"""Cuts that are not closed: a tensor goes through the channel, others reach the tail beside it.

image ──► head ──► [sent | beside] ──► tail ──► output
                     │ channel ▲ │
                     └─────────┘ └──── no channel: head and tail share one machine

Some papers report rates at such a place, such as one branch of several. It can be trained and measured here
to compare with them; it cannot be deployed, because the tail does not run from the payload alone.
"""

import dataclasses

from bottleneck.splitting.adapters import Open
from bottleneck.splitting.model import SplitModel, halves, split_traced
from bottleneck.splitting.points import feature_shape, find_node, point_of
from bottleneck.splitting.traced import TracedNetwork


def split_open(traced: TracedNetwork, at: str) -> SplitModel:
    """Cut a traced network behind a module, whatever else crosses there.

    The head returns all crossing tensors in one vector, first the one that is sent.

    Raises:
        ValueError: If the name is unknown, or what crosses is no tensor.
    """
    node = find_node(traced, at)
    cut = traced.cut(node)
    if cut.closed:
        return split_traced(traced, at)
    beside = [tensor for tensor in cut.tensors if tensor is not node]
    cut = dataclasses.replace(cut, tensors=[node, *beside])
    if any(feature_shape(traced, tensor) is None for tensor in cut.tensors):
        crossing = [traced.name(tensor) for tensor in cut.tensors]
        raise ValueError(
            f"split={at!r} cannot be measured with open_cut=true, because not all that crosses it is a "
            f"tensor: {crossing}. Choose a closed cut."
        )
    names = tuple(traced.name(tensor) for tensor in beside)
    point = dataclasses.replace(point_of(traced, cut, [node]), beside=names)
    return halves(traced, cut, point, cut, Open(point.shape))
