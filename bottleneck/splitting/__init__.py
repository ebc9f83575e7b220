"""Closed cuts of a network, and the two halves of one.

`points.py` lists the cuts, `model.py` makes head and tail, both from the graph of `graph.py`.
"""

from bottleneck.splitting.model import SplitModel, Tail, split
from bottleneck.splitting.points import SplitPoint, split_points

__all__ = ["SplitModel", "SplitPoint", "Tail", "split", "split_points"]
