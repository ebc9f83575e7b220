"""Learning what channels tell of each other, with PyTorch: only here, coding takes NumPy alone.

The network of `predictor` is trained on floating point to give the fewest bits under a logistic density, and
rounded; the tables are counted afterwards with what was rounded, so rounding costs next to nothing.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from bottleneck.codecs.entropy.context.predictor import (
    HIDDEN_BITS,
    MOST_SHIFT,
    REACH,
    SIDE,
    WEIGHT_BITS,
    Weights,
    group_bounds,
)
from bottleneck.codecs.entropy.logistic import log_probability

_STEPS, _PASSES = 1000, 8  # at most so many steps, and so often over the samples
_AT_ONCE, _MOST_SAMPLES = 1 << 16, 32  # symbols and samples in a step
_PACE = 5e-3
_LOOKED_AT = 1 << 22  # symbols, for means and spreads
_NARROWEST, _WIDEST = -3.0, 11.0  # scales, natural logarithm


class ContextModel(nn.Module):
    """The network of `Predictor` on floating point.

    Args:
        channels: C, in coding order.
        groups: How many groups they are coded in, at most C.
        width: Hidden units.
        shift: A unit of what is looked at is 2^shift symbols.
        seed: Of the beginning.

    Attributes:
        base: Mean and logarithm of the scale of each channel where nothing is known, `(2, C)`.
    """

    def __init__(self, channels: int, groups: int, width: int, shift: int = 0, seed: int = 0):
        super().__init__()
        self.bounds, self.shift = group_bounds(channels, groups), shift
        known = torch.randn(
            width, self.bounds[-2], 2, SIDE, SIDE, generator=torch.Generator().manual_seed(seed)
        )
        self.known = nn.Parameter(known * 0.15 / SIDE / max(1.0, channels / groups) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(groups - 1, width))
        self.told = nn.Parameter(torch.zeros(2, channels - self.bounds[1], width))
        self.base = nn.Parameter(torch.zeros(2, channels))

    def log_likelihood(self, values: Tensor, known: Tensor) -> Tensor:
        """Natural logarithm of the probability of the interval of one symbol around each value.

        Args:
            values: `(n, C, height, width)`; they need not be whole.
            known: What later groups see of them, of the same shape: the symbols.
        """
        mean, scale = self._expected(known)
        return log_probability((values - mean).abs(), (-scale.clamp(_NARROWEST, _WIDEST)).exp())

    def _expected(self, known: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the scale of each element."""
        unit, bounds = 2.0**self.shift, self.bounds
        seen = (known / unit).clamp(-REACH, REACH)
        both = torch.stack([seen, seen.abs()], 2).flatten(1, 2)
        found = []
        sums = both.new_zeros(())
        for group, (low, high) in enumerate(pairwise(bounds[1:])):
            begin = bounds[group]
            kernels = self.known[:, begin:low].flatten(1, 2)
            sums = sums + F.conv2d(both[:, 2 * begin : 2 * low], kernels, padding=SIDE // 2)
            active = F.relu(sums + self.bias[group][:, None, None])
            told = self.told[:, low - bounds[1] : high - bounds[1]]
            found.append(torch.einsum("nwyx,pcw->pncyx", active, told))
        mean, scale = self.base[:, None, :, None, None].expand(2, *known.shape)
        if found:
            more = F.pad(torch.cat(found, 2), (0, 0, 0, 0, bounds[1], 0))
            mean, scale = mean + unit * more[0], scale + more[1]
        return mean, scale


@torch.inference_mode(mode=False)
@torch.enable_grad()
def learn(samples: NDArray[np.int32], groups: int, width: int, seed: int = 0) -> Weights:
    """Weights that expect samples like these, whether or not the caller wants gradients.

    Args:
        samples: Shape ``(n, C, height, width)``.
        groups: How many to code the channels in, one after the other; at most a channel each.
        width: Hidden units.
        seed: Of beginning and order.
    """
    few = samples[:: max(1, samples.size // _LOOKED_AT)].astype(np.float64).swapaxes(0, 1)
    flat = few.reshape(len(few), math.prod(few.shape[1:]))
    count = max(1, flat.shape[1])
    spread = np.sqrt(np.square(flat).sum(1) / count)
    order = np.argsort(-spread, kind="stable")  # who says most goes first
    groups = min(groups, len(order)) if samples.size else 1
    shift = int(np.clip(np.ceil(np.log2(max(spread.max(initial=0.0), 1.0) * 4 / REACH)), 0, MOST_SHIFT))
    model = ContextModel(len(order), groups, width, shift, seed)
    means = flat.sum(1) / count
    deviations = np.sqrt(np.square(flat - means[:, None]).sum(1) / count)
    scales = np.log(deviations * math.sqrt(3) / math.pi + 0.05)
    with torch.no_grad():
        model.base.copy_(torch.from_numpy(np.stack([means, scales])[:, order]))

    at_once = max(1, min(_MOST_SAMPLES, _AT_ONCE // max(1, samples[0].size)))
    steps = min(_STEPS, _PASSES * len(samples) // at_once) if groups > 1 else 0
    optimizer = torch.optim.Adam(model.parameters(), lr=_PACE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _PACE, total_steps=steps + 1)
    chosen = np.random.default_rng(seed)
    for _ in range(steps):
        batch = torch.from_numpy(samples[chosen.integers(len(samples), size=at_once)][:, order]).float()
        loss = -model.log_likelihood(batch, batch).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return _rounded(model, order)


def _rounded(model: ContextModel, order: NDArray[np.int64]) -> Weights:
    """The network in whole numbers; scales in doublings."""
    doublings = np.array([1.0, 1 / math.log(2)])
    known, bias, told, base = (
        part.detach().numpy().astype(np.float64) for part in (model.known, model.bias, model.told, model.base)
    )
    return Weights(
        order=order,
        groups=len(model.bounds) - 1,
        shift=model.shift,
        known=_whole(known, WEIGHT_BITS, np.int16),
        bias=_whole(bias, WEIGHT_BITS + model.shift, np.int64),
        told=_whole(told * doublings[:, None, None], WEIGHT_BITS, np.int16),
        base=_whole(base * doublings[:, None], WEIGHT_BITS + HIDDEN_BITS, np.int64),
    )


def _whole(values: NDArray[np.float64], bits: int, kind: Any) -> NDArray[Any]:
    """So many bits after the point, as far as the type reaches, or 47 bits."""
    most = min(np.iinfo(kind).max, (1 << 47) - 1)
    found: NDArray[Any] = np.clip(np.rint(values * 2.0**bits), -most, most).astype(kind)
    return found
