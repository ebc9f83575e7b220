"""From a suite's `loss` to channels on lossy links.

channel ─► in packets ─┬─► × packets, bursts, trace × rates × concealments
        └──────────────┴─► × channels, elements     × rates × concealments
"""

import itertools
import logging
from collections.abc import Callable, Sequence

from omegaconf import DictConfig

from bottleneck.channel import Channel
from bottleneck.codecs.packets.stage import packed
from bottleneck.commands.values import checked_seed, listed
from bottleneck.cut import Cut
from bottleneck.lossy.concealment import create
from bottleneck.lossy.link import LossyLink
from bottleneck.lossy.losses import Channels, Elements, Losses, Packets
from bottleneck.lossy.processes import GilbertElliott, Independent, Trace
from bottleneck.lossy.protection import MOST_COPIES, Bare, Protection, ReedSolomon, Repeated

log = logging.getLogger(__name__)


def on_lossy_links(cfg: DictConfig, cut: Cut, channels: Sequence[Channel]) -> list[Channel]:
    """Channels, the same in packets, and all of these on every lossy link.

    Args:
        cfg: The suite's `loss`.
        cut: Where they send; concealments are fitted on its training samples.
        channels: Their codecs fitted.

    Raises:
        ValueError: If a name is unknown, a number out of range, or a payload cannot be cut into such packets.
    """
    models = _models(cfg)
    found: list[Channel] = []
    for channel in channels:
        found.append(channel)
        codec = packed(channel.codec, cfg.by, cfg.mtu)
        bases = {False: channel}  # by whether packets are lost
        if codec.name == "packets":
            label = {"name": f"{channel.name}-packets", "family": f"{channel.family}-packets"}
            bases[True] = cut.channel(codec, channel.unit, **label, setting=channel.setting)
            found.append(bases[True])
        else:
            log.warning(
                "%s codes whole samples only, of which a lost packet leaves nothing: left out there. "
                "Bundles send the same latent in packets with also_codecs=[range].",
                channel.name,
            )
        batches = cut.features.batches
        fitted = [
            create(name).fit(array for given, _ in batches("train") for array in channel.coded(given))
            for name in listed(cfg.concealments)
        ]
        for (model, (in_parts, losses)), conceal in itertools.product(models.items(), fitted):
            rates = [0.0] if model == "trace" else listed(cfg.rates)  # a trace has its own
            if in_parts in bases:
                found += [bases[in_parts].through(LossyLink(model, losses(rate), conceal)) for rate in rates]
    return found


def _models(cfg: DictConfig) -> dict[str, tuple[bool, Callable[[float], Losses]]]:
    """Loss models by name: whether they lose packets, and what they lose at a rate."""
    protection = _protection(cfg)
    checked_seed("suite.loss.seed", cfg.seed)
    every: dict[str, tuple[bool, Callable[[float], Losses]]] = {
        "packets": (True, lambda rate: Packets(Independent(rate, cfg.seed), protection)),
        "bursts": (True, lambda rate: Packets(GilbertElliott(rate, cfg.burst, cfg.seed), protection)),
        "trace": (True, lambda _: Packets(Trace.read(cfg.trace), protection)),
        "channels": (False, lambda rate: Channels(Independent(rate, cfg.seed))),
        "elements": (False, lambda rate: Elements(Independent(rate, cfg.seed))),
    }
    names = listed(cfg.models)
    rated = ["rates"] if set(names) - {"trace"} else []  # a trace has its own
    for key in ["models", "concealments", *rated]:
        if not listed(cfg[key]):
            raise ValueError(f"suite.loss.{key}={cfg[key]} leaves nothing to measure. Name one or more.")
    for name in names:
        if name not in every:
            raise ValueError(f"suite.loss.models={name} is unknown. Choose from {', '.join(every)}.")
    if "trace" in names and cfg.trace is None:
        raise ValueError("suite.loss.models=[trace] needs suite.loss.trace=FILE, a recording.")
    return {name: every[name] for name in names}


def _protection(cfg: DictConfig) -> Protection:
    if not 1 <= cfg.copies <= MOST_COPIES:
        raise ValueError(
            f"suite.loss.copies={cfg.copies}: a packet is sent at least once, at most {MOST_COPIES} times."
        )
    if not 0 <= cfg.parity <= 10:
        raise ValueError(f"suite.loss.parity={cfg.parity} must be 0 (none) to 10.")
    if cfg.parity and cfg.copies > 1:
        raise ValueError(f"suite.loss.parity={cfg.parity} and copies={cfg.copies}: choose one of them.")
    if cfg.parity:
        return ReedSolomon(cfg.parity)
    return Repeated(cfg.copies) if cfg.copies != 1 else Bare()
