"""Where datagrams come in: what they make of frames is handed on as soon as it is whole or due.

datagram_received ──► Reassembly ──► take        and a timer for what is due
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from bottleneck.runtime.datagrams.reassembly import Arrived, Reassembly


class Inbox(asyncio.DatagramProtocol, ABC):
    """Joins datagrams; what becomes of frames is said by whoever inherits from it.

    Args:
        reassembly: What joins them.

    Attributes:
        refused: Datagrams that were none.
    """

    def __init__(self, reassembly: Reassembly):
        self.refused = 0
        self._reassembly = reassembly
        self._transport: asyncio.DatagramTransport
        self._timer: asyncio.TimerHandle | None = None

    @property
    def port(self) -> int:
        """Where it listens."""
        found: int = self._transport.get_extra_info("sockname")[1]
        return found

    def close(self) -> None:
        """Stop listening; what is incomplete is given up."""
        if self._timer is not None:
            self._timer.cancel()
        self._transport.close()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    @abstractmethod
    def take(self, frame: Arrived) -> None:
        """A frame has come, whole or not."""

    def _hand_on(self, arrived: Sequence[Arrived]) -> None:
        for frame in arrived:
            self.take(frame)
        due = self._reassembly.next_due()
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if due is None else asyncio.get_running_loop().call_at(due, self._when_due)

    def _when_due(self) -> None:
        self._hand_on(self._reassembly.due(asyncio.get_running_loop().time()))
