"""Payloads to answers: decode each, run every tail once for all features that it takes, answer each.

payload ──► its device's session ──► feature ─┐
payload ──► its device's session ──► feature ─┴──► tail ──► outputs ──► answers

Points of one cut share its tail.
"""

import logging
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from bottleneck.codecs.image_sizes import Letterboxed
from bottleneck.codecs.streams.stream import LostReferenceError
from bottleneck.runtime.answers import answer_of, require_top
from bottleneck.runtime.messages import Reason
from bottleneck.runtime.serving.partial import PacketServer
from bottleneck.runtime.serving.sessions import Session
from bottleneck.runtime.serving.tails import Receiver, Tails, UnknownPointError

log = logging.getLogger(__name__)


class Coded(NamedTuple):
    """A frame that is to be answered.

    Attributes:
        point: Number of the operating point.
        parts: Its payload, or what has arrived of it.
        session: Its device's.
        is_whole: Whether nothing is missing.
    """

    point: int
    parts: Sequence[bytes]
    session: Session
    is_whole: bool = True


class Outcome(NamedTuple):
    """What became of a payload.

    Attributes:
        answer: The answer; `None` where there is none.
        refusal: Why there is none, with a text.
        feature: What was decoded, `(C, H, W)`, for people to look at.
        concealed: Share of what was sent that had to be filled in; `None` where there were no packets.
    """

    answer: dict[str, Any] | None = None
    refusal: tuple[Reason, str] | None = None
    feature: np.ndarray | None = None
    concealed: float | None = None


class _TooLittleError(Exception):
    """Of a payload in one piece something is missing."""


class Worker:
    """Runs batches; one thread uses it.

    Args:
        tails: What can be run.
        top: Most classes of an answer.

    Raises:
        ValueError: If `top` is less than 1.
    """

    def __init__(self, tails: Tails, top: int = 5):
        require_top(top)
        self._tails, self._top = tails, top

    @torch.no_grad()
    def __call__(self, frames: Sequence[Coded]) -> list[Outcome]:
        """The outcomes of frames, decoded in their order; one's failure touches no other."""
        outcomes: dict[int, Outcome] = {}
        concealed: dict[int, float | None] = {}
        together: dict[nn.Module, list[tuple[int, Tensor]]] = defaultdict(list)
        letterboxed: dict[int, Letterboxed | None] = {}
        for index, frame in enumerate(frames):
            try:
                receiver = frame.session.of(self._tails.receiver(frame.point))
                feature, sizes, letterboxed[index], concealed[index] = _received(receiver, frame)
            except UnknownPointError as error:
                outcomes[index] = Outcome(refusal=(Reason.UNKNOWN_POINT, str(error)))
            except _TooLittleError:
                outcomes[index] = Outcome(
                    refusal=(Reason.LOST, "a part of it was lost, and it was one piece")
                )
            except LostReferenceError as error:
                outcomes[index] = Outcome(refusal=(Reason.KEY_FRAME, str(error)))
            except ValueError as error:
                outcomes[index] = Outcome(refusal=(Reason.PAYLOAD, str(error)))
            except Exception as error:
                outcomes[index] = _failed(error)
            else:
                if sizes:  # images of several sizes have features of several sizes
                    outcomes |= self._finished(receiver.tail, [(index, feature)], sizes, letterboxed)
                else:
                    together[receiver.tail].append((index, feature))
        for tail, features in together.items():
            outcomes |= self._finished(tail, features, {}, letterboxed)
        return [outcomes[index]._replace(concealed=concealed.get(index)) for index in range(len(frames))]

    def _finished(
        self,
        tail: nn.Module,
        features: list[tuple[int, Tensor]],
        sizes: dict[str, Any],
        letterboxed: dict[int, Letterboxed | None],
    ) -> dict[int, Outcome]:
        try:
            output = tail(torch.cat([feature for _, feature in features]), sizes)
            output = tree_map_only(Tensor, lambda tensor: tensor.float().cpu().numpy(), output)
            return {
                index: Outcome(
                    answer=answer_of(
                        output[number : number + 1], self._tails.task, self._top, letterboxed[index]
                    ),
                    feature=feature[0].float().cpu().numpy(),
                )
                for number, (index, feature) in enumerate(features)
            }
        except Exception as error:
            return {index: _failed(error) for index, _ in features}


def _received(
    receiver: Receiver, frame: Coded
) -> tuple[Tensor, dict[str, Any], Letterboxed | None, float | None]:
    """What the tail takes, what is known of its image, and the share that had to be filled in."""
    if isinstance(receiver, PacketServer):
        feature, missing = receiver.received_in_part(frame.parts)
        return feature, {}, None, missing
    if not frame.is_whole:
        raise _TooLittleError
    payload = b"".join(frame.parts)
    return *receiver.received(payload), receiver.letterboxed(payload), None


def _failed(error: Exception) -> Outcome:
    log.error("a frame could not be answered", exc_info=error)
    return Outcome(refusal=(Reason.FAILED, f"the server failed: {type(error).__name__}: {error}"))
