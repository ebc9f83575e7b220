"""A ViT and a Swin for the digits, so that cuts through tokens can be tried offline.

Both are torchvision's networks, made small and for one channel.
"""

from torch import nn
from torchvision.models import SwinTransformer, VisionTransformer

_VIT_WIDTH, _SWIN_WIDTH, _PATCH, _CLASSES = 64, 48, 2, 10


class DigitsViT(VisionTransformer):  # type: ignore[misc]  # torchvision comes without types
    """A ViT of 1×8×8 digits in 16 patches, with a class token: 0.07 M parameters, ten classes.

    Split points: `encoder.dropout` and `encoder.layers.encoder_layer_0` 17×64, tokens by channels.
    """

    def __init__(self) -> None:
        super().__init__(
            image_size=8,
            patch_size=_PATCH,
            num_layers=2,
            num_heads=4,
            hidden_dim=_VIT_WIDTH,
            mlp_dim=2 * _VIT_WIDTH,
            num_classes=_CLASSES,
        )
        self.conv_proj = nn.Conv2d(1, _VIT_WIDTH, _PATCH, _PATCH)


class DigitsSwin(SwinTransformer):  # type: ignore[misc]  # torchvision comes without types
    """A Swin of 1×8×8 digits in two stages, the first with shifted windows: 0.2 M parameters, ten classes.

    Split points: `features.0` and `features.1` 4×4×48, `features.2` 2×2×96, channels last.
    """

    def __init__(self) -> None:
        super().__init__(
            patch_size=[_PATCH, _PATCH],
            embed_dim=_SWIN_WIDTH,
            depths=[2, 1],
            num_heads=[4, 8],
            window_size=[2, 2],
            mlp_ratio=2.0,
            stochastic_depth_prob=0.0,
            num_classes=_CLASSES,
        )
        self.features[0][0] = nn.Conv2d(1, _SWIN_WIDTH, _PATCH, _PATCH)
