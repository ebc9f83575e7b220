"""What a group of channels is likely to hold, given the groups before: a network in whole numbers.

::

    group 0 ─► 3×3 ─┐
    group 1 ─► 3×3 ─┴► sum ─► ReLU ─► 1×1 ─► mean and scale of each element of group 2
                        └─► + 3×3 of group 2 ─► ReLU ─► 1×1 ─► ... of group 3

What is known is summed up once, so a group costs only its own part, however many there are. Weights are
integers, sums stay below 2^53, and steps between are divisions by powers of two: float64 computes exactly, in
any order, so device and server expect the same to the last bit, on any two machines.

The idea that only integers make a learned density portable: J. Ballé, N. Johnston and D. Minnen, "Integer
Networks for Data Compression with Latent-Variable Models", ICLR 2019.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SIDE = 3  # of the kernels
WEIGHT_BITS = 10  # after the point, in a weight
HIDDEN_BITS = 6  # after the point, in a hidden unit
MEAN_PARTS = 8  # of one, to which a mean is rounded
SCALE_PARTS = 4  # of a doubling, to which a scale is rounded
NARROWEST, WIDEST = -24, 64  # scales, in these parts: whatever is expected, tables are few
REACH = 16  # symbols beyond this, in units, are seen as this
MOST_SHIFT = 16

_OUT_BITS = WEIGHT_BITS + HIDDEN_BITS
_MOST_HIDDEN = float(1 << 20)
_PLACES = 1 << 9  # of a large plane, at once: more would take more memory than the sample
_PARTS = np.array([MEAN_PARTS, SCALE_PARTS]).reshape(2, 1, 1) * 2.0**-_OUT_BITS


class Weights(NamedTuple):
    """All that a predictor knows. C channels in coding order, in G groups; W hidden units.

    Attributes:
        order: The sample's channels in the order in which they are coded. Shape ``(C,)``.
        groups: How many groups they are coded in, of equal size but for one.
        shift: A unit of what is looked at is 2^shift symbols.
        known: What each channel but the last group's tells the hidden units, by its value and magnitude;
            2^10 is one. int16, shape ``(W, channels, 2, 3, 3)``.
        bias: Of the hidden units, for every group but the first; 2^(10 + shift) is one. Shape ``(G - 1, W)``.
        told: Mean and log2 of the scale of each channel but the first group's, from the hidden units; 2^10
            is one. int16, shape ``(2, channels, W)``.
        base: The same where nothing is known; 2^16 is one symbol, or one doubling. Shape ``(2, C)``.
    """

    order: NDArray[np.int64]
    groups: int
    shift: int
    known: NDArray[np.int16]
    bias: NDArray[np.int64]
    told: NDArray[np.int16]
    base: NDArray[np.int64]

    def to_dict(self) -> dict[str, Any]:
        """The weights as JSON values."""
        small = {
            name: base64.b64encode(getattr(self, name).astype("<i2").tobytes()).decode() for name in _SMALL
        }
        return {
            "order": self.order.tolist(),
            "groups": self.groups,
            "shift": self.shift,
            "bias": self.bias.tolist(),
            "base": self.base.tolist(),
            **small,
        }

    @classmethod
    def from_dict(cls, d: Mapping[str, Any], channels: int) -> Self:
        """The weights that `to_dict` described.

        Raises:
            ValueError: If they are none, or none for so many channels.
        """
        try:
            order, groups, shift = np.asarray(d["order"]), d["groups"], d["shift"]
            whole = all(isinstance(number, int) for number in (groups, shift))
            if not np.array_equal(np.sort(order), np.arange(channels)) or not whole:
                raise ValueError(f"order of {order.size} channels for {channels}")
            if not 1 <= groups <= max(1, channels) or not 0 <= shift <= MOST_SHIFT:
                raise ValueError(f"groups={groups}, shift={shift}")
            bounds = group_bounds(channels, groups)
            bias = _integers(d["bias"], 48).reshape(groups - 1, -1 if groups > 1 else 0)
            width = bias.shape[1]
            shapes = {"known": (width, bounds[-2], 2, SIDE, SIDE), "told": (2, channels - bounds[1], width)}
            small = {name: _small(d[name], shapes[name]) for name in _SMALL}
            base = _integers(d["base"], 48).reshape(2, channels)
        except (KeyError, TypeError, ValueError, OverflowError, binascii.Error) as error:
            raise ValueError(
                f"not the weights of a context ({type(error).__name__}: {error}). The description was "
                "damaged; export it again."
            ) from error
        return cls(order.astype(np.int64), groups, shift, bias=bias, base=base, **small)


_SMALL = ("known", "told")


def _small(text: str, shape: Sequence[int]) -> NDArray[np.int16]:
    data = base64.b64decode(text, validate=True)
    return np.frombuffer(data, "<i2").astype(np.int16).reshape(shape)


def _integers(values: Any, bits: int) -> NDArray[np.int64]:
    array = np.asarray(values)
    most = 1 << bits
    if array.size and (array.dtype.kind != "i" or not -most < array.min() <= array.max() < most):
        raise ValueError(f"integers of at most {bits} bits are wanted")
    return array.astype(np.int64)


def plane_of(shape: Sequence[int]) -> tuple[int, int]:
    """Height and width of a sample whose first axis is the channel; 1 wide where it has not two more axes."""
    return (shape[1], shape[2]) if len(shape) == 3 else (math.prod(shape[1:]), 1)


def group_bounds(channels: int, groups: int) -> list[int]:
    """Where groups begin, and the last one ends, in coding order."""
    return [channels * number // groups for number in range(groups + 1)]


class Predictor:
    """Expects a sample's groups one after the other.

    Args:
        weights: What is known of such samples.
        plane: Height and width of a sample.
    """

    def __init__(self, weights: Weights, plane: tuple[int, int]):
        self.plane = plane
        self.bounds = group_bounds(len(weights.order), weights.groups)
        self._reach = REACH << weights.shift
        self._unit = 2.0**weights.shift
        self._shrink = 2.0 ** -(WEIGHT_BITS + weights.shift - HIDDEN_BITS)
        self._bias = weights.bias.astype(np.float64)[:, :, None]
        self._base = weights.base.astype(np.float64)[:, :, None]
        groups = list(pairwise(self.bounds))
        self._kernels = [
            weights.known[:, low:high].reshape(len(weights.known), -1).astype(np.float64)
            for low, high in groups[:-1]
        ]
        first = self.bounds[1]
        self._told = [
            weights.told[:, low - first : high - first].astype(np.float64) for low, high in groups[1:]
        ]

    def begin(self) -> Floats:
        """What the hidden units are told where nothing is known yet. Shape ``(W, height * width)``."""
        return np.zeros((self._bias.shape[1], math.prod(self.plane)))

    def expect(self, group: int, known: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """What is likely, given the groups before.

        Returns:
            Mean and scale of each element: the mean in eighths, the log2 of the scale in quarters. Each of
            shape ``(channels of the group, height * width)``.
        """
        low, high = self.bounds[group], self.bounds[group + 1]
        found = np.repeat(self._base[:, low:high], known.shape[1], axis=2)
        if group:
            for begin in range(0, found.shape[2], _PLACES):
                places = slice(begin, begin + _PLACES)
                active = known[:, places] + self._bias[group - 1]
                active *= self._shrink
                np.clip(np.floor(active, out=active), 0, _MOST_HIDDEN, out=active)
                told = self._told[group - 1] @ active
                told[0] *= self._unit
                found[:, :, places] += told
        found *= _PARTS
        mean, scale = np.floor(found + 0.5).astype(np.int64)
        return mean, np.minimum(np.maximum(scale, NARROWEST), WIDEST)

    def see(self, group: int, known: Floats, symbols: NDArray[np.int32]) -> None:
        """Add what a group tells to what is known, in place.

        Args:
            group: Which one; nobody asks the last.
            known: As `begin` made it.
            symbols: Its elements, shape ``(channels of the group, height * width)``.
        """
        if group == len(self._kernels):
            return
        height, width = self.plane
        seen = np.minimum(np.maximum(symbols, -self._reach), self._reach).reshape(-1, height, width)
        edged = np.zeros((len(seen), 2, height + SIDE - 1, width + SIDE - 1))
        edge = SIDE // 2
        inside = edged[..., edge : edge + height, edge : edge + width]
        inside[:, 0], inside[:, 1] = seen, np.abs(seen)
        windows = sliding_window_view(edged, self.plane, axis=(2, 3))  # channels, 2, 3, 3, height, width
        kernels = self._kernels[group]
        rows = max(1, _PLACES // max(1, width))
        for begin in range(0, height, rows):
            met = windows[..., begin : begin + rows, :].reshape(kernels.shape[1], -1)
            known[:, begin * width : begin * width + met.shape[1]] += kernels @ met
