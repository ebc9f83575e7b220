"""CutMix at the cut: a rectangle of a feature map comes from another image of the batch.

    given ──► mixed ──┬──► frozen tail ──► what the mixed feature means        no labels are mixed
                      └──► unit ──► tail ──► what is to mean the same

It makes more of a few images than their views do, and costs nothing.

Source: Yun et al., "CutMix", ICCV 2019, arXiv:1905.04899, who mix images and their labels.
"""

import torch
from torch import Tensor

from bottleneck.layouts import Layout
from bottleneck.loss import Objective


def check_cutmix(share: float, layout: Layout, objective: Objective) -> None:
    """Refuse to mix what cannot be mixed.

    Args:
        share: Of the samples that are to be mixed.
        layout: Of a sample.
        objective: What the unit is trained for.

    Raises:
        ValueError: If a sample has no height and width, or the objective reads labels.
    """
    if not {"H", "W"} <= set(layout):
        raise ValueError(
            f"cutmix={share} exchanges rectangles of maps, and a feature of layout {layout or 'unknown'} at "
            "this split point has none. Use cutmix=0, or another split."
        )
    if objective.reads_labels:
        raise ValueError(
            f"cutmix={share} mixes images, and no label holds for two of them. Use cutmix=0, or an objective "
            "that asks the frozen network instead, such as objective=logits."
        )


def cutmix(maps: Tensor, share: float, layout: Layout) -> Tensor:
    """A batch in which some samples have a rectangle of another one.

    Args:
        maps: `(b, ...)` in a layout with height and width.
        share: Of the samples that are mixed.
        layout: Of one sample, `CHW` or `HWC`.

    Returns:
        A new batch. A rectangle has the map's aspect, any area up to the whole map and any centre; what would
        lie beyond the edge is cut off.
    """
    count, (height, width) = len(maps), (maps.shape[1 + layout.index(axis)] for axis in "HW")
    side = torch.rand(count, device=maps.device).sqrt() * (torch.rand(count, device=maps.device) < share)
    rows, columns = (_within(side, length) for length in (height, width))
    inside = (rows[:, :, None] & columns[:, None, :]).unsqueeze(layout.channel_axis)
    return torch.where(inside, maps[torch.randperm(count, device=maps.device)], maps)


def _within(side: Tensor, length: int) -> Tensor:
    """Which places along an axis lie in intervals that are this share of it long, `(b, length)`."""
    centre = torch.rand_like(side)[:, None] * length
    places = torch.arange(length, device=side.device) + 0.5
    return (places - centre).abs() < side[:, None] * length / 2
