"""A number of bytes instead of a weight: the price of the rate adapts while a unit is trained.

    price ◄─ price · exp(gain · (bytes / wanted - 1))      after each step; it settles where bytes are wanted
    loss = price · bytes + alpha · task

A proportional part keeps the price from overshooting. What is wanted begins higher and comes down over the
first half of training, so that a unit is not silenced before it has learned what to say. A stage before may
spend less than it may for long; how far the price sinks there says nothing of where it has to be.

A step sees mixed views of training images and bits, and other weights than those that are kept. What images
really take is weighed now and then, and what the steps say is corrected by it.
"""

import math
from collections.abc import Mapping

_GAIN, _FIRMNESS = 0.008, 3.0  # of a step: the integral and the proportional part
_TURNS = 16.0  # what the gains of all steps add up to at least
_JUMP = 0.2  # of training: no step goes so far
_SLACK = 1.5  # bytes that may be spent in the beginning, over the target
_SHARE = 0.5  # of training, after which the target is meant


class ByteTarget:
    """The price of a byte.

    Args:
        wanted: Bytes per sample.
        price: Where it begins; ten times too much is harmless.
        headroom: How many times as many are steered towards (`OperatingPoint.headroom`).

    Raises:
        ValueError: If the target is less than the shortest payload, a byte, or the price is not positive.
    """

    def __init__(self, wanted: float, price: float = 1e-3, headroom: float = 1.0):
        if not isinstance(wanted, (int, float)) or not 1 <= wanted < math.inf:
            raise ValueError(f"target_bytes={wanted} must be finite and at least 1: a payload has a byte.")
        if not price > 0:
            raise ValueError(f"the price={price} of a byte must be positive.")
        self.wanted, self._begin, self._integral, self.price = headroom * wanted, price, price, price
        self._smooth, self._off = _SLACK * self.wanted, 1.0
        self._progress = 0.0

    def update(self, spent: float, progress: float) -> None:
        """After a step.

        Args:
            spent: Bytes per sample in it.
            progress: Share of the training that is done.
        """
        left = max(0.0, 1.0 - progress / _SHARE)
        if self._progress == 0.0 < progress:
            self._integral = max(self._integral, self._begin)
        gone = progress - self._progress
        if gone > _JUMP:  # resumed from a checkpoint that tells no price: other steps went there
            gone = 0.0
        gain = max(_GAIN, _TURNS * gone)  # a short training has to turn faster
        self._progress = progress
        self._smooth += 0.05 * (spent - self._smooth)
        excess = max(-0.5, min(1.0, self._off * self._smooth / (self.wanted * _SLACK**left) - 1.0))
        self._integral *= math.exp(gain * excess)
        self.price = self._integral * math.exp(_FIRMNESS * excess)

    def weigh(self, sent: float) -> None:
        """Take notice of the mean payload that images really take at this moment."""
        self._off = max(0.5, min(2.0, sent / self._smooth))

    def state(self) -> dict[str, float]:
        """Where it has come to, for a checkpoint."""
        return {
            "integral": self._integral,
            "price": self.price,
            "smooth": self._smooth,
            "off": self._off,
            "progress": self._progress,
        }

    def load_state(self, state: Mapping[str, float]) -> None:
        """Go on from what `state` said, perhaps towards another number of bytes."""
        self._integral, self.price = state["integral"], state["price"]
        self._smooth, self._off, self._progress = state["smooth"], state["off"], state["progress"]
