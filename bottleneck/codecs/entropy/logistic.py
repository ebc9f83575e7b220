"""A logistic density's probability of a symbol, in PyTorch: what learned tables are trained by."""

import torch
from torch import Tensor
from torch.nn import functional as F

_NEXT_TO_NONE = 1e-7  # in a scale so wide that float32 sees no difference of the ends


def log_probability(away: Tensor, narrow: Tensor) -> Tensor:
    """Natural logarithm of the probability of the interval of one symbol around values.

    It has a gradient however far a value is from where the density lives.

    Args:
        away: Distances of the values from the mean, at least 0.
        narrow: Inverse scales.
    """
    # The difference of two sigmoids, on the side where both are small.
    upper, lower = (F.logsigmoid((half - away) * narrow) for half in (0.5, -0.5))
    return upper + torch.log(-torch.expm1((lower - upper).clamp_max(-_NEXT_TO_NONE)))
