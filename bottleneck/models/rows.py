"""Rows of single-stage detectors, whoever made the network, as one kind of rows.

    (b, n, box, [objectness], classes) ──► decoder, by name ──► (b, n, 4 + labels)
                                                                 corners in pixels, score of each label

A task therefore knows nothing of strides, of cells, or of the order in which a library puts things.
"""

import difflib
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_STRIDES = (8, 16, 32)  # pixels of a cell, level by level
_LARGEST = 10.0  # exponent of a box's side: more would be infinite where a feature is no feature

#: COCO's categories as it numbers them, in the order in which networks have its 80 classes.
COCO_LABELS = (
    *range(1, 12), *range(13, 26), 27, 28, *range(31, 45), *range(46, 66), 67, 70, *range(72, 83),
    *range(84, 91),
)  # fmt: skip


class RowFormat(NamedTuple):
    """What a row of a network holds.

    Attributes:
        objectness: Whether a value before the classes says that there is an object; scores are its products.
        corners: Whether a box is left, top, right, bottom; else centre x, y, width, height.
        across: Whether rows are the last axis, `(b, values, n)`, and not the second.
        cells: Whether boxes are relative to their cell: offsets from its corner in sides of the cell, and
            logarithms of width and height; cells of strides 8, 16 and 32 of a square image, line by line.
    """

    objectness: bool
    corners: bool = False
    across: bool = False
    cells: bool = False


#: Formats by name; boxes are in pixels of the network's input, distributions over distances already read.
FORMATS = {
    "yolox": RowFormat(objectness=True, cells=True),
    "yolov5": RowFormat(objectness=True),
    "yolov8": RowFormat(objectness=False, across=True),
    "corners": RowFormat(objectness=False, corners=True),
}


class Rows(nn.Module):
    """A network's rows as `(b, n, 4 + labels)`: corners in pixels of its input, then a score for each label.

    Label 0 is the ground, as in torchvision's detectors, and scores 0; so does every label that no class has.

    Args:
        name: Of `FORMATS`.
        labels: The data set's number for each of the network's classes; `None`: COCO's where there are 80
            classes, else 1, 2, 3, ...

    Raises:
        ValueError: If there is no such format, or labels are below 1 or not different. When called: if there
            are not as many classes as labels, or cells are not those of a square image.
    """

    def __init__(self, name: str, labels: Sequence[int] | None = None):
        super().__init__()
        if name not in FORMATS:
            near = difflib.get_close_matches(name, FORMATS, 1, 0.4)
            raise ValueError(
                f"model.rows={name!r} is unknown. Choose one of {sorted(FORMATS)}; near: {near}."
            )
        labels = None if labels is None else tuple(labels)
        if labels is not None and (len(set(labels)) != len(labels) or min(labels, default=0) < 1):
            raise ValueError(f"model.labels={list(labels)!s:.80} must be different numbers from 1 on.")
        self.name, self.labels = name, labels
        self._format = FORMATS[name]

    def extra_repr(self) -> str:
        return f"{self.name}, labels={self.labels}"

    def forward(self, output: Any) -> Tensor:
        while isinstance(output, (tuple, list)):  # some return beside the rows what they were made of
            output = output[0]
        rows = output.transpose(1, 2) if self._format.across else output
        box, first = rows[..., :4], 4 + self._format.objectness
        scores = rows[..., first:]
        if self._format.objectness:
            scores = scores * rows[..., 4:5]
        if self._format.cells:
            box = _out_of_cells(box)
        if not self._format.corners:
            centre, half = box[..., :2], box[..., 2:] / 2
            box = torch.cat((centre - half, centre + half), -1)
        return torch.cat((box, self._by_label(scores)), -1)

    def identifying(self, rows: Tensor) -> list[Tensor]:
        """Logarithms of each label's best score, which boxes in pixels hide."""
        return [rows[..., 4:].amax(-2).double().clamp(min=1e-30).log()]

    def _by_label(self, scores: Tensor) -> Tensor:
        classes = scores.shape[-1]
        labels = default_labels(classes) if self.labels is None else self.labels
        if len(labels) != classes:
            raise ValueError(
                f"model.labels names {len(labels)} classes, the network tells {classes} apart. Give all."
            )
        column = {label: number for number, label in enumerate(labels, 1)}  # 0: nobody's
        index = [column.get(label, 0) for label in range(max(labels) + 1)]
        return F.pad(scores, (1, 0)).index_select(-1, torch.tensor(index, device=scores.device))


def default_labels(classes: int) -> tuple[int, ...]:
    """The labels of a network that nobody gave any: COCO's where it has as many classes, else 1, 2, 3, ..."""
    return COCO_LABELS if classes == len(COCO_LABELS) else tuple(range(1, classes + 1))


def _out_of_cells(box: Tensor) -> Tensor:
    """Boxes relative to their cells, in pixels of the network's input."""
    side = math.isqrt(box.shape[-2] * _STRIDES[-1] ** 2 // 21)  # a cell of the largest holds 16 + 4 + 1
    counts = [side // stride for stride in _STRIDES]
    if sum(count**2 for count in counts) != box.shape[-2]:
        raise ValueError(
            f"{box.shape[-2]} rows are not those of a square image with sides of a multiple of 32. Set "
            "data.letterbox to such a side, such as 416."
        )
    axes = [torch.arange(count, device=box.device) for count in counts]
    corner = torch.cat([torch.cartesian_prod(axis, axis).flip(-1) for axis in axes]).to(box.dtype)
    stride = torch.cat(
        [
            torch.full((count**2, 1), stride, device=box.device)
            for count, stride in zip(counts, _STRIDES, strict=True)
        ]
    ).to(box.dtype)
    return torch.cat(((box[..., :2] + corner) * stride, box[..., 2:].clamp(max=_LARGEST).exp() * stride), -1)
