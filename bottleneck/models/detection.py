"""torchvision's R-CNN detectors as frozen networks that can be cut: uint8 images in, boxes out.

    images ──► normalize, resize, pad ──► backbone ──► pyramid ──► RPN ──► RoI heads ──► boxes in image pixels
          └──► sizes ─────────────────────────────────────────────► anchors, clipping, rescaling

A cut lies in the backbone's body. What crosses it is the feature and the sizes, never the image.

Source: the cut of Matsubara and Levorato, EMDL 2020, arXiv:2007.15818.
"""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import register_pytree_node

from bottleneck.models.image_sizes import ImageSizes, Size

if TYPE_CHECKING:  # torchvision takes two seconds, and whoever has a detector has loaded it
    from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN
    from torchvision.models.detection.image_list import ImageList
    from torchvision.models.detection.transform import GeneralizedRCNNTransform

Images = Tensor | Sequence[Tensor]


class Detector(nn.Module):
    """An R-CNN in four steps that `torch.fx` can follow; the second, its backbone, can be cut.

    Split points carry the body's own names: `layer1`, not `network.backbone.body.layer1`.

    Args:
        network: Faster, Mask or Keypoint R-CNN, as torchvision builds them.
        name: What results call the network.
        input_shape: (C, H, W) of the images that the network is usually fed.
    """

    transparent_prefixes = ("network.backbone.body.", "network.backbone.", "network.")
    opaque = ("image_sizes", "normalize", "canvas", "network.rpn", "network.roi_heads", "roi_heads")

    def __init__(self, network: "GeneralizedRCNN", name: str, input_shape: tuple[int, int, int]):
        super().__init__()
        self.name = name
        self.input_shape = input_shape
        self.network = network
        self.image_sizes = _Measure(network.transform)
        self.normalize = _Normalize(network.transform)
        self.canvas = _Canvas()
        self.roi_heads = _Finish(network)  # their last step; the network's own come before

    def forward(self, images: Images) -> list[dict[str, Tensor]]:
        """Detect objects.

        Args:
            images: uint8 (or float in [0, 1]) images C×H×W of any sizes, or a batch `(b, C, H, W)`.

        Returns:
            For each image `boxes` (left, top, right, bottom in its pixels), `labels`, `scores`, and `masks`
            where the network has a mask head.
        """
        sizes = self.image_sizes(images)
        features = self.network.backbone(self.normalize(images))
        if not isinstance(features, dict):  # a backbone without pyramid
            features = {"0": features}
        canvas = self.canvas(sizes)
        proposals = self.network.rpn(canvas, features)[0]
        found = self.network.roi_heads(features, proposals, canvas.image_sizes)[0]
        detections: list[dict[str, Tensor]] = self.roi_heads(found, features, sizes)
        return detections


class Detections(list[Any]):
    """What was found in each image of a batch; it remembers the pyramid that it was found in.

    Args:
        found: One dictionary per image, as torchvision's detectors return them.
        network: What found it.
        pyramid: The feature maps behind the backbone, by name.
        sizes: Of the images.
    """

    def __init__(
        self,
        found: Iterable[dict[str, Tensor]],
        network: "GeneralizedRCNN",
        pyramid: dict[str, Tensor],
        sizes: ImageSizes,
    ):
        super().__init__(found)
        self._network, self._pyramid, self._sizes = network, pyramid, sizes

    @property
    def evidence(self) -> list[Tensor]:
        """What the detector looked at, which tells more of it than what it found (`identity.behaviour`)."""
        return list(self._pyramid.values())

    def losses(self, targets: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
        """The losses that trained the detector, on this pyramid: of proposals, classes, boxes and masks.

        Args:
            targets: For each image `boxes`, `labels`, and `masks` for a network with a mask head, in pixels
                of the image.

        Returns:
            By name, one value for each image, `(b,)`.
        """
        losses = [self._losses_of(index, target) for index, target in enumerate(targets)]
        return {name: torch.stack([image[name] for image in losses]) for name in losses[0]}

    def _losses_of(self, index: int, target: dict[str, Tensor]) -> dict[str, Tensor]:
        transform, rpn, heads = self._network.transform, self._network.rpn, self._network.roi_heads
        sizes = self._sizes.of(index)
        pyramid = {name: level[index : index + 1] for name, level in self._pyramid.items()}
        wanted = [transform.resize(torch.empty(1, *sizes.original[0], device="meta"), dict(target))[1]]
        canvas = image_list(sizes)
        with _sampling(rpn, heads):
            proposals, losses = rpn(canvas, pyramid, wanted)
            _, more = heads(pyramid, proposals, canvas.image_sizes, wanted)
        return {**losses, **more}


# So that whatever walks through outputs finds the tensors in them.
register_pytree_node(Detections, lambda found: (list(found), None), lambda found, _: list(found))


def image_list(sizes: ImageSizes) -> "ImageList":
    """What torchvision's detectors ask images for, which are sizes alone: a batch without pixels."""
    from torchvision.models.detection.image_list import ImageList

    return ImageList(torch.empty(len(sizes.resized), 3, *sizes.padded, device="meta"), list(sizes.resized))


def sizes_of(originals: Sequence[Size], transform: "GeneralizedRCNNTransform") -> ImageSizes:
    """The sizes of a batch of images, from those before they are resized."""
    empty = [torch.empty(1, *size, device="meta") for size in originals]
    resized = [tuple(transform.resize(image)[0].shape[-2:]) for image in empty]
    batch = transform.batch_images([torch.empty(1, *size, device="meta") for size in resized])
    return ImageSizes(tuple(batch.shape[-2:]), tuple(resized), tuple(originals))


class _Measure(nn.Module):
    """Images to `ImageSizes`."""

    def __init__(self, transform: "GeneralizedRCNNTransform"):
        super().__init__()
        self.transform = transform

    def forward(self, images: Images) -> ImageSizes:
        return sizes_of([tuple(image.shape[-2:]) for image in images], self.transform)


class _Normalize(nn.Module):
    """uint8 images to the normalised, resized, padded float batch `(b, C, H, W)` that enters the backbone."""

    def __init__(self, transform: "GeneralizedRCNNTransform"):
        super().__init__()
        self.transform = transform

    def forward(self, images: Images) -> Tensor:
        scaled = [image if image.is_floating_point() else image / 255 for image in images]
        found: Tensor = self.transform(scaled)[0].tensors
        return found


class _Canvas(nn.Module):
    """`image_list` as a module, so that it stays one node of the graph."""

    def forward(self, sizes: ImageSizes) -> "ImageList":
        return image_list(sizes)


class _Finish(nn.Module):
    """Boxes in pixels of the resized images to `Detections`."""

    def __init__(self, network: "GeneralizedRCNN"):
        super().__init__()
        self._network = (network,)  # in a tuple: its parameters are registered once, by `Detector`

    def forward(
        self, found: list[dict[str, Tensor]], pyramid: dict[str, Tensor], sizes: ImageSizes
    ) -> Detections:
        (network,) = self._network
        rescaled = network.transform.postprocess(found, list(sizes.resized), list(sizes.original))
        return Detections(rescaled, network, pyramid, sizes)


@contextlib.contextmanager
def _sampling(*modules: Any) -> Iterator[None]:
    """Let proposals be sampled and losses computed; submodules, and their statistics, stay as they are."""
    modes = [module.training for module in modules]
    try:
        for module in modules:
            module.training = True
        yield
    finally:
        for module, mode in zip(modules, modes, strict=True):
            module.training = mode
