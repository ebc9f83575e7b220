"""What a network's output says, in JSON: top classes, objects, or a mask. NumPy alone, for either side."""

import base64
import io
from typing import Any

import numpy as np

from bottleneck.codecs.image_sizes import Letterboxed

_MOST_OBJECTS = 100
_LIKELY, _OVERLAP = 0.001, 0.65  # of a single-stage detector's boxes: the score, and the IoU with a surer one


def answer_of(output: Any, task: str, top: int = 5, image: Letterboxed | None = None) -> dict[str, Any]:
    """The answer for one image.

    Args:
        output: What the network returned for a batch of one, in NumPy arrays.
        task: `classification`, `segmentation`, `detection` or `single_stage`; anything else is answered with
            the output.
        top: Most classes that are named.
        image: The image's size, where it was letterboxed.

    Returns:
        `top`: classes with their scores, best first; `objects`: labels, scores and boxes (left, top, right,
        bottom, in pixels); `mask`: an 8-bit PNG of classes in base64; or `output`: nested lists.
    """
    match task:
        case "classification":
            return {"top": _top(output[0], top)}
        case "segmentation":
            return {"mask": _png(output[0].argmax(axis=0))}
        case "detection":
            return {"objects": _objects(output[0])}
        case "single_stage":
            return {"objects": _objects(_found(output[0], image))}
    return {"output": np.asarray(output).tolist()}


def require_top(top: int) -> None:
    """Refuse what names no class.

    Raises:
        ValueError: If `top` is less than 1.
    """
    if top < 1:
        raise ValueError(
            f"top={top} names no class, so an answer would say nothing. Use 1 or more, such as 5."
        )


def _top(logits: np.ndarray, top: int) -> list[dict[str, Any]]:
    """Classes by falling probability."""
    shares = np.exp(logits.astype(np.float64) - logits.max())
    shares /= shares.sum()
    best = np.argsort(-shares, kind="stable")[:top]
    return [{"class": int(label), "score": float(shares[label])} for label in best]


def _objects(found: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    best = np.argsort(-found["scores"], kind="stable")[:_MOST_OBJECTS]
    return [
        {
            "class": int(found["labels"][index]),
            "score": float(found["scores"][index]),
            "box": found["boxes"][index].astype(float).tolist(),
        }
        for index in best
    ]


def _found(rows: np.ndarray, image: Letterboxed | None) -> dict[str, np.ndarray]:
    """The objects in rows `(n, 4 + labels)`, as `models.suppression.objects_of` finds them."""
    chosen, labels = np.nonzero(rows[:, 4:] > _LIKELY)
    scores = rows[chosen, 4 + labels]
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while len(order) and len(kept) < _MOST_OBJECTS:
        best, order = order[0], order[1:]
        kept.append(best)
        same = labels[order] == labels[best]
        order = order[~same | (_overlaps(rows[chosen[best], :4], rows[chosen[order], :4]) <= _OVERLAP)]
    boxes = rows[chosen[kept], :4]
    if image is not None:
        boxes = np.clip(boxes / image.scale, 0, [image.width, image.height] * 2)
    return {"boxes": boxes, "labels": labels[kept], "scores": scores[kept]}


def _overlaps(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of one box with others."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = sides.clip(0).prod(1)
    union = (box[2:] - box[:2]).prod() + (others[:, 2:] - others[:, :2]).prod(1) - shared
    found: np.ndarray = shared / np.maximum(union, 1e-9)
    return found


def _png(mask: np.ndarray) -> str:
    from PIL import Image  # a device that classifies needs none

    file = io.BytesIO()
    kind = np.uint8 if mask.max(initial=0) < 256 else np.uint16
    Image.fromarray(mask.astype(kind)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()
