"""One unit at several rates: a quantization step for each latent channel and rate, learned with the unit.

    latent y ──► symbols = round(y / Q_rc) ──► y_hat = Q_rc · symbols        rate r, channel c

Encoder and decoder are the same at every rate. What is a gain before the quantizer and its inverse behind it
elsewhere is a step here, so that a trained rate is a plain unit whose quantizer has a step per channel.

Source: Cui et al., "Asymmetric gained deep image compression with continuous rate adaptation", CVPR 2021,
arXiv:2003.02012; the gradient of a step: Esser et al., "Learned step size quantization", arXiv:1902.08153.
"""

import math

import torch
from torch import Tensor, nn

from bottleneck.unit.quantizer import DivergedError, Quantizer

_COARSER = math.log(4.0)  # the last rate's steps over the first's, in the beginning


class Gains(Quantizer):
    """A quantizer for several rates, the first the dearest.

    Attributes:
        rate: Which of them is quantized at.

    Args:
        step: Where the steps of the first rate begin.
        channels: Latent channels C_r.
        rates: How many.
    """

    def __init__(self, step: float, channels: int, rates: int):
        super().__init__(step)
        self.rates, self.rate = rates, 0
        beginning = math.log(step) + _COARSER * torch.linspace(0, 1, rates)
        self.log_steps = nn.Parameter(beginning[:, None].repeat(1, channels))

    def step_for(self, latent: Tensor) -> Tensor:
        return self.log_steps[self.rate].exp().reshape(-1, *[1] * (latent.dim() - 2))

    def at(self, rate: int) -> Quantizer:
        """The plain quantizer of one rate.

        Raises:
            DivergedError: If a step is no positive finite number any more.
        """
        steps = self.log_steps[rate].detach().exp()
        if not bool(((steps > 0) & steps.isfinite()).all()):
            raise DivergedError(
                f"Training diverged: the steps of rate {rate} went from {steps.min().item():.3g} to "
                f"{steps.max().item():.3g}. Lower the optimizer's lr (optimizer.lr)."
            )
        return Quantizer(steps.tolist())
