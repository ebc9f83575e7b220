"""A unit for tokens: one linear map per token, or per S×S cell of the grid that the tokens form.

    feature ──┬─► class tokens ─ C→C_r ─ BN ─────────────────────┬─► latent ──► quantizer
    L×C       └─► grid of tokens ─ mean of S×S ─ C→C_r ─ BN ─────┘   C_r×n           │
    feature' ◄┬── class tokens ◄─ BN ─ C_r→C ◄───────────────────┬───────────────────┘
              └── grid of tokens ◄─ BN ─ S×S ×S C_r→C ◄──────────┘

The latent is signed, as tokens are, and has n = P + h·w tokens for P class tokens. These have maps of
their own, because they live in another part of the space and are never pooled. The parameters number
(1 + S²)·C·C_r + 2·(C + C_r), and 2·C·C_r + 2·(C + C_r) more with class tokens; the encoder takes C·C_r·n
multiply-accumulates.
"""

import math
from typing import Any, Self

import torch
from torch import Tensor, nn

from bottleneck.layouts import Layout
from bottleneck.unit.base import Unit
from bottleneck.unit.pooling import pool, pooled_size, unpool


class TokenUnit(Unit):
    """Linear maps of tokens, for ViT, Swin and every other feature that is a map or a sequence.

    Args:
        channels: Channels C of a token.
        latent_channels: Channels C_r of the latent; more: more rate, better task.
        stride: Side S of the cells that are pooled; 1: none.
        step: Quantization step Q; larger: less rate.
        size: Height and width (H, W) of the grid of tokens.
        class_tokens: Tokens P in front of the grid; a ViT's class token is one.
        layout: `LC` for sequences (ViT), `HWC` (Swin) or `CHW` for maps.

    Raises:
        ValueError: If an argument is out of range; the message names its configuration key.
    """

    kind = "tokens"
    layouts = ("LC", "HWC", "CHW")

    def __init__(
        self,
        channels: int,
        latent_channels: int,
        stride: int,
        step: float,
        size: tuple[int, int],
        class_tokens: int = 0,
        layout: str = "LC",
    ):
        super().__init__(channels, latent_channels, stride, step, size, layout)
        if class_tokens < 0 or (class_tokens and layout != "LC"):
            raise ValueError(
                f"unit.class_tokens={class_tokens}: a feature of layout {layout} has no such number."
            )
        self.class_tokens = class_tokens
        cells = pooled_size(self.size, stride)
        self.latent_shape = (latent_channels, class_tokens + math.prod(cells))
        shape = (class_tokens + math.prod(self.size),) if layout == "LC" else self.size
        self.feature_shape = self.layout.shape_back((channels, *shape))
        self.encoder = _Tokens(
            class_tokens,
            self.size,
            pool(channels, latent_channels, stride),
            _linear(channels, latent_channels) if class_tokens else None,
        )
        decoder = _Tokens(
            class_tokens,
            cells,
            unpool(latent_channels, channels, stride, self.size),
            _linear(latent_channels, channels) if class_tokens else None,
        )
        self.decoder = decoder if layout == "LC" else nn.Sequential(decoder, nn.Unflatten(2, self.size))

    @classmethod
    def from_features(
        cls, features: Tensor, layout: str, grid: tuple[int, int] | None = None, **options: Any
    ) -> Self:
        """A unit that fits a batch of tokens; see `Unit.from_features`.

        Args:
            features: `(b, L, C)`, `(b, H, W, C)` or `(b, C, H, W)`.
            layout: The split point's layout.
            grid: Height and width of the grid of tokens in a sequence; `None`: the largest square that the
                sequence has. Tokens in front of it are class tokens.
            options: The other arguments of the constructor.
        """
        cls.check_layout(layout, tuple(features.shape[1:]))
        _, channels, *axes = Layout(layout).channels_first(features).shape
        if layout != "LC":
            return cls(channels=channels, size=(axes[0], axes[1]), layout=layout, **options)
        length = axes[0]
        side = math.isqrt(length)
        if grid is not None and (isinstance(grid, (str, int, float)) or len(grid) != 2 or min(grid) < 1):
            raise ValueError(f"unit.grid={grid} must be [HEIGHT,WIDTH] of the tokens, or null.")
        height, width = grid or (side, side)
        class_tokens = length - height * width
        if not 0 <= class_tokens <= width:
            raise ValueError(
                f"unit.grid={grid}: {length} tokens are no {height}×{width} grid with a few class tokens in "
                "front. Set unit.grid=[HEIGHT,WIDTH] to the image's size in patches."
            )
        return cls(
            channels=channels, size=(height, width), class_tokens=class_tokens, layout=layout, **options
        )


class _Tokens(nn.Module):
    """One map for the grid of tokens, another for the class tokens in front of it.

    Args:
        class_tokens: How many there are.
        size: Height and width of the grid that comes in.
        grid: What becomes of it, `(b, C, H, W)`.
        front: What becomes of the class tokens, `(b, C, P)`.
    """

    def __init__(self, class_tokens: int, size: tuple[int, int], grid: nn.Module, front: nn.Module | None):
        super().__init__()
        self.class_tokens, self.size = class_tokens, size
        self.grid, self.front = grid, front

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens `(b, C', n)` from tokens `(b, C, L)`, or from a map of them."""
        tokens = tokens.flatten(2)
        grid = self.grid(tokens[..., self.class_tokens :].unflatten(2, self.size)).flatten(2)
        if self.front is None:
            found: Tensor = grid
            return found
        return torch.cat([self.front(tokens[..., : self.class_tokens]), grid], dim=2)


def _linear(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv1d(inputs, outputs, 1, bias=False), nn.BatchNorm1d(outputs))
