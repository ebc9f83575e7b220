"""A unit whose latent is coded as it is, by a codec that quantises by itself.

feature ──► encoder ──► latent ──► codec (feature) ┄┄► latent' ──► decoder ──► feature'
"""

import torch
from torch import Tensor

from bottleneck.codecs import Codec
from bottleneck.unit.base import Unit


class Latents:
    """A unit without its quantizer, for codecs of features.

    Args:
        unit: Trained.
    """

    def __init__(self, unit: Unit):
        self.unit = unit

    @torch.no_grad()
    def symbols(self, feature: Tensor) -> Tensor:
        """The latent before quantization: float32, `(b, *latent_shape)`."""
        return self.unit.encode(feature)

    @torch.no_grad()
    def reconstruct(self, latent: Tensor) -> Tensor:
        """The feature from a latent, on the server."""
        return self.unit.decode(latent)


def transform_for(unit: Unit, codec: Codec) -> Unit | Latents:
    """What makes of a feature what the codec codes: the unit's symbols, or its latent.

    Raises:
        ValueError: If the codec codes pixels.
    """
    if codec.input == "pixels":
        raise ValueError(f"codec {codec.name!r} codes pixels; a unit has symbols, or features for a codec.")
    return unit if codec.input == "symbols" else Latents(unit)
