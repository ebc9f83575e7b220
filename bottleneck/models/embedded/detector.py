"""`scenes_detector`: a small Mask R-CNN for scenes of handwritten digits.

    conv1 /2 ─ maxpool /2 ─ layer1 ─┬─ layer2 /2 ─┬─ pool /2      strides 4, 8, 16
    32×32×32   32×16×16    64×16×16 │  128×8×8    │
                                    └── pyramid ──┴──► RPN, RoI heads

Built like torchvision's large ones: the pyramid branches off behind `layer1`, so that is the last closed cut.
"""

import torch
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.rpn import AnchorGenerator
from torchvision.ops import MultiScaleRoIAlign

from bottleneck.models.detection import Detector
from bottleneck.models.embedded.blocks import Block
from bottleneck.models.embedded.first_use import Embedded, fit, reproducible

_SIDE, _CLASSES, _PYRAMID = 64, 11, 64
_EPOCHS, _BATCH, _PEAK_LR, _SEED = 2, 16, 3e-3, 0


class _Body(nn.Module):
    """The backbone below the pyramid: ResNet's stem and two of its layers, one block each."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 32, 5, 2, padding=2, bias=False)
        self.bn1 = nn.BatchNorm2d(32)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        self.layer1 = nn.Sequential(Block(32, 64, 1), Block(64, 64, 1))
        self.layer2 = nn.Sequential(Block(64, 128, 2), Block(128, 128, 1))


def build_rcnn() -> MaskRCNN:
    """The network, untrained."""
    body = _Body()
    backbone = BackboneWithFPN(body, {"layer1": "0", "layer2": "1"}, [64, 128], _PYRAMID)
    ratios = ((1.0, 1.5, 2.0),) * 3  # digits are higher than wide
    return MaskRCNN(
        backbone,
        min_size=_SIDE,
        max_size=2 * _SIDE,
        image_mean=[0.2] * 3,
        image_std=[0.25] * 3,
        rpn_anchor_generator=AnchorGenerator(((14,), (20,), (28,)), ratios),
        rpn_pre_nms_top_n_train=100,
        rpn_post_nms_top_n_train=50,
        rpn_pre_nms_top_n_test=100,
        rpn_post_nms_top_n_test=30,
        rpn_batch_size_per_image=64,
        box_roi_pool=MultiScaleRoIAlign(["0", "1"], 7, 2),
        box_head=TwoMLPHead(_PYRAMID * 49, 128),
        box_predictor=FastRCNNPredictor(128, _CLASSES),
        box_batch_size_per_image=32,
        box_detections_per_img=10,
        mask_roi_pool=MultiScaleRoIAlign(["0", "1"], 14, 2),
        mask_head=MaskRCNNHeads(_PYRAMID, (32, 32), 1),
        mask_predictor=MaskRCNNPredictor(32, 32, _CLASSES),
    )


def _build() -> Detector:
    return Detector(build_rcnn(), "scenes_detector", (3, _SIDE, _SIDE))


def _train(detector: Detector) -> None:
    """Train on the scenes' training images."""
    from bottleneck.data.scenes import DetectionScenes  # here, because inference must not import Lightning

    samples = DetectionScenes(holdout=0).subset("train")
    scenes = [samples[index] for index in range(len(samples))]

    def loss(chosen: Tensor) -> Tensor:
        images, targets = zip(*(scenes[index] for index in chosen.tolist()), strict=True)
        losses = detector.network([image / 255 for image in images], list(targets))
        return torch.stack(list(losses.values())).sum()

    with reproducible(_SEED):
        detector.network.load_state_dict(build_rcnn().state_dict())  # drawn from the seed
        fit(detector, len(scenes), loss, _EPOCHS, _BATCH, _PEAK_LR, "Training the detector")


#: About two minutes on one core; mAP 0.77, mAP50 0.97 and mask mAP 0.48 on the scenes of val.
SCENES_DETECTOR = Embedded("scenes_detector-1", _build, _train)
