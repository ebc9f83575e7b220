"""The bottleneck unit: a depthwise-separable encoder, a quantizer, and the mirrored decoder.

    feature ──► depthwise 3×3 /S ─ BN ─ ReLU ─ 1×1 C→C_r ─ BN ─ ReLU ──► latent ──► quantizer
    C×H×W                                                               C_r×h×w         │
    feature' ◄── [ReLU] ─ BN ─ depthwiseᵀ k_d ×S ─ ReLU ─ BN ─ 1×1ᵀ C_r→C ◄─────────────┘

Only this is trained. Its parameters number 9C + 2·C·C_r + k_d²·C + 2·(3C + C_r), both halves and the
affine parameters of BatchNorm included.

Source: Datta et al., "A low-complexity approach to rate-distortion optimized variable bit-rate
compression for split DNN computing", ICPR 2022.
"""

from typing import NamedTuple, Self

import torch
from torch import Tensor, nn

from bottleneck.geometry import ENCODER_KERNEL, GEOMETRIES
from bottleneck.quantize import Quantizer

_TO_CHW = {"CHW": (0, 1, 2, 3), "HWC": (0, 3, 1, 2)}
_FROM_CHW = {"CHW": (0, 1, 2, 3), "HWC": (0, 2, 3, 1)}


class UnitOutput(NamedTuple):
    """What a unit computes: the reconstructed `feature`, and the quantized `latent` whose rate is paid."""

    feature: Tensor
    latent: Tensor


class BottleneckUnit(nn.Module):
    """Encoder, quantizer and decoder for one split point.

    Args:
        channels: Channels C of the feature.
        latent_channels: Channels C_r of the latent; more: more rate, better task.
        stride: Downsampling S of the latent in each dimension.
        step: Quantization step Q; larger: less rate.
        size: Height and width (H, W) of the feature.
        activation: Last activation of the decoder: `relu` where the feature is never negative, else `none`.
        kernel: Decoder kernel, odd; `exact` geometry takes a larger one where the size needs it.
        geometry: `exact` restores the feature's size; `released` is that of the authors' weights.
        layout: `CHW`, or `HWC` for networks that keep channels last (Swin).

    Raises:
        ValueError: If an argument is out of range; the message names its configuration key.
    """

    def __init__(
        self,
        channels: int,
        latent_channels: int,
        stride: int,
        step: float,
        size: tuple[int, int],
        activation: str = "relu",
        kernel: int = 3,
        geometry: str = "exact",
        layout: str = "CHW",
    ):
        super().__init__()
        if activation not in ("relu", "none"):
            raise ValueError(f"unit.activation={activation!r} is unknown. Choose 'relu', 'none' or 'auto'.")
        if latent_channels < 1 or latent_channels != int(latent_channels):
            raise ValueError(f"unit.latent_channels={latent_channels} must be a whole number of at least 1.")
        if layout not in _TO_CHW:
            raise ValueError(
                f"A feature in layout {layout} cannot be sent through a convolutional unit. "
                f"Choose a split point whose layout is one of {sorted(_TO_CHW)}."
            )
        if geometry not in GEOMETRIES:
            raise ValueError(f"unit.geometry={geometry!r} is unknown. Choose one of {sorted(GEOMETRIES)}.")
        vertical, horizontal = (GEOMETRIES[geometry](length, stride, kernel) for length in size)
        self.channels, self.latent_channels, self.stride = channels, latent_channels, stride
        self.size, self.activation, self.layout = tuple(size), activation, layout
        self.kernel, self.geometry = kernel, geometry
        self.latent_shape = (latent_channels, vertical.latent_size, horizontal.latent_size)

        self.encoder = nn.Sequential(
            nn.Conv2d(
                channels,
                channels,
                ENCODER_KERNEL,
                stride,
                padding=(vertical.encoder_padding, horizontal.encoder_padding),
                groups=channels,
                bias=False,
            ),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, latent_channels, 1, bias=False),
            nn.BatchNorm2d(latent_channels),
            nn.ReLU(),
        )
        self.quantizer = Quantizer(step)
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(latent_channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.ConvTranspose2d(
                channels,
                channels,
                (vertical.kernel, horizontal.kernel),
                stride,
                padding=(vertical.padding, horizontal.padding),
                output_padding=(vertical.output_padding, horizontal.output_padding),
                groups=channels,
                bias=False,
            ),
            nn.BatchNorm2d(channels),
            nn.ReLU() if activation == "relu" else nn.Identity(),
        )

    @classmethod
    def from_features(cls, features: Tensor, layout: str, activation: str = "auto", **options) -> Self:
        """A unit that fits a batch of features.

        Args:
            features: A few of the head's outputs, `(b, C, H, W)`, or `(b, H, W, C)` for layout `HWC`.
            layout: The split point's layout.
            activation: `auto` takes `relu` where no feature is negative and `none` elsewhere.
            options: The other arguments of the constructor.

        Raises:
            ValueError: If the features are no maps, such as a ViT's token sequences.
        """
        if layout not in _TO_CHW:
            raise ValueError(
                f"The feature at this split point has layout {layout} and shape {tuple(features.shape[1:])}; "
                "a bottleneck unit needs a C×H×W map. Choose another split point "
                "(`python -m bottleneck.profile` lists them), for a ViT the patch embedding `conv_proj`."
            )
        _, channels, height, width = features.permute(_TO_CHW[layout]).shape
        if activation == "auto":
            activation = "relu" if bool((features >= 0).all()) else "none"
        return cls(channels=channels, size=(height, width), layout=layout, activation=activation, **options)

    @property
    def options(self) -> dict:
        """The constructor's arguments, JSON-able, from which an equal unit is built."""
        names = ("channels", "latent_channels", "stride", "activation", "kernel", "geometry", "layout")
        options = {name: getattr(self, name) for name in names}
        return {**options, "size": list(self.size), "step": self.quantizer.step}

    def forward(self, feature: Tensor) -> UnitOutput:
        """Send features through the bottleneck, quantized, without coding them.

        Args:
            feature: The head's output, in the unit's layout.
        """
        latent = self.quantizer(self.encode(feature))
        return UnitOutput(self.decode(latent), latent)

    def encode(self, feature: Tensor) -> Tensor:
        """The latent before quantization, `(b, C_r, h, w)`, never negative.

        Raises:
            ValueError: If the feature has another shape than the unit was built for.
        """
        feature = feature.permute(_TO_CHW[self.layout])
        if feature.shape[1:] != (self.channels, *self.size):
            raise ValueError(
                f"This unit was built for features of C×H×W {(self.channels, *self.size)}, "
                f"got {tuple(feature.shape[1:])}. Split with an example of the right size."
            )
        return self.encoder(feature)

    def decode(self, latent: Tensor) -> Tensor:
        """The feature from a quantized latent, in the unit's layout."""
        return self.decoder(latent).permute(_FROM_CHW[self.layout])

    @torch.no_grad()
    def symbols(self, feature: Tensor) -> Tensor:
        """The integers that are coded: int32, `(b, C_r, h, w)`."""
        return self.quantizer.symbols(self.encode(feature))

    @torch.no_grad()
    def reconstruct(self, symbols: Tensor) -> Tensor:
        """The feature from symbols, on the server."""
        return self.decode(self.quantizer.values(symbols))
