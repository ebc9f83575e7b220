"""The bits that codec `context` will need, as rate: each channel in the light of those before it.

    symbols of the groups before ─► network ─► mean, scale ─┐
    exact latent ─► + uniform noise ──────────► -log2(CDF(y + ½) - CDF(y - ½)) ─► bits

Trained so, an encoder need not keep its channels apart from each other. The codec learns its own weights from
the finished latents afterwards.

Source: the idea is that of Minnen and Singh, "Channel-wise autoregressive entropy models", arXiv:2007.08739.
"""

import math

import torch
from torch import Tensor

from bottleneck.codecs.entropy.context.learning import ContextModel
from bottleneck.codecs.entropy.context.predictor import plane_of
from bottleneck.loss.rates import Rate
from bottleneck.unit import UnitOutput


class ContextRate(Rate):
    """Bits of the latent under a density that follows from the channels before, per pixel.

    Args:
        latent_shape: Shape of one latent, channels first.
        pixels: Pixels of the image that enters the head.
        step: Quantization step Q of the latent.
        groups: How many groups the channels are coded in.
        width: Hidden units of the network; see `codecs.entropy.context`.

    Raises:
        ValueError: If there is no group or no hidden unit.
    """

    pace = 3.0
    in_bits = True

    def __init__(
        self,
        latent_shape: tuple[int, ...],
        pixels: int,
        step: float = 1.0,
        groups: int = 16,
        width: int = 64,
    ):
        super().__init__(latent_shape, pixels, step)
        if groups < 1 or width < 1:
            raise ValueError(f"rate.groups={groups} and rate.width={width} must be at least 1.")
        self.model = ContextModel(latent_shape[0], min(groups, latent_shape[0]), width)
        deviation = 2.0  # in steps, as units begin (`unit/scaling.py`)
        torch.nn.init.constant_(self.model.base[1], math.log(deviation * math.sqrt(3) / math.pi))

    def forward(self, output: UnitOutput) -> Tensor:
        symbols = output.latent / self.step
        values = symbols
        if self.training:
            exact = output.exact / self.step
            values = exact + torch.rand_like(exact) - 0.5
        return self._bits(values, symbols) / self.pixels

    @torch.no_grad()
    def sent(self, output: UnitOutput) -> Tensor:
        symbols = output.latent / self.step
        return self._bits(symbols, symbols) / self.pixels

    def _bits(self, values: Tensor, known: Tensor) -> Tensor:
        shape = (len(values), self.latent_shape[0], *plane_of(self.latent_shape))
        likelihood = self.model.log_likelihood(values.reshape(shape), known.reshape(shape))
        return -likelihood.flatten(1).sum(1) / math.log(2)
