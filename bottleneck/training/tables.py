"""A codec's tables for what a unit sends, at the end of a training and on the way there."""

import copy
import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from bottleneck.channel import Batches, Channel
from bottleneck.codecs import Codec
from bottleneck.cut import Cut
from bottleneck.loss.rates import Rate
from bottleneck.unit import Unit

_TABULATED, _WEIGHED = 2000, 1000  # images that are looked at on the way


def fit_tables(channel: Channel, rate: Rate, cut: Cut) -> None:
    """Give the channel's codec its tables: those that the rate has learned, or else counted ones."""
    _fit(channel, rate, partial(cut.features.batches, "train"), cut.image.device)


def mean_payload(cut: Cut, codec: Codec, unit: Unit, rate: Rate) -> float:
    """Bytes of some images as they are, held out ones where there are any, with tables of some others.

    Codec, unit and rate stay as they are.
    """
    channel = cut.channel(copy.deepcopy(codec), copy.deepcopy(unit).eval())
    _fit(channel, copy.deepcopy(rate), partial(_as_they_are, cut, "train", _TABULATED), cut.image.device)
    subset = "select" if cut.images.count("select") else "train"
    sizes = [
        len(payload) for given, _ in _as_they_are(cut, subset, _WEIGHED) for payload in channel.send(given)
    ]
    return sum(sizes) / len(sizes)


def _fit(channel: Channel, rate: Rate, batches: Callable[[], Batches], device: torch.device) -> None:
    tables = None
    if rate.in_bits and channel.codec.takes_tables:
        coded = (torch.from_numpy(channel.coded(given)) for given, _ in batches())
        # One row per channel, because images may differ in size.
        by_channel = torch.cat([symbols.movedim(1, 0).flatten(1) for symbols in coded], 1)
        rate.settle(by_channel[None].to(device))
        tables = rate.tables()
    if tables is None:
        channel.fit(batches())
    else:
        channel.codec.with_tables(*tables)


def _as_they_are(cut: Cut, subset: str, most: int) -> Iterator[tuple[Tensor, Any]]:
    """Features of at most so many of a subset's images, evenly, without other views of them."""
    count = cut.images.count(subset) // len(cut.images.transforms(subset))  # they come before other views
    seen, every = 0, max(1, math.ceil(count / most))
    for given, targets in cut.features.batches(subset):
        if seen >= count:
            return
        if len(some := given[-seen % every : count - seen : every]):
            yield some.to(cut.image.device), targets
        seen += len(given)
