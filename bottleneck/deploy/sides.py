"""Both sides of the link for one operating point.

image ──► Device ──► payload ┄┄► Server ──► output
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from bottleneck.bundle import Bundle
from bottleneck.devices import device_of
from bottleneck.preprocess import prepared, preprocess
from bottleneck.splitting import SplitModel, split

#: What a server makes of the network's output, by task; tasks without an entry get the output itself.
_ANSWERS: dict[str, Callable[[Any], Any]] = {"segmentation": lambda logits: logits.argmax(dim=1)}


class Device:
    """The device's side of one operating point.

    Attributes:
        bundle: The operating point.
    """

    def __init__(self, bundle: Bundle, head: nn.Module):
        self.bundle = bundle
        self._head = head
        self._preprocess = (
            prepared
            if bundle.preprocessing is None
            else preprocess(**bundle.preprocessing, channels=bundle.image_shape[0])
        )

    def __call__(self, image: Any) -> bytes:
        """The payload of one image.

        Args:
            image: PIL image, or uint8 array or tensor C×H×W; it is resized and cropped as in training. A
                float array or tensor C×H×W where the network has a transform of its own (plugin).

        Raises:
            TypeError: If it is no image.
            ValueError: If it has another size than the network was split for.
        """
        return self.encode(self.feature(image))

    @torch.no_grad()
    def feature(self, image: Any) -> Tensor:
        """The head's output for one image, `(1, C, H, W)`; it is the same for every point of a frontier."""
        pixels = self._preprocess(image)
        if tuple(pixels.shape) != tuple(self.bundle.image_shape):
            raise ValueError(
                f"The image is {tuple(pixels.shape)} after preprocessing, this bundle takes "
                f"{tuple(self.bundle.image_shape)} (C, H, W)."
            )
        return self._head(pixels[None].to(device_of(self.bundle.unit)))

    def encode(self, feature: Tensor) -> bytes:
        """The payload of one feature."""
        return self.bundle.codec.encode(self.bundle.unit.symbols(feature)[0].cpu().numpy())


class Server:
    """The server's side of one operating point.

    Attributes:
        bundle: The operating point.
    """

    def __init__(self, bundle: Bundle, tail: nn.Module):
        self.bundle = bundle
        self._tail = tail

    def __call__(self, payload: bytes) -> Any:
        """The answer for one image: the class of every pixel, `(1, H, W)`, for segmentation, else `output`.

        Raises:
            ValueError: If the bytes cannot be a payload of this bundle.
        """
        output = self.output(payload)
        return _ANSWERS[self.bundle.task](output) if self.bundle.task in _ANSWERS else output

    @torch.no_grad()
    def output(self, payload: bytes) -> Any:
        """What the frozen network returns for a batch of one, such as logits.

        Raises:
            ValueError: If the bytes cannot be a payload of this bundle.
        """
        unit = self.bundle.unit
        symbols = torch.from_numpy(self.bundle.codec.decode(payload)).to(device_of(unit))
        return self._tail(unit.reconstruct(symbols[None]))


def both_sides(bundles: list[Bundle], model: nn.Module) -> list[tuple[Device, Server]]:
    """Device and server of each bundle; all share one network, which is split once per split point.

    Raises:
        ValueError: If a bundle belongs to another network.
    """
    where = device_of(model)
    nets: dict[str, SplitModel] = {}
    for bundle in bundles:
        bundle.check_network(model)
        bundle.unit.to(where)
        if bundle.split not in nets:
            example = torch.zeros(1, *bundle.image_shape, dtype=bundle.image_dtype, device=where)
            nets[bundle.split] = split(model, bundle.split, example)
    return [(Device(b, nets[b.split].head), Server(b, nets[b.split].tail)) for b in bundles]
