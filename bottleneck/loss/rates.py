"""What training minimises as rate: the L1 norm of the quantized latent, or nothing; `density.py` learns bits.

The norm falls when symbols fall towards zero, which is what an entropy coder rewards. It is a proxy without
a unit; the reported rates are counted in bytes (`measure/harness.py`).

Source: Datta et al., ICPR 2022. The paper leaves the normalisation open; per input pixel makes alpha
comparable between latent shapes.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from bottleneck.layouts import apart
from bottleneck.unit import UnitOutput

_NORMALISATIONS = ("per_pixel", "mean", "sum")


class Rate(nn.Module, ABC):
    """Paid for a latent; made when the unit's shapes are known. What it learns is kept in checkpoints.

    Attributes:
        pace: What its own parameters learn faster than the unit's, as a factor of the learning rate.
        in_bits: Whether it is bits per pixel, rather than a number without a unit.

    Args:
        latent_shape: Shape of one latent, channels first.
        pixels: Pixels of the image that enters the head.
        step: Quantization step Q of the latent.
    """

    pace: float = 1.0
    in_bits: bool = False

    def __init__(self, latent_shape: tuple[int, ...], pixels: int, step: float = 1.0):
        super().__init__()
        self.latent_shape, self.pixels, self.step = latent_shape, pixels, step

    @abstractmethod
    def forward(self, output: UnitOutput) -> Tensor:
        """Rate of each sample that a unit made, `(b,)`."""

    def sent(self, output: UnitOutput) -> Tensor:
        """Rate of what would be sent, without the noise of training, `(b,)`; no gradient."""
        rate: Tensor = self(output)
        return rate.detach()

    def settle(self, symbols: Tensor) -> None:
        """Learn the last, of symbols of training samples, `(n, *latent_shape)`; most rates learn nothing."""

    def tables(self) -> tuple[Any, Any] | None:
        """Tables of symbols and their index, as `Codec.with_tables` takes them; None: they are counted."""
        return None


#: Makes a rate from `latent_shape`, `pixels` and `step`.
RateFactory = Callable[[tuple[int, ...], int, float], Rate]


class L1Rate(Rate):
    """L1 norm of the quantized latent.

    Args:
        latent_shape: Shape of one latent, channels first.
        pixels: Pixels of the image that enters the head.
        step: Not used.
        normalisation: `per_pixel` divides the sum over a sample by `pixels`, `mean` by the latent's elements,
            `sum` by nothing.

    Raises:
        ValueError: If the normalisation is unknown.
    """

    def __init__(
        self,
        latent_shape: tuple[int, ...],
        pixels: int,
        step: float = 1.0,
        normalisation: str = "per_pixel",
    ):
        super().__init__(latent_shape, pixels, step)
        if normalisation not in _NORMALISATIONS:
            raise ValueError(f"rate.normalisation={normalisation!r}: choose one of {_NORMALISATIONS}.")
        self.divisor = {"per_pixel": pixels, "mean": prod(latent_shape), "sum": 1}[normalisation]

    def forward(self, output: UnitOutput) -> Tensor:
        return output.latent.abs().flatten(1).sum(1) / self.divisor


class SumOfRates(Rate):
    """What is paid for latents that lie behind each other in one vector.

    Args:
        rates: One for each of them.
    """

    def __init__(self, rates: Sequence[Rate]):
        self.shapes = [rate.latent_shape for rate in rates]
        first = rates[0]
        super().__init__((sum(map(prod, self.shapes)),), first.pixels, first.step)
        self.rates: Sequence[Rate] = nn.ModuleList(rates)  # type: ignore[assignment]
        self.pace, self.in_bits = first.pace, first.in_bits

    def forward(self, output: UnitOutput) -> Tensor:
        return torch.stack([rate(own) for rate, own in self._apart(output)]).sum(0)

    @torch.no_grad()
    def sent(self, output: UnitOutput) -> Tensor:
        return torch.stack([rate.sent(own) for rate, own in self._apart(output)]).sum(0)

    def settle(self, symbols: Tensor) -> None:
        for rate, own in zip(self.rates, symbols.split([*map(prod, self.shapes)], 1), strict=True):
            rate.settle(own.reshape(len(own), *rate.latent_shape[:1], -1))

    def tables(self) -> tuple[Any, Any] | None:
        found = [rate.tables() for rate in self.rates]
        pairs = [pair for pair in found if pair is not None]
        if len(pairs) < len(found):
            return None
        return [tables for tables, _ in pairs], [index for _, index in pairs]

    def _apart(self, output: UnitOutput) -> list[tuple[Rate, UnitOutput]]:
        latents, exacts = apart(output.latent, self.shapes), apart(output.exact, self.shapes)
        return [
            (rate, UnitOutput(output.feature, latent, exact))
            for rate, latent, exact in zip(self.rates, latents, exacts, strict=True)
        ]


class NoRate(Rate):
    """Nothing is paid for the latent; its size is bounded by its shape alone."""

    def forward(self, output: UnitOutput) -> Tensor:
        return output.latent.new_zeros(len(output.latent))
