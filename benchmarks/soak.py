"""Devices through a bad link for minutes: nothing fails, memory stays, and no frame is forgotten.

    python -m benchmarks.soak studies/NAME/frontier --minutes 10

`bottleneck serve` in a process of its own, a relay in front of it whose link is thin, then hardly there, then
dead, and again, with jitter and packets that come late, and devices that offer images at a pace whatever
happens. The table has both processes' memory as time passes, and the counts what became of the frames; a
device that failed, a number that is missing, or a server that does not end as it should is an error.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks.shared import background_loop, markdown, parser, served
from bottleneck.deploy.frontier import numbered_bundles
from bottleneck.deploy.networks import named_network
from bottleneck.runtime.device.client import Client
from bottleneck.runtime.device.torch_half import TorchHalf
from bottleneck.runtime.journal import Record
from bottleneck.runtime.relay import Relay, repeated
from bottleneck.runtime.traces import Trace

LINK = Trace([0, 20, 30, 35, 50], [60e3, 6e3, 0, 60e3, 0])  # for all together
ROUND_TRIP, JITTER, LOSS = 0.08, 0.02, 0.05
_HOST = "127.0.0.1"
_LOOKS = 10  # at the memory


@contextlib.contextmanager
def relayed(port: int) -> Iterator[int]:
    """A bad link to a port of this machine, in a thread; its own port."""
    with background_loop() as loop:
        relay = Relay((_HOST, port), repeated(LINK, ROUND_TRIP), jitter=JITTER, loss=LOSS)
        try:
            yield asyncio.run_coroutine_threadsafe(relay.start(_HOST), loop).result()
        finally:
            asyncio.run_coroutine_threadsafe(relay.stop(), loop).result()


def streamed(server: str, half: TorchHalf, image: Any, seconds: float, fps: float) -> Counter[str]:
    """What became of the frames of a device that offers an image again and again.

    Raises:
        RuntimeError: If a frame is neither answered nor counted as dropped.
    """
    became: Counter[str] = Counter()
    known: list[int] = []

    def count(records: Sequence[Record]) -> None:
        for record in records:
            known.append(record.id)
            reason = f"dropped: {(record.reason or '').partition(':')[0]}"
            became[reason if record.dropped else str(record.strategy)] += 1

    with Client(server, half) as client:
        offered, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            client.offer(image)
            offered += 1
            count(client.finished())
            time.sleep(1 / fps)
        client.settle()
        count(client.finished())
    if sorted(known) != list(range(offered)):
        raise RuntimeError(
            f"{offered} frames were offered, and of {len(set(known))} it is known what became."
        )
    return became


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, and print what memory did and what became of the frames."""
    options = parser(__doc__)
    options.add_argument("frontier", type=Path)
    options.add_argument("--devices", type=int, default=8)
    options.add_argument("--minutes", type=float, default=10.0)
    options.add_argument("--fps", type=float, default=10.0, help="of each device")
    given = options.parse_args(arguments)
    bundle = numbered_bundles(given.frontier)[0][0]
    network = named_network(bundle)
    half, image = TorchHalf([given.frontier], network), np.zeros(bundle.image_shape, np.uint8)
    rows, seconds = [], 60 * given.minutes
    with (
        served(given.frontier, _HOST) as (server, port),
        relayed(port) as link,
        ThreadPoolExecutor(given.devices) as pool,
    ):
        watched = [psutil.Process(), psutil.Process(server)]
        asked = (f"{_HOST}:{link}", half, image, seconds, given.fps)
        devices = [pool.submit(streamed, *asked) for _ in range(given.devices)]
        for look in range(1, _LOOKS + 1):
            time.sleep(seconds / _LOOKS)
            memory = [f"{process.memory_info().rss / 1e6:.1f}" for process in watched]
            rows.append([f"{look * seconds / _LOOKS:.0f}", *memory, str(watched[1].num_fds())])
        became = sum((device.result() for device in devices), Counter[str]())
    print(markdown(rows, ["s", "devices and link MB", "server MB", "server's descriptors"]))
    print(f"\n{became.total()} frames of {given.devices} devices\n")
    print(markdown([[what, str(count)] for what, count in became.most_common()], ["became", "frames"]))


if __name__ == "__main__":
    main()
