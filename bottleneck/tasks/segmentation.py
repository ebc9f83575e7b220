"""Semantic segmentation: one class per pixel, mean intersection over union."""

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassJaccardIndex

from bottleneck.tasks.base import Logits, OneSize
from bottleneck.tasks.intervals import Interval, middle, resamples

_RESAMPLES = 1000  # of the bootstrap; its ends then vary by a few hundredths of the interval


class Segmentation(Logits, OneSize):
    """One class per pixel; outputs are logits `(b, num_classes, H, W)`, targets classes `(b, H, W)`.

    Attributes:
        name: What results call the task.
        metric: The metric that ranks operating points.

    Args:
        num_classes: Number of classes, the background included.
        ignore_index: Class of pixels that are not judged, as VOC's and COCO's masks have it. It may be one of
            the network's classes, as in CamVid: judged pixels that are taken for it are wrong, and it has no
            part in the mean.
    """

    name = "segmentation"
    metric = "miou"

    def __init__(self, num_classes: int, ignore_index: int = 255):
        self.num_classes = num_classes
        self.ignore_index = ignore_index

    def check_output(self, output: Any, image: Tensor) -> None:
        expected = (1, self.num_classes, *image.shape[-2:])
        if not isinstance(output, Tensor) or tuple(output.shape) != expected:
            found = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise ValueError(
                f"The network returns {found} for an image, segmentation of this data set takes logits of "
                f"shape {expected}. Set model.num_classes and its weights, and model.output to the name of "
                "the logits where the network returns a dictionary."
            )

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Mean cross-entropy of each image's judged pixels, `(b,)`; 0 where there are none."""
        total = F.cross_entropy(output, target.long(), ignore_index=self.ignore_index, reduction="none")
        judged = target != self.ignore_index
        return total.flatten(1).sum(1) / judged.flatten(1).sum(1).clamp_min(1)

    def metrics(self, prefix: str = "", synchronised: bool = True) -> MetricCollection:
        """Fresh metrics in [0, 1]: `miou`, which ranks, and the accuracy of single pixels.

        mIoU is that of the confusion matrix of all images together, averaged over the classes that occur in
        targets or outputs.
        """
        options: dict[str, Any] = {
            "num_classes": self.num_classes,
            "ignore_index": self.ignore_index,
            "sync_on_compute": synchronised,
        }
        metrics: dict[str, Metric | MetricCollection] = {
            "miou": MulticlassJaccardIndex(average="macro", **options),
            "pixel_accuracy": MulticlassAccuracy(average="micro", **options),
        }
        return MetricCollection(metrics, prefix=prefix)

    def scores(self, output: Tensor, target: Tensor) -> Tensor:
        """Each image's confusion matrix: judged pixels by class and predicted class, `(b, K, K)`, int32."""
        classes = self.num_classes
        judged = target != self.ignore_index
        image = torch.arange(len(target), device=target.device)[:, None, None]
        cells = (image * classes + target.long()) * classes + output.argmax(1)
        counts = torch.bincount(cells[judged], minlength=len(target) * classes**2)
        return counts.reshape(-1, classes, classes).int()

    def sureness(self, output: Tensor) -> Tensor:
        """Not of an image: each pixel has an answer of its own."""
        return torch.empty(len(output), 0)

    def interval(self, scores: np.ndarray, value: float) -> Interval:
        """From resampled images: a mean over classes of ratios over images is no mean over images."""
        return middle(_resampled(scores, self.ignore_index), value)

    def drop_interval(self, reference: np.ndarray, scores: np.ndarray) -> Interval:
        """Both outputs are judged on the same resampled images."""
        ignored = self.ignore_index
        drop = mean_iou(reference.sum(0), ignored) - mean_iou(scores.sum(0), ignored)
        return middle(_resampled(reference, ignored) - _resampled(scores, ignored), float(drop))


def mean_iou(confusion: np.ndarray, ignored: int) -> np.ndarray:
    """Mean intersection over union of confusion matrices `(..., K, K)`, over the classes that occur.

    Args:
        confusion: Judged pixels by class and predicted class.
        ignored: Class that has no part in the mean; any number beyond the classes: all have.
    """
    intersection = np.diagonal(confusion, axis1=-2, axis2=-1)
    union = confusion.sum(-1) + confusion.sum(-2) - intersection
    occurs = (union > 0) & (np.arange(confusion.shape[-1]) != ignored)
    ratios = np.divide(intersection, union, out=np.zeros_like(union, np.float64), where=occurs)
    mean: np.ndarray = ratios.sum(-1) / occurs.sum(-1).clip(1)
    return mean


def _resampled(scores: np.ndarray, ignored: int) -> np.ndarray:
    """The mIoU of bootstrap samples of the images, the same samples for every call on as many images."""
    n, classes, _ = scores.shape
    confusions = resamples(n, _RESAMPLES) @ scores.reshape(n, -1)
    return mean_iou(confusions.reshape(_RESAMPLES, classes, classes), ignored)
