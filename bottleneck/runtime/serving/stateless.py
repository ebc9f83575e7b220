"""Payloads that know of no earlier ones, in batches: what an engine with replicas holds in each of them.

    an engine ──► payloads of any devices ──► Stateless: tails, worker ──► outcomes

It is what the runtime's own server runs, without sessions: any replica can answer any payload.
"""

from collections.abc import Sequence
from pathlib import Path

from torch import nn

from bottleneck.deploy.bundle import Bundle
from bottleneck.deploy.frontier import point_of, read_bundles
from bottleneck.runtime.messages import Reason
from bottleneck.runtime.serving.sessions import Session
from bottleneck.runtime.serving.tails import Tails
from bottleneck.runtime.serving.worker import Coded, Outcome, Worker


def stateless_bundles(folder: Path) -> dict[int | None, Bundle]:
    """What any replica can answer.

    Args:
        folder: A frontier's, or a bundle's.

    Returns:
        The bundles by their points' ids; `None` for that of a bundle alone, whose payloads name no point.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If one cannot be read, or its codec remembers earlier payloads.
    """
    points, bundles = read_bundles(folder)
    for bundle in bundles:
        if bundle.codec.session() is not bundle.codec:
            raise ValueError(
                f"{folder}: the codec {bundle.codec.name!r} remembers a device's earlier payloads, which may "
                "have gone to another replica. Serve it with engine=own, or train with a codec that has no "
                "memory, such as codec=range."
            )
    ids: list[int | None] = [point.id for point in points]
    return dict(zip(ids or [None], bundles, strict=True))


class Stateless:
    """Answers the payloads of one frontier or bundle, all of whose points are loaded.

    Args:
        folder: The frontier's, or the bundle's.
        network: The frozen network.
        top: Most classes of an answer.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If one cannot be read, belongs to another network, or its codec remembers payloads.
    """

    def __init__(self, folder: Path, network: nn.Module, top: int = 5):
        bundles = stateless_bundles(folder)
        tails = Tails([folder], network, keep=len(bundles))
        self._worker = Worker(tails, top)
        self._numbers = {point: tails.number({"bundle": bundle.id})[0] for point, bundle in bundles.items()}
        self._sessions = {number: Session() for number in self._numbers.values()}

    def __call__(self, payloads: Sequence[bytes]) -> list[Outcome]:
        """The outcomes of payloads, in their order; one's failure touches no other. One thread at a time.

        Args:
            payloads: As `bottleneck.load(folder)`'s device makes them: a frontier's name their point.
        """
        outcomes: dict[int, Outcome] = {}
        frames: dict[int, Coded] = {}
        for index, payload in enumerate(payloads):
            try:
                frames[index] = self._coded(payload)
            except ValueError as error:
                outcomes[index] = Outcome(refusal=(Reason.UNKNOWN_POINT, str(error)))
        outcomes |= zip(frames, self._worker(list(frames.values())), strict=True)
        return [outcomes[index] for index in range(len(payloads))]

    def _coded(self, payload: bytes) -> Coded:
        point = None
        if None not in self._numbers:
            point, payload = point_of(payload, self._numbers), payload[1:]
        number = self._numbers[point]
        return Coded(number, [payload], self._sessions[number])
