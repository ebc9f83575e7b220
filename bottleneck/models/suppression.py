"""Rows of a single-stage detector to objects: the likely ones, and of boxes for one object the surest."""

from torch import Tensor, tensor

from bottleneck.codecs.image_sizes import Letterboxed

_CANDIDATES = 10_000  # pairs of box and label that are looked at; a network without training is sure of all


def objects_of(
    rows: Tensor, image: Letterboxed, min_score: float = 0.001, overlap: float = 0.65, most: int = 100
) -> dict[str, Tensor]:
    """What is in one image, from its rows.

    Args:
        rows: `(n, 4 + labels)`, as `models.rows.Rows` makes them.
        image: The image's size, and its letterbox.
        min_score: Boxes with a lower score are not looked at.
        overlap: IoU from which on the less sure of two boxes of one label is left out.
        most: Objects at most.

    Returns:
        `boxes` `(k, 4)` (left, top, right, bottom in the image's pixels), `labels` and `scores`, the surest
        first.
    """
    from torchvision.ops import batched_nms  # seconds, which devices of other networks do not have

    scores = rows[:, 4:].flatten()
    chosen = (scores > min_score).nonzero()[:, 0]
    if len(chosen) > _CANDIDATES:
        chosen = chosen[scores[chosen].topk(_CANDIDATES).indices]
    labels = chosen % (rows.shape[1] - 4)
    boxes, scores = rows[chosen // (rows.shape[1] - 4), :4], scores[chosen]
    kept = batched_nms(boxes, scores, labels, overlap)[:most]
    limits = tensor([image.width, image.height] * 2, device=boxes.device)
    within = (boxes[kept] / image.scale).clamp(min=0).minimum(limits.to(boxes.dtype))
    return {"boxes": within, "labels": labels[kept], "scores": scores[kept]}
