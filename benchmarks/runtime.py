"""What the wire costs, and what many devices and an overload do to answers.

    python -m benchmarks.runtime studies/NAME/frontier
    python -m benchmarks.runtime studies/NAME/frontier --devices 1 8 --seconds 2 --rows runtime.jsonl

Server and devices are two processes of this machine, over loopback. First the round trip of a message and
its confirmation against a plain socket that returns as many bytes; then what the runtime adds between a frame
and its result, for payloads of about these sizes, beside what the device's half of the frontier computes;
then devices that want one answer after another, against what the worker does alone, one by one and in
batches; then as many devices that offer three times what they were just answered.
"""

import asyncio
import json
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.shared import markdown, parser, served
from bottleneck import codecs, models
from bottleneck.deploy.bundle import Bundle
from bottleneck.deploy.frontier import Point, numbered_bundles, write_frontier
from bottleneck.deploy.networks import named_network
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
_BATCH = 8  # most frames of a batch, as `bottleneck serve` has it

#: What the columns of a table are called, and how their numbers are printed, by the keys of its rows.
Columns = Mapping[str, tuple[str, str]]
ROUND_TRIPS: Columns = {
    "bytes": ("bytes", "{}"),
    "grpc_p50_ms": ("gRPC p50", "{:.3f}"),
    "grpc_p99_ms": ("gRPC p99", "{:.3f}"),
    "socket_p50_ms": ("socket p50", "{:.3f}"),
    "socket_p99_ms": ("socket p99", "{:.3f}"),
}
RESULTS: Columns = {
    "payload_bytes": ("payload", "{} B"),
    "result_p50_ms": ("frame to result p50", "{:.2f}"),
    "worker_p50_ms": ("worker alone p50", "{:.2f}"),
    "runtime_ms": ("the runtime", "{:.2f}"),
    "of_head": ("of the head", "{:.1%}"),
}
DEVICES: Columns = {
    "devices": ("devices", "{}"),
    "answered_per_s": ("answered/s", "{:.4g}"),
    "of_one_by_one": ("of one by one", "{:.0%}"),
    "of_batches": (f"of batches of {_BATCH}", "{:.0%}"),
    "server_p50_ms": ("server p50 ms", "{:.4g}"),
    "server_p99_ms": ("server p99 ms", "{:.4g}"),
}

Rows = list[dict[str, float]]


def table(rows: Rows, columns: Columns) -> str:
    """Rows as they are printed."""
    return markdown(
        [{title: form.format(row[key]) for key, (title, form) in columns.items()} for row in rows]
    )


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


def round_trips(port: int, count: int) -> Rows:
    """For each size so many round trips over gRPC, and through a plain socket."""
    rows = []
    for size in SIZES:
        ours, plain = grpc_ms(port, size, count), asyncio.run(socket_ms(size, count))
        rows.append(
            {
                "bytes": size,
                "grpc_p50_ms": statistics.median(ours),
                "grpc_p99_ms": float(np.percentile(ours, 99)),
                "socket_p50_ms": statistics.median(plain),
                "socket_p99_ms": float(np.percentile(plain, 99)),
            }
        )
    return rows


def from_frame_to_result(count: int, head_ms: float) -> Rows:
    """For each size what a frame's answer takes, what of it the worker does, and what is left: the runtime.

    All are medians.

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
                worker = statistics.median(worker_ms(tails, device, 1, 1.0))
                whole = statistics.median(record.age_ms or 0.0 for record in records)
                rows.append(
                    {
                        "payload_bytes": records[0].bytes or 0,
                        "result_p50_ms": whole,
                        "worker_p50_ms": worker,
                        "runtime_ms": whole - worker,
                        "of_head": (whole - worker) / head_ms,
                    }
                )
    return rows


def worker_ms(tails: Tails, half: Prepared, batch: int, seconds: float) -> list[float]:
    """What the worker alone takes for batches of a size, one after another for so long."""
    session, times = Session(), []
    worker, payload = Worker(tails), half.payload(None, half.routes[0])
    number, _ = tails.number(wanted(half.routes[0]))
    end = time.perf_counter() + seconds
    while (started := time.perf_counter()) < end:
        worker([Coded(number, [payload], session)] * batch)
        times.append(1000 * (time.perf_counter() - started))
    return times[len(times) // 10 :]


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


def answering(
    port: int, half: Prepared, devices: Sequence[int], seconds: float, alone: Mapping[int, float]
) -> Rows:
    """For each number of devices what is answered, beside what the worker does alone.

    Args:
        port: The server's.
        half: Every device's.
        devices: How many at once, for each row.
        seconds: How long.
        alone: Frames a second of the worker, by the size of its batches.
    """
    rows = []
    for number in devices:
        records = together(port, half, number, asking(seconds))
        answered = len(records) / seconds
        server_ms = np.percentile([record.server_ms or 0.0 for record in records], (50, 99))
        rows.append(
            {
                "devices": number,
                "answered_per_s": answered,
                "of_one_by_one": answered / alone[1],
                "of_batches": answered / alone[_BATCH],
                "server_p50_ms": float(server_ms[0]),
                "server_p99_ms": float(server_ms[1]),
            }
        )
    return rows


def overload(port: int, half: Prepared, devices: int, rate: float, seconds: float) -> dict[str, float]:
    """What is answered, and how old, where so many devices offer so many frames a second together."""
    records = together(port, half, devices, offering(seconds, devices / rate))
    ages = [record.age_ms or 0.0 for record in records if not record.dropped]
    middle, most = map(float, np.percentile(ages, (50, 99)))
    return {
        "devices": devices,
        "offered_per_s": len(records) / seconds,
        "answered_per_s": len(ages) / seconds,
        "age_p50_ms": middle,
        "age_p99_ms": most,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the tables."""
    options = parser(__doc__)
    options.add_argument("frontier", type=Path)
    options.add_argument("--devices", type=int, nargs="+", default=[1, 8, 32])
    options.add_argument("--seconds", type=float, default=5.0)
    options.add_argument("--count", type=int, default=2000, help="round trips")
    options.add_argument("--rows", type=Path, help="JSON lines, one for each line of the tables")
    given = options.parse_args(arguments)
    bundle = numbered_bundles(given.frontier)[0][0]
    network = named_network(bundle)
    tails = Tails([given.frontier], network)
    device, image = TorchHalf([given.frontier], network), np.zeros(bundle.image_shape, np.uint8)
    half = Prepared(device, image, device.routes[0])
    head_ms = statistics.median(device_ms(device, image, given.count // 20))
    alone = {
        batch: 1000 * batch / statistics.fmean(worker_ms(tails, half, batch, given.seconds))
        for batch in (1, _BATCH)
    }
    with served(given.frontier, _HOST) as (_, port):
        trips = round_trips(port, given.count)
        print("Round trips in milliseconds\n", table(trips, ROUND_TRIPS), sep="\n")
        results = from_frame_to_result(given.count, head_ms)
        print(f"\nFrom a frame to its result, in milliseconds, where the head takes {head_ms:.2f}\n")
        print(table(results, RESULTS))
        print(f"\nThe worker alone: {alone[1]:.0f} frames/s one by one, ", end="")
        print(f"{alone[_BATCH]:.0f} in batches of {_BATCH}\n")
        devices = answering(port, half, given.devices, given.seconds, alone)
        print(table(devices, DEVICES))
        rate = 3 * devices[-1]["answered_per_s"]
        over = overload(port, half, given.devices[-1], rate, given.seconds)
        print("\n{devices} devices offer {offered_per_s:.4g} frames/s: {answered_per_s:.4g}".format(**over))
        ages = "are answered, {age_p50_ms:.4g} ms old, and {age_p99_ms:.4g} at the 99th percentile."
        print(ages.format(**over))
    if given.rows is not None:
        written = {
            "round trips": trips,
            "frame to result": [row | {"head_p50_ms": head_ms} for row in results],
            "worker alone": [{"batch": size, "frames_per_s": rate} for size, rate in alone.items()],
            "devices": devices,
            "overload": [over],
        }
        lines = [json.dumps({"table": name} | row) for name, rows in written.items() for row in rows]
        given.rows.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
