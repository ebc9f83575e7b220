"""An untrained unit for what a split network gives."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from bottleneck.splitting import SplitModel
from bottleneck.unit import Unit, UnitSet, unit_class


def unit_for(net: SplitModel, given: Tensor, kind: str, options: Mapping[str, Any]) -> Unit:
    """An untrained unit that fits the features at a cut.

    Args:
        net: The network, split.
        given: What its head makes of a batch of images.
        kind: As in `UNITS`.
        options: Of the unit; where several tensors are sent, a list has one entry for each.

    Raises:
        ValueError: If the head gives the uint8 image itself, or the unit does not take such features.
    """
    point, chosen = net.point, unit_class(kind)
    if not given.is_floating_point():
        raise ValueError(
            f"split={point.name} sends {given.dtype} values, on which no bottleneck can be trained. Use "
            "split=normalize, or a later split point."
        )
    with torch.no_grad():
        feature = net.adapter.before(given)
    if chosen.replaces:
        return chosen.from_features(given, net.entry.layout, replaced=feature, **options)
    if point.parts:
        return UnitSet.from_features(feature, point.layout, point.parts, chosen, **options)
    if several := [
        name for name, value in options.items() if isinstance(value, (list, tuple)) and name != "grid"
    ]:
        raise ValueError(
            f"unit.{several[0]}={list(options[several[0]])} has a value for each of several tensors, and at "
            f"{point.name} one is sent. Give one value."
        )
    return chosen.from_features(feature, point.layout, **options)
