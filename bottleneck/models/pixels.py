"""A frozen network that takes pixels: scaling and normalisation are its first module.

Data sets, codecs and the deployed device all speak uint8 C×H×W; what a network wants beyond that is the
network's own affair, and therefore part of the head.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bottleneck.models.rows import Rows


class Normalize(nn.Module):
    """uint8 pixels to float: `(pixels / maximum - mean) / std`, channel by channel.

    Args:
        mean, std: One value per channel, for pixels scaled to [0, 1].
        maximum: The pixel value that means 1.
        order: Channels in the order that the network takes them in, to which `mean` and `std` belong; `None`:
            as they are.
    """

    scale: Tensor
    offset: Tensor

    def __init__(
        self,
        mean: Sequence[float],
        std: Sequence[float],
        maximum: float = 255.0,
        order: Sequence[int] | None = None,
    ):
        super().__init__()
        self.order = None if order is None else list(order)
        scale = 1 / (maximum * torch.tensor(std))
        offset = -torch.tensor(mean) / torch.tensor(std)
        self.register_buffer("scale", scale.reshape(-1, 1, 1), persistent=False)
        self.register_buffer("offset", offset.reshape(-1, 1, 1), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        pixels = pixels if self.order is None else pixels[:, self.order]
        return pixels * self.scale + self.offset


class SelectLogits(nn.Module):
    """Keep some of the classes of a classifier, such as the ten of Imagenette among ImageNet's 1,000.

    Args:
        indices: Logits to keep, in the order of the data set's classes.

    Raises:
        ValueError: If one is no number of a class, stands there twice, or, when it is run, is beyond the
            classifier's classes.
    """

    indices: Tensor

    def __init__(self, indices: Sequence[int]):
        super().__init__()
        kept = list(indices)
        if not kept or not all(isinstance(index, int) and index >= 0 for index in kept):
            raise ValueError(f"logits={kept} must be classes of the network, from 0 on, such as [0, 217].")
        if len(set(kept)) < len(kept):
            raise ValueError(f"logits={kept} names a class twice. Give each once.")
        self.register_buffer("indices", torch.tensor(kept), persistent=False)

    def forward(self, logits: Tensor) -> Tensor:
        try:
            return logits[:, self.indices]
        except IndexError:
            raise ValueError(
                f"logits={self.indices.tolist()} go beyond the {logits.shape[1]} classes of the network. "
                "Give those that your data has."
            ) from None


class SelectOutput(nn.Module):
    """Keep one of the tensors that a network returns by name, such as `out` beside an auxiliary classifier's.

    Args:
        name: The tensor's key.
    """

    def __init__(self, name: str):
        super().__init__()
        self.name = name

    def forward(self, outputs: Any) -> Tensor:
        by_attribute = dataclasses.is_dataclass(outputs) or hasattr(type(outputs), "_fields")
        by_key = isinstance(outputs, dict) or not by_attribute  # so what a tracer gives
        found: Tensor = outputs[self.name] if by_key else getattr(outputs, self.name)
        return found


class PixelNetwork(nn.Module):
    """Pixels in, the network's output out.

    Its split points carry the network's own names: `layer3`, not `network.layer3`.

    Args:
        network: Takes normalised images, `(b, C, H, W)`.
        normalize: Turns uint8 pixels into what `network` takes.
        select: Last step on the output, or none.
        name: What results call the network.
        input_shape: (C, H, W) of the images that the network is usually fed.
        enlarge: Whether the output, a map, is enlarged to height and width of the image.

    Attributes:
        preprocessing: What the network's own library does to images, as options of `preprocess`, which data
            sets of photographs follow; `None` where nobody knows.
    """

    transparent_prefixes = ("network.",)

    def __init__(
        self,
        network: nn.Module,
        normalize: nn.Module,
        select: nn.Module | None = None,
        name: str = "custom",
        input_shape: tuple[int, int, int] = (3, 224, 224),
        enlarge: bool = False,
    ):
        super().__init__()
        self.name = name
        self.input_shape = input_shape
        self.normalize = normalize
        self.network = network
        self.select = select
        self.enlarge = enlarge
        self.preprocessing: dict[str, Any] | None = None

    def forward(self, pixels: Tensor) -> Tensor:
        output = self.network(self.normalize(pixels))
        if self.select is not None:
            output = self.select(output)
        if self.enlarge:
            output = F.interpolate(output, size=pixels.shape[-2:], mode="bilinear", align_corners=False)
        found: Tensor = output
        return found

    def identifying(self, output: Tensor) -> list[Tensor]:
        """What else tells this network from others (`identity.behaviour`)."""
        steps = [] if self.select is None else list(self.select.children())
        return [told for step in steps if isinstance(step, Rows) for told in step.identifying(output)]
