"""An objective that weighs a feature's error by what the tail would make of it, without the tail."""

import torch
from torch import Tensor

from bottleneck.layouts import Layout
from bottleneck.loss.objectives import Passage

_TINY = 1e-12  # where no error changes anything, as in a batch without a gradient


class Probes:
    """The squared change of the logits, to first order, by gradients that were computed once.

    The mean of (g_k · (feature' - feature))² over the probes g_k (`features.probes`), in units of the mean
    of (g_k · (feature - its channels' means))² over the batch: 0 for equal features; on average 1 for one
    that holds each channel's mean alone. First order says nothing of large errors, so it stands beside
    `Matching`, which keeps them small.

    Args:
        count: Probes for each sample, at most one fewer than there are classes; more: less noise, more disk.

    Raises:
        ValueError: If there are none.
    """

    layers: tuple[str, ...] = ()
    needs_output = False
    reads_labels = False

    def __init__(self, count: int = 4):
        if count != int(count) or count < 1:
            raise ValueError(f"probes={count} must be a whole number of at least 1.")
        self.probes = int(count)

    def __call__(self, passage: Passage) -> Tensor:
        assert passage.probes is not None, "whoever trains reads `probes` and puts them into batches"
        probes, wanted = passage.probes.flatten(2), passage.frozen.feature()
        error = (passage.reconstruction - wanted).flatten(1)
        whole = torch.cat([_varying(*part).flatten(1) for part in passage.frozen.parts(wanted)], 1)
        return _along(probes, error).mean(1) / _along(probes, whole).mean().clamp_min(_TINY)


def _along(probes: Tensor, error: Tensor) -> Tensor:
    """Squared products `(b, K)` of probes `(b, K, n)` and errors `(b, n)`, in full precision."""
    return (probes * error[:, None]).sum(2).square()


def _varying(values: Tensor, layout: Layout) -> Tensor:
    """A batch of features without each channel's mean over it."""
    axes = [axis for axis in range(values.dim()) if axis != layout.channel_axis]
    return values - values.mean(axes, keepdim=True)
