"""A loss of the task's metric instead of a weight: the price of the rate adapts while a unit is trained.

    price ◄─ price · (wanted / drop)^gain      after each judgement
    loss = price · rate + alpha · task

The constraint of a constrained optimisation, `drop <= wanted` at the least rate, with one multiplier. A drop
is judged on samples that train nothing, because a unit loses less on those that it has seen, and with the
weights that would be kept (averaged ones, where there are any). It is no surer than their number: of 400
samples, one point is four. A proportional part keeps the price from overshooting.
"""

import math
from collections.abc import Mapping

JUDGEMENTS = 24  # in a training
_GAIN, _LAST_GAIN = 0.6, 0.3  # of a judgement's integral part, at the beginning and at the end
_FIRMNESS = 1.0  # of its proportional part
_BEGINNING = 0.2  # of training, in which a drop says more about the training than about the price
_SLACK, _SHARE = 3.0, 0.5  # drop that may be had in the beginning, over the target; until when it is gone
_FLOOR = 0.25  # share of what is wanted below which drops are alike: a few samples, or none


class DropTarget:
    """The price of the rate, over what `rate` says.

    Args:
        wanted: Metric below the frozen network's, such as 0.01.

    Raises:
        ValueError: If it is not between 0 and 1.
    """

    def __init__(self, wanted: float):
        if not isinstance(wanted, (int, float)) or not 0 < wanted < 1:
            raise ValueError(f"target_drop={wanted} must be above 0 and below 1; 0.01 is one point.")
        self.wanted, self._integral, self.price = wanted, 1.0, 1.0

    def update(self, drop: float, progress: float) -> None:
        """After a judgement.

        Args:
            drop: Of the metric, below the frozen network's on the same samples.
            progress: Share of the training that is done.
        """
        if progress < _BEGINNING:
            return
        wanted, floor = self.wanted * _SLACK ** max(0.0, 1.0 - progress / _SHARE), _FLOOR * self.wanted
        excess = max(-1.0, min(1.0, math.log((max(drop, 0.0) + floor) / (wanted + floor))))
        self._integral *= math.exp(-(_GAIN + progress * (_LAST_GAIN - _GAIN)) * excess)
        self.price = self._integral * math.exp(-_FIRMNESS * excess)

    def state(self) -> dict[str, float]:
        """Where it has come to, for a checkpoint."""
        return {"integral": self._integral, "price": self.price}

    def load_state(self, state: Mapping[str, float]) -> None:
        """Go on from what `state` said, perhaps towards another drop."""
        self._integral, self.price = state["integral"], state["price"]
