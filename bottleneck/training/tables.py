"""What a unit sends is weighed, brought to what was asked for, and given a codec's tables.

unit ──► mean_payload ──► price of a byte                    while it trains
  ├────► aim: mean_payload ──► coarser or finer steps        at the end, where a payload was asked for
  ├────► aim_at_drop: metric ─► coarser or finer steps       or a drop of the metric
  └────────► fit_tables ──► codec
"""

import copy
import math
from collections.abc import Callable, Iterator
from functools import partial
from itertools import takewhile
from typing import Any

import torch
from torch import Tensor

from bottleneck.channel import Batches, Channel
from bottleneck.codecs import Codec
from bottleneck.cut import Cut
from bottleneck.loss.rates import Rate
from bottleneck.measure.harness import judge
from bottleneck.unit import Unit

_TABULATED, _WEIGHED = 2000, 1000  # images that are looked at on the way
_MOST_WEIGHED, _NEAR = 3, 0.02  # steps that are tried, and how near a payload is near enough to stop
_SLOPE, _FARTHEST = -0.65, math.log(2.0)  # of the payload over the step, in logarithms; of the step
_COARSER = [2 ** (n / 4) for n in range(1, 9)]  # factors of the step, where a drop is asked for
_FINER = [2 ** (-n / 4) for n in range(1, 5)]


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


def aim(channel: Channel, rate: Rate, cut: Cut, wanted: float) -> None:
    """Bring a trained unit's payload to what was asked for, by its quantization step.

    A price steers a training to within a tenth or two of a payload, and cannot turn at its end. A step can,
    and within that costs no more of the metric than a training for as many bytes.

    Args:
        channel: Of the unit, whose step changes; tables are fitted afterwards.
        rate: That was trained with it.
        cut: Where.
        wanted: Bytes per sample; nothing is sought beyond half and twice the step.
    """
    assert channel.unit is not None, "it was trained"
    factor, slope = 0.0, _SLOPE  # logarithms, as all below
    before: tuple[float, float] | None = None
    for _ in range(_MOST_WEIGHED):
        unit = copy.deepcopy(channel.unit)
        unit.coarsen(math.exp(factor))
        sent = mean_payload(cut, channel.codec, unit, rate)
        if not sent:  # a silent unit stays silent
            break
        off = math.log(sent / wanted)
        if before is not None and factor != before[0]:
            slope = min((off - before[1]) / (factor - before[0]), _SLOPE / 4)
        before = factor, off
        factor = max(-_FARTHEST, min(_FARTHEST, factor - off / slope))
        if abs(off) <= _NEAR or factor == before[0]:
            break
    channel.unit.coarsen(math.exp(factor))


def aim_at_drop(channel: Channel, cut: Cut, wanted: float) -> None:
    """Coarsen a trained unit's quantization step for as long as no more is lost than was asked for.

    A price is set by judgements on the way, and the last of them comes before the end. Where too much is lost
    as it is, the step is refined instead, at most to half; where that is not enough, it stays.

    Args:
        channel: Of the unit, whose step changes; tables are fitted afterwards.
        cut: Where; the metric is that of its `select` samples.
        wanted: Metric below the frozen network's.
    """
    assert channel.unit is not None, "it was trained"
    unit, least = channel.unit, cut.frozen("select").value - wanted

    def kept(factor: float) -> bool:
        tried = copy.deepcopy(unit)
        tried.coarsen(factor)
        sent = cut.channel(channel.codec, tried).quantised
        tally = judge(
            lambda given, sizes: cut.net.tail(sent(given).feature, sizes),
            cut.features.batches("select"),
            cut.task,
            cut.image.device,
        )
        return tally.values()[cut.task.metric] >= least

    # The first that loses too much ends it: of many tries, one is kept by luck.
    unit.coarsen(
        max(takewhile(kept, _COARSER), default=1.0) if kept(1.0) else next(filter(kept, _FINER), 1.0)
    )


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
