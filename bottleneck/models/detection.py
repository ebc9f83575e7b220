"""torchvision's detectors as frozen networks that can be cut: uint8 images in, boxes out.

    images ──► normalize, resize, pad ──► backbone ──► pyramid ──► heads ──► boxes in image pixels
          └──► sizes ─────────────────────────────────────────────► anchors, clipping, rescaling

A cut lies in the backbone's body. What crosses it is the feature and the sizes, never the image.

Source: the cut of Matsubara and Levorato, EMDL 2020, arXiv:2007.15818.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import register_pytree_node

from bottleneck.codecs.image_sizes import ImageSizes, Size
from bottleneck.identity import of_settings, precision

if TYPE_CHECKING:  # torchvision takes two seconds, and whoever has a detector has loaded it
    from torchvision.models.detection.image_list import ImageList
    from torchvision.models.detection.transform import GeneralizedRCNNTransform

Images = Tensor | Sequence[Tensor]
Losses = dict[str, Tensor]


class Detector(nn.Module, ABC):
    """A detector in steps that `torch.fx` can follow, one of which, its backbone, can be cut.

    Split points carry the body's own names: `layer1`, not `network.backbone.body.layer1`.

    Args:
        network: As torchvision builds it: with `transform` and `backbone`.
        name: What results call the network.
        input_shape: (C, H, W) of the images that the network is usually fed.
    """

    transparent_prefixes = ("network.backbone.body.", "network.backbone.", "network.")
    preprocessing: dict[str, Any] | None = None  # it takes images of any size, and resizes them itself

    def __init__(self, network: nn.Module, name: str, input_shape: tuple[int, int, int]):
        super().__init__()
        self.name = name
        self.input_shape = input_shape
        self.network: Any = network
        self.image_sizes = _Measure(self.network.transform)
        self.normalize = _Normalize(network)

    @abstractmethod
    def find_all(self) -> None:
        """Return whatever may be found, however unsure: an untrained detector is sure of nothing."""

    def pyramid(self, images: Images) -> dict[str, Tensor]:
        """The backbone's feature maps, by name."""
        features = self.network.backbone(self.normalize(images))
        return features if isinstance(features, dict) else {"0": features}  # one map, without a pyramid


class Detections(list[Any]):
    """What was found in each image of a batch; it remembers the pyramid that it was found in.

    Args:
        found: One dictionary per image, as torchvision's detectors return them: `boxes` (left, top, right,
            bottom in the image's pixels), `labels`, `scores`, and `masks` where there is a mask head.
        pyramid: The feature maps behind the backbone, by name.
        losses: Of one image, given by its number and what is wanted there.
        identifying: What the heads make of the pyramid, whatever they find, and what they find it by.
    """

    def __init__(
        self,
        found: Iterable[dict[str, Tensor]],
        pyramid: dict[str, Tensor],
        losses: Callable[[int, dict[str, Tensor]], Losses],
        identifying: Callable[[], list[Tensor]],
    ):
        super().__init__(found)
        self._pyramid, self._losses = pyramid, losses
        self.identifying = identifying

    @property
    def evidence(self) -> list[Tensor]:
        """What the detector looked at, which tells more of it than what it found (`identity.behaviour`)."""
        return list(self._pyramid.values())

    def losses(self, targets: Sequence[dict[str, Tensor]]) -> Losses:
        """The losses that trained the detector, on this pyramid: of classes, boxes and what else it has.

        Args:
            targets: For each image `boxes`, `labels`, and `masks` for a network with a mask head, in pixels
                of the image.

        Returns:
            By name, one value for each image, `(b,)`.
        """
        losses = [self._losses(index, dict(target)) for index, target in enumerate(targets)]
        return {name: torch.stack([image[name] for image in losses]) for name in losses[0]}


# So that whatever walks through outputs finds the tensors in them.
register_pytree_node(Detections, lambda found: (list(found), None), lambda found, _: list(found))


def found_by(transform: Any, anchors: Any, coder: Any, *others: tuple[Any, Sequence[str]]) -> Tensor:
    """What a detector finds boxes by: how it resizes, its anchors, how it tells boxes from them, and more.

    Args:
        transform: As torchvision's detectors have it.
        anchors: Likewise, what makes them.
        coder: Likewise, of boxes.
        others: What else has settings that count, each with their names.

    Returns:
        Numbers that differ whenever one of these does (`identity.of_settings`).
    """
    cells = [cell.flatten().tolist() for cell in getattr(anchors, "cell_anchors", ())]
    resizing = ("min_size", "max_size", "image_mean", "image_std", "size_divisible")
    boxes = ("aspect_ratios", "scales", "steps", "num_anchors_per_location")
    holders = ((transform, resizing), (coder, ("weights",)), *others)
    settings = [getattr(holder, name, None) for holder, names in holders for name in names]
    return of_settings(cells or [getattr(anchors, name, None) for name in boxes], *settings)


def image_list(sizes: ImageSizes) -> "ImageList":
    """What torchvision's detectors ask images for, which are sizes alone: a batch without pixels."""
    from torchvision.models.detection.image_list import ImageList

    return ImageList(torch.empty(len(sizes.resized), 3, *sizes.padded, device="meta"), list(sizes.resized))


def sizes_of(originals: Sequence[Size], transform: "GeneralizedRCNNTransform") -> ImageSizes:
    """The sizes of a batch of images, from those before they are resized."""
    # Each size once: even without pixels PyTorch takes a millisecond, as a small detector's head does.
    becomes = {
        size: tuple(transform.resize(torch.empty(1, *size, device="meta"))[0].shape[-2:])
        for size in set(originals)
    }
    resized = [becomes[size] for size in originals]
    small = [torch.empty(1, *size, device="meta") for size in resized]
    batch = transform.batch_images(small, transform.size_divisible)
    return ImageSizes(tuple(batch.shape[-2:]), tuple(resized), tuple(originals))


def in_resized(targets: dict[str, Tensor], sizes: ImageSizes, transform: "GeneralizedRCNNTransform") -> Any:
    """Boxes and masks of one image as they are where it was resized, for whoever computes losses."""
    return transform.resize(torch.empty(1, *sizes.original[0], device="meta"), targets)[1]


class _Measure(nn.Module):
    """Images to `ImageSizes`."""

    def __init__(self, transform: "GeneralizedRCNNTransform"):
        super().__init__()
        self.transform = transform

    def forward(self, images: Images) -> ImageSizes:
        return sizes_of([tuple(image.shape[-2:]) for image in images], self.transform)


class _Normalize(nn.Module):
    """uint8 images to the normalised, resized, padded batch `(b, C, H, W)` that enters the backbone.

    It has the network's own precision, as PyTorch's `half` cannot know what images are made of.
    """

    def __init__(self, network: Any):
        super().__init__()
        self.transform = network.transform
        self._network = (network,)  # in a tuple: its parameters are registered once, by `Detector`

    def forward(self, images: Images) -> Tensor:
        scaled = [image if image.is_floating_point() else image / 255 for image in images]
        found: Tensor = self.transform(scaled)[0].tensors
        return found.to(precision(self._network[0]))
