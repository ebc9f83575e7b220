"""R-CNNs in steps: proposals from the pyramid, then what each of them holds.

pyramid ──► RPN ──► proposals ──► RoI heads ──► boxes of the resized images ──► boxes in image pixels
"""

import contextlib
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from bottleneck.codecs.image_sizes import ImageSizes
from bottleneck.models.detection import Detections, Detector, Images, Losses, found_by, image_list, in_resized

if TYPE_CHECKING:
    from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN
    from torchvision.models.detection.image_list import ImageList


class RCNN(Detector):
    """Faster, Mask or Keypoint R-CNN; see `Detector`."""

    opaque = ("image_sizes", "normalize", "canvas", "network.rpn", "network.roi_heads", "roi_heads")

    def __init__(self, network: "GeneralizedRCNN", name: str, input_shape: tuple[int, int, int]):
        super().__init__(network, name, input_shape)
        self.canvas = _Canvas()
        self.roi_heads = _Finish(network)  # their last step; the network's own come before

    def find_all(self) -> None:
        self.network.roi_heads.score_thresh = -1.0

    def forward(self, images: Images) -> Detections:
        """Detect objects.

        Args:
            images: uint8 (or float in [0, 1]) images C×H×W of any sizes, or a batch `(b, C, H, W)`.
        """
        sizes = self.image_sizes(images)
        features = self.pyramid(images)
        canvas = self.canvas(sizes)
        proposals = self.network.rpn(canvas, features)[0]
        found = self.network.roi_heads(features, proposals, canvas.image_sizes)[0]
        detections: Detections = self.roi_heads(found, features, sizes)
        return detections


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
        identifying = partial(_identifying, network, pyramid, sizes)
        return Detections(rescaled, pyramid, partial(_losses, network, pyramid, sizes), identifying)


def _losses(
    network: Any, pyramid: dict[str, Tensor], sizes: ImageSizes, index: int, target: dict[str, Tensor]
) -> Losses:
    """Of proposals, classes, boxes and masks of one image."""
    rpn, heads, own = network.rpn, network.roi_heads, sizes.of(index)
    features = {name: level[index : index + 1] for name, level in pyramid.items()}
    wanted, canvas = [in_resized(target, own, network.transform)], image_list(own)
    with _sampling(rpn, heads):
        proposals, losses = rpn(canvas, features, wanted)
        _, more = heads(features, proposals, canvas.image_sizes, wanted)
    return {**losses, **more}


def _identifying(network: Any, pyramid: dict[str, Tensor], sizes: ImageSizes) -> list[Tensor]:
    """What the RPN says of the pyramid, what each head says of whole images, and what both find boxes by."""
    rpn, heads = network.rpn, network.roi_heads
    objectness, deltas = rpn.head(list(pyramid.values()))
    some = next(iter(pyramid.values()))
    whole = [some.new_tensor([[0, 0, width, height]]) for height, width in sizes.resized]
    said: list[Any] = [objectness, deltas]
    for kind in ("box", "mask", "keypoint"):
        if (pool := getattr(heads, f"{kind}_roi_pool", None)) is not None:
            pooled = getattr(heads, f"{kind}_head")(pool(pyramid, whole, list(sizes.resized)))
            said.append(getattr(heads, f"{kind}_predictor")(pooled))
    settings = found_by(
        network.transform,
        rpn.anchor_generator,
        rpn.box_coder,
        (rpn, ("nms_thresh", "min_size", "score_thresh", "_pre_nms_top_n", "_post_nms_top_n")),
        (heads, ("nms_thresh", "detections_per_img")),  # `find_all` changes the score
        (heads.box_coder, ("weights",)),
    )
    return [*tree_leaves(said), settings]


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
