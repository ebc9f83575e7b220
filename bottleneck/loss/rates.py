"""What training minimises as rate: the L1 norm of the quantized latent, or nothing; `density.py` learns bits.

The norm falls when symbols fall towards zero, which is what an entropy coder rewards. It is a proxy without
a unit; the reported rates are counted in bytes (`measure/harness.py`).

Source: Datta et al., ICPR 2022. The paper leaves the normalisation open; per input pixel makes alpha
comparable between latent shapes.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from math import prod
from typing import Any, ClassVar

from torch import Tensor, nn

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

    pace: ClassVar[float] = 1.0
    in_bits: ClassVar[bool] = False

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

    def tables(self) -> Any | None:
        """Tables of each channel's symbols for a range coder, `FrequencyTables`, if the rate learned any."""
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


class NoRate(Rate):
    """Nothing is paid for the latent; its size is bounded by its shape alone."""

    def forward(self, output: UnitOutput) -> Tensor:
        return output.latent.new_zeros(len(output.latent))
