"""A learned density of the latent: its bits are the rate, and its tables go to the range coder.

    exact latent ─► + uniform noise ─► -log2(CDF(y + ½) - CDF(y - ½)) ─► bits       training, with a gradient
    symbols ─────────────────────────► the same at whole numbers ──────► tables     afterwards, no second fit

The density is factorized: one mixture of logistics per latent channel, which has a closed CDF.

Source: Ballé et al., "Variational image compression with a scale hyperprior", arXiv:1802.01436, whose density
is a small network. Noise for the rate and rounded values for the decoder: Minnen and Singh, arXiv:2007.08739.
"""

import copy
import math

import numpy as np
import torch
from torch import Tensor, nn

from bottleneck.codecs.entropy.logistic import log_probability
from bottleneck.codecs.entropy.tables.frequencies import MOST_ENTRIES, FrequencyTables
from bottleneck.loss.rates import Rate
from bottleneck.unit import UnitOutput

_ESCAPE = 1e-7  # probability that tables keep for symbols without an entry
_FARTHEST = 2048  # symbols beyond have no entry
_SETTLING = 120  # iterations; further ones win less than a per mille


class DensityRate(Rate):
    """Bits of the latent under a learned density, per pixel of the image that enters the head.

    Args:
        latent_shape: Shape of one latent, channels first.
        pixels: Pixels of the image that enters the head.
        step: Quantization step Q of the latent.
        components: Logistics in each channel's mixture.

    Attributes:
        width: How wide each channel's intervals are, `(C_r,)`, in those that the density began with; values
            are in these. So one density serves all rates of a unit, whose exact latents are alike.

    Raises:
        ValueError: If there are no components.
    """

    pace = 5.0
    in_bits = True

    def __init__(self, latent_shape: tuple[int, ...], pixels: int, step: float = 1.0, components: int = 3):
        super().__init__(latent_shape, pixels, step)
        if components < 1:
            raise ValueError(f"rate.components={components} must be at least 1.")
        channels, deviation = latent_shape[0], 2.0  # in steps, as units begin (`unit/scaling.py`)
        places = torch.linspace(-deviation, deviation, components) if components > 1 else torch.zeros(1)
        scale = deviation * math.sqrt(3) / math.pi / max(1.0, math.sqrt(components) / 1.5)
        self.means = nn.Parameter(places.repeat(channels, 1))
        self.log_scales = nn.Parameter(torch.full((channels, components), math.log(scale)))
        self.logits = nn.Parameter(torch.zeros(channels, components))
        self.width: Tensor = torch.ones(channels)

    def forward(self, output: UnitOutput) -> Tensor:
        values = output.latent / self.step
        if self.training:
            exact = output.exact / self.step
            values = exact + torch.rand_like(exact) - 0.5
        return self.bits(values) / self.pixels

    @torch.no_grad()
    def sent(self, output: UnitOutput) -> Tensor:
        return self.bits(output.latent / self.step) / self.pixels

    def bits(self, values: Tensor) -> Tensor:
        """Bits of each sample, `(b,)`, for values in steps, `(b, C_r, ...)`."""
        return -self.log_likelihood(values).flatten(1).sum(1) / math.log(2)

    def log_likelihood(self, values: Tensor) -> Tensor:
        """Natural logarithm of the probability of the interval of one step around each value.

        It has a gradient however far a value is from where the density lives.

        Args:
            values: In steps, `(b, C_r, ...)`.
        """
        rest = (1,) * (values.dim() - 2)
        width = self.width[:, None].to(self.means)
        inverse = (-self.log_scales.clamp(-5.0, 8.0)).exp() * width
        parts = []
        for parameters in zip((self.means / width).T, inverse.T, self.logits.log_softmax(1).T, strict=True):
            mean, rate, weight = (part.reshape(-1, *rest) for part in parameters)
            parts.append(weight + log_probability((values - mean).abs(), rate))
        return torch.stack(parts).logsumexp(0)

    def settle(self, symbols: Tensor) -> None:
        """Bring the density to what was learned last: the unit at rest, its symbols instead of noise.

        It works on counts, so it takes a fraction of a second.

        Args:
            symbols: Of training samples, whole numbers, `(n, C_r, ...)`, in as few rows as is handy; those
                that get no entry in a table do not count.
        """
        by_channel = symbols.movedim(1, 0).flatten(1).clamp(-_FARTHEST - 1, _FARTHEST + 1)
        values, places = by_channel.unique(return_inverse=True)
        channels = torch.arange(len(places), device=places.device)[:, None] * len(values)
        counts = torch.bincount((channels + places).flatten(), minlength=len(places) * len(values))
        near = values.abs() <= _FARTHEST
        counts, values = counts.reshape(len(places), -1)[:, near], values[near]
        share = counts / counts.sum(1, keepdim=True).clamp_min(1)
        grid = values.float().repeat(len(share), 1)[None]
        optimizer = torch.optim.LBFGS(
            self.parameters(), max_iter=_SETTLING, history_size=20, line_search_fn="strong_wolfe"
        )

        def bits() -> Tensor:
            optimizer.zero_grad()
            loss: Tensor = -(share * self.log_likelihood(grid)[0]).sum()
            loss.backward()
            return loss

        with torch.enable_grad():
            optimizer.step(bits)

    @torch.no_grad()
    def tables(self) -> tuple[FrequencyTables, range] | None:
        """Whole frequencies of each channel's symbols, for a range coder, with an index per channel.

        None where they would be too many, or the density lives where symbols have no entry.
        """
        reach = 1
        while reach < _FARTHEST:
            reach *= 2
            if float((1 - self._grid(reach).sum(1)).max()) < _ESCAPE:
                break
        grid = self._grid(reach)
        used = np.flatnonzero((grid > _ESCAPE / 4).any(0))
        if not used.size or len(grid) * (used[-1] + 1 - used[0]) > MOST_ENTRIES:
            return None
        low, high = int(used[0]), int(used[-1])
        inside = grid[:, low : high + 1]
        escape = np.maximum(1 - inside.sum(1, keepdims=True), _ESCAPE)
        tables = FrequencyTables.from_weights(low - reach, np.concatenate([inside, escape], axis=1))
        return tables, range(len(grid))

    def _grid(self, reach: int) -> np.ndarray:
        """Probability of the symbols from `-reach` to `reach`, float64, `(C_r, 2 · reach + 1)`."""
        exact = copy.deepcopy(self).cpu()
        symbols = torch.arange(-reach, reach + 1, dtype=torch.float64)
        found: np.ndarray = (
            exact.double().log_likelihood(symbols.repeat(len(self.means), 1)[None])[0].exp().numpy()
        )
        return found
