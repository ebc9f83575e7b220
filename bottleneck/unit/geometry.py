"""Paddings and kernels with which a strided encoder and its mirrored decoder fit a feature map.

The encoder's depthwise convolution has kernel 3; for one dimension of size H and stride S

    h = floor((H + 2·p_e − 3) / S) + 1            encoder
    H' = (h − 1)·S − 2·p_d + k_d + out_pad        decoder (transposed convolution)

Height and width are resolved independently.

Source: Datta et al., ICPR 2022, and the geometry of the weights that its authors released.
"""

from dataclasses import dataclass

ENCODER_KERNEL = 3


@dataclass(frozen=True)
class Geometry:
    """Encoder and decoder geometry along one dimension.

    Attributes:
        size: Size H of the feature.
        stride: Stride S of both convolutions.
        encoder_padding: p_e.
        kernel: Decoder kernel k_d.
        padding: Decoder padding p_d.
        output_padding: Rows that the decoder appends on one side.
    """

    size: int
    stride: int
    encoder_padding: int
    kernel: int
    padding: int
    output_padding: int = 0

    @property
    def latent_size(self) -> int:
        """h, the latent's size."""
        return (self.size + 2 * self.encoder_padding - ENCODER_KERNEL) // self.stride + 1


def exact(size: int, stride: int, kernel: int = 3) -> Geometry:
    """The geometry that restores the size exactly, for any size and stride.

    Args:
        size: Size H of the feature, at least 1.
        stride: Stride S, at least 1.
        kernel: Smallest decoder kernel, odd. Where it is smaller than the stride, some output rows
            receive no contribution; a larger one covers them at more parameters.

    Raises:
        ValueError: If a value is out of range.
    """
    if size < 1 or stride < 1 or stride != int(stride):
        raise ValueError(f"size={size}, unit.stride={stride}: both must be whole numbers of at least 1.")
    if kernel < 1 or kernel % 2 == 0:
        raise ValueError(f"unit.kernel={kernel} must be a positive odd number.")
    remainder = (size - 1) % stride + 1  # rows that the last kernel has to fill
    kernel = max(kernel, remainder)
    excess = kernel - remainder
    return Geometry(size, stride, 1, kernel, padding=(excess + 1) // 2, output_padding=excess % 2)


def released(size: int, stride: int, kernel: int) -> Geometry:
    """The geometry of the authors' released weights; it does not always restore the size.

    A map of 14 comes back as 15 or 17, which works where the tail pools adaptively.

    Raises:
        ValueError: If no released weights exist for that size.
    """
    encoder_paddings = {65: 0, 14: 1, 7: 1}
    if size not in encoder_paddings:
        raise ValueError(
            f"unit.geometry=released: no weights were released for features of size {size}, only of "
            f"{sorted(encoder_paddings)}. Use unit.geometry=exact."
        )
    padding = 1 if (size, stride) == (7, 2) else 0
    return Geometry(size, stride, encoder_paddings[size], kernel, padding)


GEOMETRIES = {"exact": exact, "released": released}
