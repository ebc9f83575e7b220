"""What a network's output says, in JSON: top classes, objects, or a mask. NumPy alone, for either side."""

import base64
import io
from typing import Any

import numpy as np

_MOST_OBJECTS = 100


def answer_of(output: Any, task: str, top: int = 5) -> dict[str, Any]:
    """The answer for one image.

    Args:
        output: What the network returned for a batch of one, in NumPy arrays.
        task: `classification`, `segmentation` or `detection`; anything else is answered with the output.
        top: Most classes that are named.

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
    return {"output": np.asarray(output).tolist()}


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


def _png(mask: np.ndarray) -> str:
    from PIL import Image  # a device that classifies needs none

    file = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8)).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()
