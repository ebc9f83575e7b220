"""A small Mask R-CNN for scenes of handwritten digits.

    conv1 /2 ─ maxpool /2 ─ layer1 ─┬─ layer2 /2 ─┬─ pool /2      strides 4, 8, 16
    32×32×32   32×16×16    64×16×16 │  128×8×8    │
                                    └── pyramid ──┴──► RPN, RoI heads

Built like torchvision's large ones: the pyramid branches off behind `layer1`, so that is the last closed cut.
"""

from torch import nn
from torchvision.models.detection import MaskRCNN
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.rpn import AnchorGenerator
from torchvision.ops import MultiScaleRoIAlign

from bottleneck.models.embedded.blocks import Block

SIDE = 64
_CLASSES, _PYRAMID = 11, 64


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
    """The network, with weights drawn at random."""
    body = _Body()
    backbone = BackboneWithFPN(body, {"layer1": "0", "layer2": "1"}, [64, 128], _PYRAMID)
    ratios = ((1.0, 1.5, 2.0),) * 3  # digits are higher than wide
    return MaskRCNN(
        backbone,
        min_size=SIDE,
        max_size=2 * SIDE,
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
