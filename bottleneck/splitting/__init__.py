"""Closed cuts of a network, and the two halves of one.

`points.py` lists the cuts, `boundaries.py` what really has to be sent behind each stage, `model.py` makes
head and tail, all from the graph of `graph.py`.
"""

from bottleneck.splitting.boundaries import Boundary, boundaries, first_useful
from bottleneck.splitting.model import SplitModel, Tail, split
from bottleneck.splitting.points import SplitPoint, split_points

__all__ = [
    "Boundary",
    "SplitModel",
    "SplitPoint",
    "Tail",
    "boundaries",
    "first_useful",
    "split",
    "split_points",
]
