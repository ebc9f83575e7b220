"""Average precision of resampled images, hence how sure a detector's mean average precision is.

image ──► its objects, matched to what is there ──► one row of numbers ──┬─► rows of all images, each counted
image ──► ...                                   ──► one row of numbers ──┘   0, 1, 2, ... times ──► precision

As COCO judges: ten IoUs from 0.5 to 0.95, precision at 101 recalls, crowds forgive.
Source: the bootstrap over images, as for mIoU; the library that makes the metric judges one set of images.
"""

from collections.abc import Mapping, Sized

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import box_area, box_iou

from bottleneck.tasks.intervals import Interval, middle, resamples

_OVERLAPS = np.linspace(0.5, 0.95, 10)
_RECALLS = np.linspace(0, 1, 101)
_RESAMPLES = 400  # of the bootstrap; those of a hundred photographs take a second
_FIELDS = 2 + len(_OVERLAPS)  # of one found object: score, label, and what it is at each IoU
_RIGHT, _WRONG, _FORGIVEN = 1.0, 0.0, -1.0


class OfObjects:
    """Part of tasks whose outputs are the objects in images, with scores that `judged` makes.

    Attributes:
        num_classes: Number of labels, the ground included.
    """

    num_classes: int

    def sureness(self, output: Sized) -> Tensor:
        """Not of an image: each object has a score of its own."""
        return torch.empty(len(output), 0)

    def interval(self, scores: np.ndarray, value: float) -> Interval:
        """From resampled images: average precision ranks the boxes of all images together."""
        return precision_interval(scores, self.num_classes, value)

    def drop_interval(self, reference: np.ndarray, scores: np.ndarray) -> Interval:
        """Both networks are judged on the same resampled images."""
        return precision_drop_interval(reference, scores, self.num_classes)


def judged(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], most: int, labels: int) -> Tensor:
    """What one image contributes.

    Args:
        found: `boxes` (left, top, right, bottom), `labels` and `scores`.
        wanted: `boxes`, `labels`, and `iscrowd` where there are crowds.
        most: Found objects that count at most, the surest.
        labels: Number of labels, the ground included.

    Returns:
        float32 `(most * 12 + labels,)`: found objects by falling score, then how many objects of each label
        are there.
    """
    crowd = wanted.get("iscrowd", torch.zeros_like(wanted["labels"])).bool()
    order = found["scores"].argsort(descending=True, stable=True)[:most]
    boxes, names = found["boxes"][order], found["labels"][order]
    shared = box_iou(boxes, wanted["boxes"])
    if crowd.any():  # of a crowd, any part will do: the share of the found box counts
        areas, there = box_area(boxes)[:, None], box_area(wanted["boxes"])[None]
        shared = torch.where(crowd, shared / (1 + shared) * (areas + there) / areas.clamp_min(1e-9), shared)
    shared = torch.where(names[:, None] == wanted["labels"][None], shared, -1.0)
    rows = torch.zeros(most, _FIELDS)
    rows[: len(order), 0], rows[: len(order), 1] = found["scores"][order], names.float()
    rows[: len(order), 2:] = torch.from_numpy(_matched(shared.double().numpy(), crowd.numpy())).float()
    counts = torch.bincount(wanted["labels"][~crowd], minlength=labels).float()
    return torch.cat([rows.flatten(), counts])


def precision_interval(scores: np.ndarray, labels: int, value: float) -> Interval:
    """95 % interval of the mean average precision of images that `judged` has seen, `(n, ...)`."""
    return middle(_resampled(scores, labels), value)


def precision_drop_interval(reference: np.ndarray, scores: np.ndarray, labels: int) -> Interval:
    """The like of `reference` less `scores`: both on the same resampled images."""
    ones = np.ones((1, len(scores)))
    drop = mean_precision(reference, labels, ones) - mean_precision(scores, labels, ones)
    return middle(_resampled(reference, labels) - _resampled(scores, labels), float(drop[0]))


def mean_precision(scores: np.ndarray, labels: int, times: np.ndarray) -> np.ndarray:
    """Mean average precision over IoUs and the labels that occur.

    Args:
        scores: Of `judged`, `(n, ...)`.
        labels: As there.
        times: How often each image counts, `(resamples, n)`.

    Returns:
        `(resamples,)`; 0 where nothing is there.
    """
    rows, counts = scores[:, :-labels].reshape(len(scores), -1, _FIELDS), scores[:, -labels:]
    total, occurring = np.zeros(len(times)), np.zeros(len(times))
    for label in np.flatnonzero(counts.any(0)):
        there = times @ counts[:, label]
        image, place = ((rows[..., 0] > 0) & (rows[..., 1] == label)).nonzero()
        order = np.argsort(-rows[image, place, 0], kind="stable")
        image, place = image[order], place[order]
        matches = rows[image, place, 2:].T
        precisions = [_average(times, image, at_overlap, there) for at_overlap in matches]
        total += np.where(there > 0, np.mean(precisions, 0), 0)
        occurring += there > 0
    mean: np.ndarray = total / occurring.clip(1)
    return mean


def _matched(shared: np.ndarray, crowd: np.ndarray) -> np.ndarray:
    """At each IoU, what found objects are: each takes the best object that is left, the surest first."""
    result = np.zeros((len(shared), len(_OVERLAPS)))
    left = np.broadcast_to(~crowd, (len(_OVERLAPS), len(crowd))).copy()
    for number, overlaps in enumerate(shared if len(crowd) else ()):
        open_to = np.where(left, overlaps, -1.0)
        best = open_to.argmax(1)
        right = open_to.max(1) >= _OVERLAPS
        left[right, best[right]] = False
        forgiven = overlaps[crowd].max(initial=-1.0) >= _OVERLAPS
        result[number] = np.where(right, _RIGHT, np.where(forgiven, _FORGIVEN, _WRONG))
    return result


def _average(times: np.ndarray, image: np.ndarray, matches: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Mean over recalls of the best precision at that recall or above, for each resample.

    Precision rises at right objects only, so those between two of them count as one sum for each image.
    """
    at = np.flatnonzero(matches == _RIGHT)
    if not len(at):
        return np.zeros(len(times))
    stretch = np.searchsorted(at, np.arange(len(matches)))
    counts = (matches != _FORGIVEN) & (stretch < len(at))  # no precision depends on what lies behind
    found = np.zeros((times.shape[1], len(at)))
    np.add.at(found, (image[counts], stretch[counts]), 1)
    right, all_found = np.cumsum(times[:, image[at]], 1), np.cumsum(times @ found, 1)
    recall = right / np.maximum(there, 1)[:, None]
    precision = np.divide(right, all_found, out=np.zeros_like(right), where=all_found > 0)
    best = np.maximum.accumulate(precision[:, ::-1], 1)[:, ::-1]
    best = np.pad(best, ((0, 0), (0, 1)))  # recalls that are not reached
    # Rising in each line, and lines apart by more than a recall: one search for all of them.
    lines = 2.0 * np.arange(len(recall))[:, None]
    first = np.searchsorted((recall + lines).ravel(), (_RECALLS - 1e-9 + lines).ravel())
    columns = first.reshape(len(recall), -1) - np.arange(len(recall))[:, None] * recall.shape[1]
    mean: np.ndarray = np.take_along_axis(best, columns.clip(0, recall.shape[1]), 1).mean(1)
    return mean


def _resampled(scores: np.ndarray, labels: int) -> np.ndarray:
    """Precisions of bootstrap samples of the images, the same samples for every call on as many images."""
    return mean_precision(scores, labels, resamples(len(scores), _RESAMPLES))
