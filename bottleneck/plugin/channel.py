"""What a feature goes through behind the split point: training, quantization, or real bytes.

           ┌─ train ────► unit, with gradients            (their training_step)
feature ───┼─ quantise ─► unit, quantized                 (elsewhere in fit, such as the sanity check)
           ├─ code ─────► unit, payload, bytes counted    (validation, test, prediction)
           └────────────► as it is                        (outside the Trainer)
"""

from collections import deque
from collections.abc import Callable
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from bottleneck import codecs
from bottleneck.codecs import Codec
from bottleneck.plugin.probe import as_feature
from bottleneck.unit import Unit, build

#: Symbols that tables are fitted on at most: the latest ones of training, 16 MiB of them.
_TABLE_SYMBOLS = 2**22


class Channel:
    """A forward hook that sends a module's output through the unit.

    The unit computes in float32, whatever the precision around it, so that symbols round as they will where
    it is deployed.

    Args:
        at: Name of the split point.
        unit: What is trained.
        codec: What makes the bytes.
        image: A black image like those that enter the network, `(1, C, H, W)`.

    Attributes:
        send: What becomes of a feature: one of the methods `train`, `quantise` and `code`; `None`: nothing.
        latents: Quantized latents of the current training step.
        payload_sizes: Bytes of every sample that `code` sent.
    """

    def __init__(self, at: str, unit: Unit, codec: Codec, image: Tensor):
        self.at, self.unit, self.codec, self.image = at, unit, codec, image
        self.send: Callable[[Tensor], Tensor] | None = None
        self.latents: list[Tensor] = []
        self.payload_sizes: list[int] = []
        self._symbols: deque[Tensor] = deque()

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """The channel that `state` described."""
        unit = build(state["unit"])
        unit.load_state_dict(state["weights"])
        image = torch.zeros(state["image_shape"], dtype=getattr(torch, state["image_dtype"]))
        return cls(state["at"], unit, codecs.from_dict(state["codec"]), image)

    def state(self) -> dict[str, Any]:
        """Everything that makes this channel again: plain values, and the unit's weights."""
        return {
            "at": self.at,
            "unit": self.unit.options,
            "weights": self.unit.state_dict(),
            "codec": self.codec.to_dict(),
            "image_shape": list(self.image.shape),
            "image_dtype": str(self.image.dtype).removeprefix("torch."),
        }

    @property
    def pixels(self) -> int:
        """Pixels of an image, over which rates are counted."""
        return self.image.shape[-2] * self.image.shape[-1]

    @torch.compiler.disable
    def __call__(self, _: nn.Module, args: tuple, output: Any) -> Any:
        if self.send is None:
            return output
        feature = as_feature(output, self.at)
        with torch.autocast(feature.device.type, enabled=False):
            return self.send(feature.float()).to(feature.dtype)

    def train(self, feature: Tensor) -> Tensor:
        """Quantize with gradients; keep the latent for the rate, and the symbols for the codec's tables.

        Raises:
            ValueError: If gradients are off, so that the unit could not learn.
        """
        if not torch.is_grad_enabled():
            raise ValueError(
                f"training_step runs at={self.at!r} under torch.no_grad, so nothing behind it can learn. "
                "Remove the no_grad (the plugin freezes the network without it), or name a later submodule."
            )
        self._keep(self.unit.eval().symbols(feature))  # as they will be sent, without this batch's statistics
        output = self.unit.train()(feature)
        self.latents.append(output.latent)
        return output.feature

    @torch.no_grad()
    def quantise(self, feature: Tensor) -> Tensor:
        """Quantize without coding: the values that decoded bytes would give."""
        return self.unit.eval()(feature).feature

    @torch.no_grad()
    def code(self, feature: Tensor) -> Tensor:
        """Encode every sample to bytes, decode them, and go on with what they say."""
        symbols = self.unit.eval().symbols(feature).cpu().numpy()
        payloads = [self.codec.encode(sample) for sample in symbols]
        self.payload_sizes += [len(payload) for payload in payloads]
        decoded = np.stack([self.codec.decode(payload) for payload in payloads])
        return self.unit.reconstruct(torch.from_numpy(decoded).to(feature.device))

    def fit_tables(self) -> None:
        """Fit the codec's tables on the latest symbols of training; without any, keep the tables."""
        if self._symbols:
            self.codec.fit(symbols.cpu().numpy() for symbols in self._symbols)

    def _keep(self, symbols: Tensor) -> None:
        self._symbols.append(symbols)
        while sum(kept.numel() for kept in self._symbols) > _TABLE_SYMBOLS and len(self._symbols) > 1:
            self._symbols.popleft()
