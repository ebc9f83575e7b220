"""What the wire costs, and what many devices and an overload do to answers.

    python -m benchmarks.runtime studies/NAME/frontier
    python -m benchmarks.runtime studies/NAME/frontier --devices 1 8 --seconds 2

Server and devices are two processes of this machine, over loopback. First the round trip of a message and
its confirmation against a plain socket that returns as many bytes; then what the runtime adds between a frame
and its result, for payloads of about these sizes, beside what the device's half of the frontier computes;
then devices that want one answer after another, against what the worker does alone; then as many devices that
offer three times what they were just answered.
"""

import asyncio
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.shared import markdown, parser, served
from bottleneck import codecs, models
from bottleneck.deploy.bundle import Bundle
from bottleneck.deploy.frontier import Point, numbered_bundles, write_frontier
from bottleneck.identity import weights_identity
from bottleneck.runtime.device.client import Client
from bottleneck.runtime.device.connection import Connection
from bottleneck.runtime.device.routes import Fixed, Route, wanted
from bottleneck.runtime.device.torch_half import TorchHalf
from bottleneck.runtime.journal import Record
from bottleneck.runtime.messages import Confirmation, Probe
from bottleneck.runtime.security import Security
from bottleneck.runtime.serving.sessions import Session
from bottleneck.runtime.serving.tails import Tails
from bottleneck.runtime.serving.worker import Coded, Worker
from bottleneck.splitting import split
from bottleneck.unit import BottleneckUnit

SIZES = (35, 500, 10_000)
_HOST = "127.0.0.1"
_DIGITS, _CUT = "digits_resnet", "layer2"
_AROUND = 9  # bytes around the latents: of the point, and of their range
_TIMEOUT = 60.0


class Prepared:
    """A device that has computed already, so that only wire and server are timed.

    Args:
        half: What has computed.
        image: Of what.
        route: Where it sends to.
    """

    def __init__(self, half: TorchHalf, image: Any, route: Fixed):
        self.routes, self.network, self.packing = [route], half.network, None
        self._payload = half.payload(image, route)

    def payload(self, image: Any, route: Route) -> bytes:
        return self._payload

    def packets(self, payload: bytes, route: Route) -> list[bytes]:
        return [payload]

    def refresh(self, route: Route) -> None:
        """It sends one payload again and again."""

    def alone(self, image: Any) -> dict[str, Any]:
        return {}

    def value(self, route: Route) -> float:
        return 0.0


def grpc_ms(port: int, size: int, count: int) -> list[float]:
    """Round trips of a probe and its confirmation."""
    connection = Connection(f"{_HOST}:{port}", Security(), _TIMEOUT)
    messages, times = connection.open(), []
    for number in range(count):
        started = time.perf_counter()
        connection.send(Probe(number, size))
        assert isinstance(next(messages), Confirmation)
        times.append(1000 * (time.perf_counter() - started))
    connection.close()
    return times[count // 10 :]


def device_ms(half: TorchHalf, image: Any, count: int) -> list[float]:
    """What a device computes for a frame."""
    times = []
    for _ in range(count):
        started = time.perf_counter()
        half.payload(image, half.routes[0])
        times.append(1000 * (time.perf_counter() - started))
    return times[count // 10 :]


async def socket_ms(size: int, count: int) -> list[float]:
    """Round trips of as many bytes through a plain socket."""
    echoes: list[Any] = []

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        echoes.append(asyncio.current_task())
        while data := await reader.read(1 << 16):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(echo, _HOST, 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    times = []
    for _ in range(count):
        started = time.perf_counter()
        writer.write(bytes(size))
        await reader.readexactly(size)
        times.append(1000 * (time.perf_counter() - started))
    writer.close()
    await asyncio.gather(*echoes)
    server.close()
    return times[count // 10 :]


def of_sizes(folder: Path, network: nn.Module) -> Path:
    """A frontier of untrained points whose payloads have about the `SIZES`: latents in a byte each.

    Args:
        folder: Where it is written.
        network: That of the embedded digits.
    """
    image = torch.zeros(1, 1, 8, 8, dtype=torch.uint8)
    feature = split(network, _CUT, image).freeze().head(image)
    made = {"_target_": "bottleneck.models.create", "name": _DIGITS}
    points = []
    torch.manual_seed(0)  # by chance a latent of one channel is nothing but zeros, which take no bytes
    for number, size in enumerate(SIZES):
        channels = round((size - _AROUND) / feature[0, 0].numel())
        unit = BottleneckUnit.from_features(
            feature, "CHW", latent_channels=channels, stride=1, step=1.0
        ).eval()
        codec = codecs.create("quantised", shape=unit.latent_shape, levels=256)
        result = {"value": 0.0, "baseline": 1.0}
        bundle = Bundle(unit, codec, _CUT, weights_identity(network), (1, 8, 8), model=made, result=result)
        bundle.save(folder / str(number))
        points.append(Point(number, str(number), 0.0, float(size), 0.0))
    write_frontier(folder, points, {"metric": "accuracy_top1"})
    return folder


def from_frame_to_result(count: int, head_ms: float) -> list[dict[str, str]]:
    """For each size what a frame's answer takes, what of it the worker does, and what is left: the runtime.

    Args:
        count: Frames of each size.
        head_ms: Milliseconds that a device computes, to compare with.
    """
    network, rows = models.create(_DIGITS), []
    with tempfile.TemporaryDirectory() as folder:
        frontier = of_sizes(Path(folder), network)
        tails, half = Tails([frontier], network), TorchHalf([frontier], network)
        with served(frontier, _HOST) as (_, port):
            for route in sorted(half.routes, key=lambda route: route.point or 0):
                device = Prepared(half, np.zeros((1, 8, 8), np.uint8), route)

                def ask(client: Client) -> None:
                    for _ in range(count):
                        client.ask(None)

                records = together(port, device, 1, ask)[count // 10 :]
                worker = 1000 / worker_rate(tails, device, 1, 1.0)
                whole = statistics.median(record.age_ms or 0.0 for record in records)
                rows.append(
                    {
                        "payload": f"{records[0].bytes} B",
                        "frame to result p50": f"{whole:.2f}",
                        "worker alone": f"{worker:.2f}",
                        "the runtime": f"{whole - worker:.2f}",
                        "of the head": f"{100 * (whole - worker) / head_ms:.1f} %",
                    }
                )
    return rows


def worker_rate(tails: Tails, half: Prepared, batch: int, seconds: float) -> float:
    """Frames a second of the worker alone, in batches of a size."""
    session = Session()
    worker, payload = Worker(tails), half.payload(None, half.routes[0])
    number, _ = tails.number(wanted(half.routes[0]))
    frames, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        worker([Coded(number, [payload], session)] * batch)
        frames += batch
    return frames / (time.perf_counter() - started)


def together(port: int, half: Prepared, devices: int, use: Callable[[Client], None]) -> list[Record]:
    """What became of the frames of so many devices, each used in a thread."""
    records: list[Record] = []

    def device() -> None:
        with Client(f"{_HOST}:{port}", half, timeout=_TIMEOUT) as client:
            use(client)
            client.settle()
            records.extend(client.finished())

    threads = [threading.Thread(target=device) for _ in range(devices)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return records


def asking(seconds: float) -> Callable[[Client], None]:
    """A device that wants one answer after another."""

    def use(client: Client) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            client.ask(None)

    return use


def offering(seconds: float, pause: float) -> Callable[[Client], None]:
    """A device that offers frames whatever becomes of them, in a rhythm of its own."""

    def use(client: Client) -> None:
        time.sleep(random.uniform(0, pause))
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            client.offer(None)
            time.sleep(pause)

    return use


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the tables."""
    options = parser(__doc__)
    options.add_argument("frontier", type=Path)
    options.add_argument("--devices", type=int, nargs="+", default=[1, 8, 32])
    options.add_argument("--seconds", type=float, default=5.0)
    options.add_argument("--count", type=int, default=2000, help="round trips")
    given = options.parse_args(arguments)
    bundle = numbered_bundles(given.frontier)[0][0]
    network = bundle.network_made()
    tails = Tails([given.frontier], network)
    device, image = TorchHalf([given.frontier], network), np.zeros(bundle.image_shape, np.uint8)
    half = Prepared(device, image, device.routes[0])
    head_ms = statistics.median(device_ms(device, image, given.count // 20))
    alone = {batch: worker_rate(tails, half, batch, given.seconds) for batch in (1, 8)}
    with served(given.frontier, _HOST) as (_, port):
        rows = []
        for size in SIZES:
            ours, plain = grpc_ms(port, size, given.count), asyncio.run(socket_ms(size, given.count))
            rows.append(
                {
                    "bytes": str(size),
                    "gRPC p50": f"{statistics.median(ours):.3f}",
                    "gRPC p99": f"{np.percentile(ours, 99):.3f}",
                    "socket p50": f"{statistics.median(plain):.3f}",
                    "socket p99": f"{np.percentile(plain, 99):.3f}",
                }
            )
        print("Round trips in milliseconds\n", markdown(rows), sep="\n")
        print(f"\nFrom a frame to its result, in milliseconds, where the head takes {head_ms:.2f}\n")
        print(markdown(from_frame_to_result(given.count, head_ms)))
        print(f"\nThe worker alone: {alone[1]:.0f} frames/s one by one, {alone[8]:.0f} in batches of 8\n")
        rows, answered = [], 0.0
        for devices in given.devices:
            records = together(port, half, devices, asking(given.seconds))
            answered = len(records) / given.seconds
            server_ms = np.percentile([record.server_ms or 0.0 for record in records], (50, 99))
            rows.append(
                {
                    "devices": str(devices),
                    "answered/s": f"{answered:.4g}",
                    "of one by one": f"{100 * answered / alone[1]:.0f} %",
                    "server p50 ms": f"{server_ms[0]:.4g}",
                    "server p99 ms": f"{server_ms[1]:.4g}",
                }
            )
        print(markdown(rows))
        devices, rate = given.devices[-1], 3 * answered
        records = together(port, half, devices, offering(given.seconds, devices / rate))
        ages = [record.age_ms or 0.0 for record in records if not record.dropped]
        offered, fresh = (len(some) / given.seconds for some in (records, ages))
        print(f"\n{devices} devices offer {offered:.4g} frames/s: {fresh:.4g}")
        middle, most = np.percentile(ages, (50, 99))
        print(f"are answered, {middle:.4g} ms old, and {most:.4g} at the 99th percentile.")


if __name__ == "__main__":
    main()
