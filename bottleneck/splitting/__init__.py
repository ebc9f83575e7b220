"""Closed cuts of a network, and the two halves of one.

`points.py` lists the cuts, `boundaries.py` what really has to be sent behind each stage, `model.py` makes
head and tail, all from the graph that `graph.py` makes, by `symbolic.py` or by `exported.py`. `open_cut.py`
is for cuts that papers measured and nobody can deploy; `adapters.py` is what its halves, and those around a
replaced module, need to fit a channel.
"""

from bottleneck.splitting.adapters import Direct
from bottleneck.splitting.boundaries import Boundary, boundaries, first_useful
from bottleneck.splitting.graph import trace
from bottleneck.splitting.model import SplitModel, Tail, split
from bottleneck.splitting.open_cut import split_open
from bottleneck.splitting.points import SplitPoint, split_points

__all__ = [
    "Boundary",
    "Direct",
    "SplitModel",
    "SplitPoint",
    "Tail",
    "boundaries",
    "first_useful",
    "split",
    "split_open",
    "split_points",
    "trace",
]
