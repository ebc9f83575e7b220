"""What `link` of a configuration says: where decisions begin, and how an emulated link behaves."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from bottleneck.commands.values import listed
from bottleneck.runtime.link import Link
from bottleneck.runtime.relay import Conditions, once, repeated
from bottleneck.runtime.traces import Trace


def link_of(cfg: DictConfig) -> Link:
    """What the link is taken for before anything of it is measured.

    Raises:
        ValueError: If nothing would get through, or a number is none.
    """
    return Link(cfg.link.bandwidth, cfg.link.rtt).checked()


def conditions_of(cfg: DictConfig) -> Conditions:
    """What an emulated link does: `link.trace` again and again, or `link.bandwidth`, but for outages.

    Raises:
        FileNotFoundError: If the trace's file is missing.
        ValueError: If trace or outages are none, or one lies behind the trace's end.
    """
    link, wanted = link_of(cfg), cfg.link
    if wanted.trace is None:
        return once(_interrupted(Trace([0.0], [link.bandwidth]), wanted.outage), link.rtt)
    trace = _trace(wanted.trace)
    interrupted = _interrupted(trace, wanted.outage)
    if interrupted.seconds[-1] != trace.seconds[-1]:
        raise ValueError(
            f"link.outage={wanted.outage} goes beyond the end of link.trace, which begins again after "
            f"{trace.seconds[-1]:g} s. Give an earlier one, or link.trace=null: link.bandwidth all the time."
        )
    return repeated(interrupted, link.rtt)


def _trace(given: Any) -> Trace:
    """A trace that can be repeated, from a file or from pairs."""
    try:
        if isinstance(given, str):
            trace = Trace.read(Path(given).expanduser())
        else:
            trace = Trace(*zip(*given, strict=True))
        repeated(trace, 0.0)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"link.trace={given} is no file.") from error
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"link.trace={given} cannot be played: {str(error).rstrip('.')}. Give [[seconds, bytes per "
            "second], ...] from 0 s on, or a file of them; at the last one it begins again."
        ) from error
    return trace


def _interrupted(trace: Trace, given: Any) -> Trace:
    """A trace with the outages of a configuration, one pair or several."""
    try:
        pairs = listed(given)
        pairs = pairs if all(isinstance(pair, Sequence) for pair in pairs) else [pairs]
        return trace.interrupted([(float(begin), float(end)) for begin, end in pairs])
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"link.outage={given} is no outage: {str(error).rstrip('.')}. Give [from, to] in seconds, such "
            "as [10,20], or several of them."
        ) from error
