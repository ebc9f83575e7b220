"""Detectors of one stage: RetinaNet, FCOS and SSD, whose one head looks at every place of the pyramid.

    pyramid ──► head ──► scores and offsets ──► anchors, suppression ──► boxes in image pixels

What follows the head is the network's own `forward`, to which transform, backbone and head are given as done.
"""

import copy
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from bottleneck.codecs.image_sizes import ImageSizes
from bottleneck.models.detection import Detections, Detector, Images, Losses, found_by, image_list, in_resized


class OneStage(Detector):
    """RetinaNet, FCOS or SSD, as torchvision builds them; see `Detector`."""

    opaque = ("image_sizes", "normalize", "network.head", "finish")

    def __init__(self, network: nn.Module, name: str, input_shape: tuple[int, int, int]):
        super().__init__(network, name, input_shape)
        self.finish = _Finish(network)

    def find_all(self) -> None:
        self.network.score_thresh = -1.0

    def forward(self, images: Images) -> Detections:
        """Detect objects.

        Args:
            images: uint8 (or float in [0, 1]) images C×H×W of any sizes, or a batch `(b, C, H, W)`.
        """
        sizes = self.image_sizes(images)
        features = self.pyramid(images)
        found: Detections = self.finish(self.network.head(list(features.values())), features, sizes)
        return found


class _Finish(nn.Module):
    """What the head says to `Detections`."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self._network = (network,)  # in a tuple: its parameters are registered once, by `Detector`

    def forward(self, said: dict[str, Tensor], pyramid: dict[str, Tensor], sizes: ImageSizes) -> Detections:
        (network,) = self._network
        rest, images = _behind_the_head(network, said, pyramid, sizes)
        losses = partial(_losses, network, said, pyramid, sizes)
        return Detections(rest(images), pyramid, losses, partial(_identifying, network, said))


def _identifying(network: Any, said: dict[str, Tensor]) -> list[Tensor]:
    """What the head says of the pyramid, and what boxes are found by."""
    own = ("nms_thresh", "detections_per_img", "topk_candidates")  # `find_all` changes the score
    settings = found_by(network.transform, network.anchor_generator, network.box_coder, (network, own))
    return [*said.values(), settings]


def _losses(
    network: Any,
    said: dict[str, Tensor],
    pyramid: dict[str, Tensor],
    sizes: ImageSizes,
    index: int,
    target: dict[str, Tensor],
) -> Losses:
    """Of classes, boxes and what else the head says, of one image."""
    said = {name: of_all[index : index + 1] for name, of_all in said.items()}
    features = {name: level[index : index + 1] for name, level in pyramid.items()}
    rest, images = _behind_the_head(network, said, features, sizes.of(index), [target])
    rest.training = True  # of the copy alone
    losses: Losses = rest(images, [target])
    return losses


def _behind_the_head(
    network: Any,
    said: dict[str, Tensor],
    pyramid: dict[str, Tensor],
    sizes: ImageSizes,
    targets: Sequence[dict[str, Tensor]] = (),
) -> tuple[nn.Module, list[Tensor]]:
    """The network with its first steps done, and images that have nothing but their sizes."""
    wanted = [in_resized(target, sizes, network.transform) for target in targets]
    rest = copy.copy(network)
    rest._modules = {
        **network._modules,
        "transform": _done(network.transform, (image_list(sizes), wanted)),
        "backbone": _done(network.backbone, pyramid),
        "head": _done(network.head, said),
    }
    return rest, [torch.empty(3, *size, device="meta") for size in sizes.original]


def _done(module: nn.Module, output: Any) -> nn.Module:
    """The module, where it has run already; whatever else it does is as it was."""
    done = copy.copy(module)
    done.forward = lambda *_: output
    return done
