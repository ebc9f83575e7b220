"""Image classification: cross-entropy, top-1 and top-5 accuracy."""

from typing import Any

import numpy as np
from torch import Tensor
from torch.nn import functional as F
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy

from bottleneck.tasks.base import Logits, OneSize
from bottleneck.tasks.intervals import Interval, paired_interval, proportion_interval


class Classification(Logits, OneSize):
    """One label per image.

    Attributes:
        name: What results call the task.
        metric: The metric that ranks operating points.

    Args:
        num_classes: Number of classes; logits have shape `(b, num_classes)`.

    Raises:
        ValueError: If there are not two.
    """

    name = "classification"
    metric = "accuracy_top1"

    def __init__(self, num_classes: int):
        if num_classes < 2:
            raise ValueError(
                f"The data set has {num_classes} class, and any answer is right. Name one with two classes "
                "or more, such as data.root=FOLDER with a folder for each."
            )
        self.num_classes = num_classes

    def check_output(self, output: Any, image: Tensor) -> None:
        if not isinstance(output, Tensor) or tuple(output.shape) != (1, self.num_classes):
            found = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise ValueError(
                f"The network returns {found} for an image, the data set has {self.num_classes} classes. "
                "Set model.logits to the classes' indices, or model.num_classes and its weights; "
                "model.output to the logits' name where the network returns several things; for one that "
                "returns rows of boxes, task=single_stage."
            )

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy of each sample, `(b,)`."""
        return F.cross_entropy(logits, labels, reduction="none")

    def metrics(self, prefix: str = "", synchronised: bool = True) -> MetricCollection:
        """Fresh metrics in [0, 1]: top-1, which ranks, and top-5 where there are more than five classes.

        Args:
            prefix: Put before the metrics' names.
            synchronised: Whether a distributed run computes them over all processes.
        """
        options: dict[str, Any] = {"average": "micro", "sync_on_compute": synchronised}
        top: dict[str, Metric | MetricCollection] = {
            "accuracy_top1": MulticlassAccuracy(self.num_classes, top_k=1, **options)
        }
        if self.num_classes > 5:
            top["accuracy_top5"] = MulticlassAccuracy(self.num_classes, top_k=5, **options)
        return MetricCollection(top, prefix=prefix)

    def scores(self, logits: Tensor, labels: Tensor) -> Tensor:
        """1 for each sample classified correctly, else 0; the paired intervals are computed from these."""
        return (logits.argmax(1) == labels).float()

    def sureness(self, logits: Tensor) -> Tensor:
        """The probability that the network gives its answer, `(b,)`."""
        return logits.float().softmax(1).amax(1)

    def interval(self, scores: np.ndarray, value: float) -> Interval:
        return proportion_interval(value, len(scores))

    def drop_interval(self, reference: np.ndarray, scores: np.ndarray) -> Interval:
        return paired_interval(reference, scores)
