"""Single-stage detection: rows of boxes and scores to objects, COCO's mean average precision of them.

rows (b, n, 4 + labels) ──► the likely ones ──► non-maximum suppression, label by label ──► objects ──► mAP
                                                       in pixels of the image before its letterbox
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import generalized_box_iou_loss

from bottleneck.models.suppression import objects_of
from bottleneck.tasks.detection import DetectionMetrics
from bottleneck.tasks.objects import PACKED_SHAPE, unpack
from bottleneck.tasks.precision import OfObjects, judged

_BOX_WEIGHT = 5.0  # of boxes beside scores, as YOLOX was trained


class SingleStage(OfObjects):
    """Rows of boxes and scores per image (`models.rows.Rows`); targets are `tasks.objects.pack`'s arrays.

    Data come letterboxed, all of one size. Beside a feature crosses the image's size, so that boxes are given
    in its pixels.

    Attributes:
        name: What results call the task.
        metric: The metric that ranks operating points: mAP over IoU 0.5 to 0.95.

    Args:
        num_classes: Number of labels, the ground included.
        min_score: Boxes with a lower score are not looked at. Average precision wants all that may be right.
        overlap: IoU from which on the less sure of two boxes of one label is left out.
        most: Objects of one image at most.

    Raises:
        ValueError: If a number is out of its range.
    """

    name = "single_stage"
    metric = "map"

    def __init__(
        self, num_classes: int, min_score: float = 0.001, overlap: float = 0.65, most: int = 100
    ) -> None:
        if not 0 <= min_score < 1 or not 0 < overlap <= 1 or most < 1:
            raise ValueError(
                f"task.min_score={min_score}, task.overlap={overlap}, task.most={most}: give a score from "
                "0 to below 1, an overlap above 0 and at most 1, and at least 1 object."
            )
        self.num_classes = num_classes
        self.options: dict[str, Any] = {"min_score": min_score, "overlap": overlap, "most": most}

    def headers(self, target: Tensor) -> list[bytes]:
        if not isinstance(target, Tensor) or target.shape[1:] != PACKED_SHAPE:
            raise ValueError(
                "The targets are no objects of letterboxed images. Set data.letterbox to the network's side."
            )
        return [unpack(entry)[1].pack() for entry in target]

    def sizes(self, headers: list[bytes]) -> dict[str, Any]:
        return {}  # the tail's images have one size; boxes are rescaled behind it

    def check_output(self, output: Any, image: Tensor) -> None:
        expected = 4 + self.num_classes
        if not isinstance(output, Tensor) or output.dim() != 3 or output.shape[-1] != expected:
            found = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise ValueError(
                f"The network returns {found} for an image, single-stage detection of this data set takes "
                f"rows of {expected} values: a box and {self.num_classes} scores. Set model.rows, and "
                "model.labels or model.num_classes."
            )

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Nothing is learnt from labels: which row should find which object is not decided here.

        Raises:
            ValueError: Always; the message has what there is instead.
        """
        raise ValueError(
            "objective=task: a single-stage detector is trained to agree with the frozen one, not with "
            "labels. Use objective=logits, features, matching or distillation."
        )

    def divergence(self, output: Tensor, wanted: Tensor, temperature: float) -> Tensor:
        """How far rows are from those of the frozen network, `(b,)`; 0 where they are the same.

        A row counts by the larger of both networks' best score, so that neither the many rows without an
        object nor their number matter, and objects that only one of them sees do. In it: the divergence of
        every label's score, and `1 - GIoU` of the box where the frozen network sees something. Over the
        frozen network's scores, at least one.
        """
        sure = wanted[..., 4:].amax(-1)
        counts = torch.maximum(sure, output[..., 4:].detach().amax(-1))
        scores = _bernoulli(output[..., 4:], wanted[..., 4:], temperature).sum(-1)
        boxes = generalized_box_iou_loss(output[..., :4], wanted[..., :4])
        total = (counts * scores + _BOX_WEIGHT * sure * boxes).sum(-1)
        found: Tensor = total / sure.sum(-1).clamp_min(1)
        return found

    def metrics(self, prefix: str = "", synchronised: bool = True) -> "RowMetrics":
        """Fresh metrics in [0, 1]: `map` and `map50`."""
        return RowMetrics(prefix, synchronised, self.options)

    def scores(self, output: Tensor, target: Any) -> Tensor:
        """Each image's objects, judged, and how many there are of each label; see `precision.py`."""
        most, judgements = int(self.options["most"]), []
        for rows, packed in zip(output, target, strict=True):
            wanted, image = unpack(packed)
            found = objects_of(rows, image, **self.options)
            judgements.append(judged(found, wanted, most, self.num_classes))
        return torch.stack(judgements)


class RowMetrics(DetectionMetrics):
    """`DetectionMetrics` of rows.

    Args:
        prefix: Put before the metrics' names.
        synchronised: Whether a distributed run computes them over all processes.
        options: Of `objects_of`.
    """

    def __init__(self, prefix: str, synchronised: bool, options: dict[str, Any]):
        super().__init__(False, prefix, synchronised)
        self.options = options

    def update(self, output: Any, target: Any) -> None:
        wanted, images = zip(*map(unpack, target), strict=True)
        found = [objects_of(rows, image, **self.options) for rows, image in zip(output, images, strict=True)]
        super().update(found, wanted)


def _bernoulli(given: Tensor, wanted: Tensor, temperature: float) -> Tensor:
    """Divergence of the probabilities that are given from those that are wanted, both softened."""
    logits, aim = (value.clamp(1e-6, 1 - 1e-6).logit() / temperature for value in (given, wanted))
    softened = aim.sigmoid()
    cross = F.binary_cross_entropy_with_logits(logits, softened, reduction="none")
    own = F.binary_cross_entropy_with_logits(aim, softened, reduction="none")
    return temperature**2 * (cross - own)
