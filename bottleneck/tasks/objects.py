"""The objects of one image in an array of one size, so that targets are stored and batched as features are.

row 0        height, width of the image, side of its letterbox
row 1 ...    left, top, right, bottom, label, whether it is a crowd, area        label 0: no object
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from bottleneck.codecs.image_sizes import Letterboxed

_MOST = 128  # objects of one image; COCO's fullest photograph has 93

#: Shape of one image's array.
PACKED_SHAPE = (1 + _MOST, 7)


def pack(objects: Mapping[str, Tensor], image: Letterboxed) -> Tensor:
    """Objects as an array.

    Args:
        objects: `boxes` in pixels of the image, `labels` from 1 on; `iscrowd` and `area` where anybody knows.
        image: Its size, and its letterbox.

    Returns:
        float32, `PACKED_SHAPE`.

    Raises:
        ValueError: If there are too many.
    """
    boxes = objects["boxes"]
    if len(boxes) > _MOST:
        raise ValueError(f"an image with {len(boxes)} objects: at most {_MOST} are kept. Leave it out.")
    sides = boxes[:, 2:] - boxes[:, :2]
    found = torch.zeros(PACKED_SHAPE)
    found[0, :3] = torch.tensor(image).float()
    rows = found[1 : 1 + len(boxes)]
    rows[:, :4] = boxes
    rows[:, 4] = objects["labels"].float()
    rows[:, 5] = objects.get("iscrowd", torch.zeros(len(boxes))).float()
    rows[:, 6] = objects.get("area", sides.prod(1)).float()
    return found


def unpack(array: Tensor) -> tuple[dict[str, Tensor], Letterboxed]:
    """What `pack` made an array of."""
    rows = array[1:]
    rows = rows[rows[:, 4] > 0]
    height, width, side = array[0, :3].int().tolist()
    objects = {
        "boxes": rows[:, :4],
        "labels": rows[:, 4].long(),
        "iscrowd": rows[:, 5].long(),
        "area": rows[:, 6],
    }
    return objects, Letterboxed(height, width, side)
