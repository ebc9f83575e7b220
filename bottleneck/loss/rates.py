"""What training minimises as rate: the L1 norm of the quantized latent.

It falls when symbols fall towards zero, which is what an entropy coder rewards. It is a proxy without a unit;
the reported rates are counted in bytes (`measure/harness.py`).

Source: Datta et al., ICPR 2022. The paper leaves the normalisation open; per input pixel makes alpha
comparable between latent shapes.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from math import prod

from torch import Tensor, nn

_NORMALISATIONS = ("per_pixel", "mean", "sum")


class Rate(nn.Module, ABC):
    """Paid for a latent; made when the unit's shapes are known. What it learns is kept in checkpoints.

    Args:
        latent_shape: Shape of one latent, channels first.
        pixels: Pixels of the image that enters the head.
    """

    def __init__(self, latent_shape: tuple[int, ...], pixels: int):
        super().__init__()
        self.latent_shape, self.pixels = latent_shape, pixels

    @abstractmethod
    def forward(self, latent: Tensor) -> Tensor:
        """Rate of each sample, `(b,)`, of a quantized latent `(b, *latent_shape)`."""


#: Makes a rate from `latent_shape` and `pixels`.
RateFactory = Callable[[tuple[int, ...], int], Rate]


class L1Rate(Rate):
    """L1 norm of the quantized latent.

    Args:
        latent_shape: Shape of one latent, channels first.
        pixels: Pixels of the image that enters the head.
        normalisation: `per_pixel` divides the sum over a sample by `pixels`, `mean` by the latent's elements,
            `sum` by nothing.

    Raises:
        ValueError: If the normalisation is unknown.
    """

    def __init__(self, latent_shape: tuple[int, ...], pixels: int, normalisation: str = "per_pixel"):
        super().__init__(latent_shape, pixels)
        if normalisation not in _NORMALISATIONS:
            raise ValueError(f"rate.normalisation={normalisation!r}: choose one of {_NORMALISATIONS}.")
        self.divisor = {"per_pixel": pixels, "mean": prod(latent_shape), "sum": 1}[normalisation]

    def forward(self, latent: Tensor) -> Tensor:
        return latent.abs().flatten(1).sum(1) / self.divisor


class NoRate(Rate):
    """Nothing is paid for the latent; its size is bounded by its shape alone."""

    def forward(self, latent: Tensor) -> Tensor:
        return latent.new_zeros(len(latent))
