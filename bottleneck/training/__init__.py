"""From an operating point to a trained channel, in plain Python.

`systems.py` is what Lightning trains, `recipe.py` how, `loop.py` the whole way, `schedules.py` the learning
rate on it.
"""

from bottleneck.training.loop import train
from bottleneck.training.recipe import Recipe

__all__ = ["Recipe", "train"]
