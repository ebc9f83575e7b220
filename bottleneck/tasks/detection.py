"""Object detection: the detector's own losses, COCO's mean average precision of boxes and masks."""

import logging
from collections.abc import Sequence
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torchmetrics.detection import MeanAveragePrecision

from bottleneck.codecs.image_sizes import IMAGE_SIZES, ImageSizes
from bottleneck.models.detection import Detections
from bottleneck.tasks.precision import OfObjects, judged

_MOST = 100  # boxes of an image that intervals look at, the surest; COCO judges as many of each label

Found = dict[str, Tensor]


class Detection(OfObjects):
    """A list of objects per image; outputs and targets are lists of dictionaries, as torchvision has them.

    Targets hold `boxes`, `labels`, `masks` where masks are judged, and the image's `sizes` (`ImageSizes`).

    Attributes:
        name: What results call the task.
        metric: The metric that ranks operating points: mAP over IoU 0.5 to 0.95.

    Args:
        num_classes: Number of classes, the ground included.
        masks: Whether masks are judged as well; the network has to make them.
    """

    name = "detection"
    metric = "map"

    def __init__(self, num_classes: int, masks: bool = False):
        self.num_classes = num_classes
        self.masks = masks

    def headers(self, target: Sequence[dict[str, Any]]) -> list[bytes]:
        if any("sizes" not in entry for entry in target):
            raise ValueError(
                "The targets have no sizes of their images, which the head leaves there. Head and tail of a "
                "detector cannot be trained: use trainable=bottleneck."
            )
        return [entry["sizes"].pack() for entry in target]

    def sizes(self, headers: list[bytes]) -> dict[str, Any]:
        return {IMAGE_SIZES: ImageSizes.joined([ImageSizes.unpack(header) for header in headers])}

    def check_output(self, output: Any, image: Tensor) -> None:
        if not isinstance(output, list) or len(output) != 1 or "boxes" not in output[0]:
            raise ValueError(
                f"The network returns {type(output).__name__} for an image; detection takes a list with a "
                "dictionary of boxes, labels and scores. Use one of torchvision's detectors."
            )
        if self.masks and "masks" not in output[0]:
            raise ValueError("The network makes no masks. Set task.masks=false, or use a Mask R-CNN.")

    def loss(self, output: Detections, target: Sequence[Found]) -> Tensor:
        """Sum of the losses that trained the detector, for each image, `(b,)`; crowds are not learnt from."""
        losses = output.losses([_single(entry) for entry in target])
        return torch.stack(list(losses.values())).sum(0)

    def divergence(self, output: Any, wanted: Any, temperature: float) -> Tensor:
        """Lists of objects have no distance.

        Raises:
            ValueError: Always; the message has what there is instead.
        """
        raise ValueError(
            "objective=logits: a detector returns objects, which are no logits. Use objective=distillation, "
            "pyramid, features, matching or task."
        )

    def metrics(self, prefix: str = "", synchronised: bool = True) -> "DetectionMetrics":
        """Fresh metrics in [0, 1]: `map`, `map50`, and `mask_map`, `mask_map50` where masks are judged."""
        return DetectionMetrics(self.masks, prefix, synchronised)

    def scores(self, output: Sequence[Found], target: Any) -> Tensor:
        """Each image's found boxes, judged, and how many there are of each label; see `precision.py`."""
        images = zip(output, target, strict=True)
        return torch.stack([judged(found, wanted, _MOST, self.num_classes) for found, wanted in images])


class DetectionMetrics(nn.Module):
    """COCO's average precision through torchmetrics, computed by faster-coco-eval.

    Args:
        masks: Whether masks are judged as well.
        prefix: Put before the metrics' names.
        synchronised: Whether a distributed run computes them over all processes.
    """

    def __init__(self, masks: bool, prefix: str, synchronised: bool):
        super().__init__()
        self.masks, self.prefix = masks, prefix
        kinds: dict[Literal["bbox", "segm"], str] = {"bbox": ""}
        if masks:
            kinds["segm"] = "mask_"
        self.precisions = nn.ModuleDict(
            {
                f"of_{named}boxes": MeanAveragePrecision(
                    iou_type=kind, backend="faster_coco_eval", sync_on_compute=synchronised
                )
                for kind, named in kinds.items()
            }
        )

    def update(self, output: Sequence[Found], target: Sequence[Found]) -> None:
        """Count a batch."""
        keys = ("boxes", "labels", "scores", "iscrowd", "area") + (("masks",) if self.masks else ())
        found, wanted = (
            [{key: _as_judged(key, entry[key]) for key in keys if key in entry} for entry in batch]
            for batch in (output, target)
        )
        for precision in self._by_name().values():
            precision.update(found, wanted)

    def compute(self) -> dict[str, Tensor]:
        """The metrics by name; 0 where there was nothing to be found."""
        values = {}
        # Left to itself, the library logs a table of twelve lines with every value.
        logging.getLogger("faster_coco_eval").setLevel(logging.WARNING)
        for name, precision in self._by_name().items():
            found = precision.compute()
            named = name.removeprefix("of_").removesuffix("boxes")
            for key in ("map", "map_50"):
                values[f"{self.prefix}{named}{key.replace('_', '')}"] = found[key].clamp(min=0)
        return values

    def _by_name(self) -> dict[str, MeanAveragePrecision]:
        return cast(dict[str, MeanAveragePrecision], dict(self.precisions.items()))

    def reset(self) -> None:
        """Forget what was counted."""
        for precision in self._by_name().values():
            precision.reset()


def _as_judged(key: str, value: Tensor) -> Tensor:
    """Masks as booleans `(k, H, W)`: detectors return the probability of each pixel, `(k, 1, H, W)`."""
    if key != "masks":
        return value.detach()
    return value[:, 0] > 0.5 if value.dim() == 4 else value.bool()


def _single(target: Found) -> Found:
    """What a detector learns from: single objects, and of them boxes, labels and masks."""
    crowd = target.get("iscrowd", torch.zeros_like(target["labels"])).bool()
    return {key: target[key][~crowd] for key in ("boxes", "labels", "masks") if key in target}
