"""Servers, links and devices around three points of the digits' network."""

import asyncio
import contextlib
import threading

import pytest
import torch

from bottleneck import codecs
from bottleneck.deploy.bundle import Bundle
from bottleneck.deploy.frontier import Point, write_frontier
from bottleneck.models import weights_identity
from bottleneck.splitting import split
from bottleneck.unit import BottleneckUnit

MADE = {"_target_": "bottleneck.models.create", "name": "digits_resnet"}


@pytest.fixture(scope="session")
def written(tmp_path_factory, digits_network, digits_images):
    """Writes frontiers of untrained points, by rising metric: `written((at, step, codec, options), ...)`.

    Channels and stride of a unit may follow.
    """

    def write(*wanted):
        folder = tmp_path_factory.mktemp("runtime") / "frontier"
        points = []
        for number, (at, step, name, options, *size) in enumerate(wanted):
            channels, stride = size or (4, 2)
            torch.manual_seed(number)
            net = split(digits_network, at, digits_images[:1]).freeze()
            with torch.no_grad():
                feature = net.head(digits_images)
                unit = BottleneckUnit.from_features(
                    feature, "CHW", latent_channels=channels, stride=stride, step=step
                ).eval()
                symbols = unit.symbols(feature).numpy()
            codec = codecs.create(name, shape=unit.latent_shape, **options).fit(symbols)
            size = sum(1 + len(codec.encode(sample)) for sample in symbols) / len(symbols)
            value = 0.9 + 0.02 * number
            result = {"value": value, "baseline": 0.96}
            identity = weights_identity(digits_network)
            bundle = Bundle(unit, codec, at, identity, (1, 8, 8), model=MADE, result=result)
            bundle.save(folder / f"point-{number:02}")
            points.append(Point(number, f"point-{number:02}", size / 8, size, value))
        write_frontier(folder, points, {"metric": "accuracy_top1"})
        return folder

    return write


@pytest.fixture(scope="session")
def frontier(written):
    """Three points of two cuts. Not to be changed."""
    return written(("layer3", 0.5, "range", {}), ("layer2", 0.2, "range", {}), ("layer2", 0.05, "range", {}))


class Loop:
    """An event loop in a thread of its own, for servers and links beside a test that waits."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, coroutine):
        """Run to the end; its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(60)

    def call(self, function, *arguments):
        """Call something that belongs to the loop; its result."""

        async def called():
            return function(*arguments)

        return self.run(called())

    def close(self):
        """End the loop."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


@pytest.fixture(scope="session")
def loop():
    """Where servers and links run."""
    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture
def serve(loop, frontier, digits_network):
    """Starts servers; they end with the test. `serve(**options)` gives the server and its port."""
    from bottleneck.runtime.serving.server import Server
    from bottleneck.runtime.serving.tails import Tails

    with contextlib.ExitStack() as stack:

        def started(folder=frontier, address="127.0.0.1:0", **options):
            async def start():
                server = Server(Tails([folder], digits_network), **options)
                return server, await server.start(address)

            server, port = loop.run(start())
            stack.callback(lambda: loop.run(server.drain()))
            return server, port

        yield started


@pytest.fixture(scope="session")
def half(frontier, digits_network):
    """The device's half of the frontier."""
    from bottleneck.runtime.device.torch_half import TorchHalf

    return TorchHalf([frontier], digits_network)
