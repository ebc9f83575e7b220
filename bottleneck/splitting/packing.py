"""Maps of several sizes as one map, which crosses a cut where images may have any size.

     64×16×16 ──► 256×8×8 ─┐
                           ├──► 384×8×8       its own size says how large each map was, as no vector's does
    128×8×8 ──────────────►┘

A map that is r times as fine as the smallest is folded into its grid: each patch of r×r numbers of a channel
becomes r² channels.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import pixel_shuffle, pixel_unshuffle


def factors_of(sizes: Sequence[tuple[int, ...]]) -> tuple[int, ...] | None:
    """How many times as fine as the smallest each map is, or `None` where one does not fit its grid.

    Args:
        sizes: Height and width of each map.
    """
    smallest = min(sizes)
    factors = tuple(size[0] // smallest[0] for size in sizes)
    fitting = [tuple(factor * side for side in smallest) for factor in factors]
    return factors if fitting == [tuple(size) for size in sizes] else None


def packed(maps: Sequence[Tensor], factors: Sequence[int]) -> Tensor:
    """Several batches of maps, `(b, C, r·h, r·w)` each, as one, `(b, sum of r²·C, h, w)`.

    Args:
        maps: The batches.
        factors: The r of each; one of them is 1.

    Raises:
        ValueError: If the maps are not so many times as fine as the smallest, because an image has a size
            that the network rounds at one map and not at another.
    """
    sizes = [tuple(one.shape[-2:]) for one in maps]
    if factors_of(sizes) != tuple(factors):
        raise ValueError(
            f"This image makes maps of {sizes}, which are not {list(factors)} times as fine as the smallest, "
            "so they do not fit into one. Cut where the smallest map does not cross yet, or not any more; or "
            "feed images of which all maps are a whole number of times as fine."
        )
    return torch.cat([pixel_unshuffle(one, factor) for one, factor in zip(maps, factors, strict=True)], 1)


def unpacked(batch: Tensor, channels: Sequence[int], factors: Sequence[int]) -> list[Tensor]:
    """The inverse of `packed`.

    Args:
        batch: `(b, sum of r²·C, h, w)`.
        channels: The C of each map.
        factors: The r of each.
    """
    folded = batch.split([c * r**2 for c, r in zip(channels, factors, strict=True)], 1)
    return [pixel_shuffle(one, factor) for one, factor in zip(folded, factors, strict=True)]
