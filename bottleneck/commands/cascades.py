"""From `cascade` of a configuration to rows: methods, and a picture behind them where it is asked for."""

from collections.abc import Sequence

from omegaconf import DictConfig

from bottleneck.channel import Channel
from bottleneck.commands.values import listed
from bottleneck.measure.cascade import cascade
from bottleneck.measure.harness import Measured
from bottleneck.measure.results import Result
from bottleneck.measure.sureness import check_sure


def check_cascade(cfg: DictConfig, pictures: Sequence[Channel]) -> None:
    """Refuse a cascade that cannot be measured, before anything is.

    Args:
        cfg: `cascade` of the configuration.
        pictures: The suite's channels at the input.

    Raises:
        ValueError: If what is asked for is none of these, or a number is no probability.
    """
    for sure in listed(cfg.sure):
        check_sure(sure)
    names = [channel.name for channel in pictures]
    if cfg.sure and cfg.then not in names:
        raise ValueError(
            f"cascade.then={cfg.then} is no method of suite.input, which has {', '.join(names) or 'none'}. "
            "Choose one of them, or another suite, such as suite=pictures."
        )


def cascades(cfg: DictConfig, measured: Sequence[Measured]) -> list[Result]:
    """A row for each `sure` of each method that sends less than the second one, and loses more.

    Args:
        cfg: `cascade` of the configuration.
        measured: On the same samples, the second one among them.
    """
    if not (sures := listed(cfg.sure)):
        return []
    second = next(one for one in measured if (one.row.method, one.row.split) == (cfg.then, "input"))
    firsts = [
        one
        for one in measured
        if one.payload_bytes.mean() < second.payload_bytes.mean() and one.row.value < second.row.value
    ]
    return [cascade(first, second, sure) for first in firsts for sure in sures]
