"""What training minimises as rate: the L1 norm of the quantized latent.

It falls when symbols fall towards zero, which is what an entropy coder rewards. It is a proxy without
a unit; the reported rates are counted in bytes (`evaluation.py`).

Source: Datta et al., ICPR 2022. The paper leaves the normalisation open; per input pixel makes alpha
comparable between latent shapes.
"""

from torch import Tensor

_NORMALISATIONS = ("per_pixel", "mean", "sum")


class L1Rate:
    """L1 norm of the quantized latent.

    Args:
        normalisation: `per_pixel` divides the sum over a sample by the pixels of the image that
            enters the head, `mean` by the latent's elements, `sum` by nothing. All average over the batch.

    Raises:
        ValueError: If the normalisation is unknown.
    """

    def __init__(self, normalisation: str = "per_pixel"):
        if normalisation not in _NORMALISATIONS:
            raise ValueError(f"rate.normalisation={normalisation!r}: choose one of {_NORMALISATIONS}.")
        self.normalisation = normalisation

    def __call__(self, latent: Tensor, pixels: int) -> Tensor:
        """Rate of a batch, a scalar.

        Args:
            latent: Quantized latent, `(b, C_r, h, w)`.
            pixels: Height times width of the image that enters the head.
        """
        per_sample = latent.abs().flatten(1).sum(1)
        divisor = {"per_pixel": pixels, "mean": latent[0].numel(), "sum": 1}[self.normalisation]
        return per_sample.mean() / divisor


class NoRate:
    """Nothing is paid for the latent; its size is bounded by its shape alone."""

    def __call__(self, latent: Tensor, pixels: int) -> Tensor:
        """Zero, a scalar."""
        return latent.new_zeros(())
