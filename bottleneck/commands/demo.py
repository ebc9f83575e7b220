"""`bottleneck demo`: server, emulated link and device in one terminal, and a page that shows them at work."""

import asyncio
import contextlib
import itertools
import signal
import threading
import time
import webbrowser
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from bottleneck.commands.deciding import frontiers_of
from bottleneck.commands.link import conditions_of
from bottleneck.commands.serve import tails_of
from bottleneck.commands.stream import (
    TRIED,
    check_playing,
    client_of,
    half_of,
    must_try,
    played,
    sending_of,
    source_of,
)
from bottleneck.commands.transport import by_datagrams
from bottleneck.commands.values import checked_seed
from bottleneck.runtime.device.slowed import Slowed
from bottleneck.runtime.device.sources import first_of, shots
from bottleneck.runtime.device.trial import tried
from bottleneck.runtime.device.view import View
from bottleneck.runtime.journal import Journal, JsonLines
from bottleneck.runtime.page import Page
from bottleneck.runtime.relay import Conditions, Relay
from bottleneck.runtime.security import Security
from bottleneck.runtime.serving.server import Limits, Server
from bottleneck.runtime.serving.tails import Tails

_LOOPBACK = "127.0.0.1"


class _Device:
    """A slower device than this machine, with everything loaded; `folder` is where its frames are written."""

    def __init__(self, cfg: DictConfig, folders: list[Path], folder: Path):
        self._cfg, self._folder = cfg, folder
        self._source, self._half = source_of(cfg), half_of(cfg, folders)
        self._slowed = Slowed(self._half, cfg.slower)
        self._first = first_of(self._source, TRIED)
        self._sending = sending_of(cfg, self._half, self._first[0])

    def stream(self, server: str, relay: Relay, journal: Journal, ended: threading.Event) -> None:
        """Have the frames answered; the link begins its trace with the first of them."""

        def until_ended(things: Iterable[Any]) -> Iterator[Any]:
            return itertools.takewhile(lambda _: not ended.is_set(), things)

        cfg, strategies, security = self._cfg, self._sending.strategies, Security()
        if must_try(cfg):  # at this machine's own speed: nobody waits for the slower one's
            images = itertools.chain(self._first[:1], until_ended(self._first[1:]))
            strategies = tried(self._half, images, server, security, cfg.timeout, Slowed.clock)
        sending = self._sending._replace(strategies=[each.slower(cfg.slower) for each in strategies])
        view = View(f"{cfg.source or 'digits'} through an emulated link")
        lines = JsonLines(self._folder / "frames.jsonl")
        journal.listen(lines)
        journal.listen(view)
        client = client_of(cfg, self._slowed, sending, server, security, journal)
        relay.rewind()
        with contextlib.closing(lines):
            played(client, until_ended(shots(self._source, cfg.frames)), cfg.fps, view, self._folder)


async def _demonstrate(cfg: DictConfig, conditions: Conditions, tails: Tails, device: _Device) -> None:
    """Run all three until the frames are over, or Ctrl-C."""
    ended = threading.Event()
    for told in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(told, ended.set)
    decoded, journal = Journal(time.monotonic), Journal(time.monotonic)
    datagrams = by_datagrams(cfg)
    limits = Limits(deadline=cfg.datagrams.deadline, patience=cfg.datagrams.patience)
    server = Server(tails, limits=limits, journal=decoded, top=cfg.top, datagrams=datagrams)
    async with contextlib.AsyncExitStack() as stack:
        address = (_LOOPBACK, await server.start(f"{_LOOPBACK}:0"))
        stack.push_async_callback(server.drain)
        relay = Relay(
            address,
            conditions,
            jitter=cfg.link.jitter,
            loss=cfg.link.loss,
            seed=checked_seed("seed", cfg.seed),
            datagrams=datagrams,
        )
        relayed = f"{_LOOPBACK}:{await relay.start(_LOOPBACK)}"
        stack.push_async_callback(relay.stop)
        relay.hold()
        if cfg.page.port is not None:
            page = Page(journal, f"demo: {cfg.source or 'digits'}", features=decoded, relay=relay)
            page_port = await page.start(cfg.page.host, cfg.page.port)
            stack.push_async_callback(page.stop)
            shown = f"http://{cfg.page.host}:{page_port}"
            print(f"page: {shown}", flush=True)
            if cfg.page.open:  # some browsers keep their caller until they are left
                threading.Thread(target=webbrowser.open, args=(shown,), daemon=True).start()
        await asyncio.to_thread(device.stream, relayed, relay, journal, ended)


def run(cfg: DictConfig) -> None:
    """Demonstrate; everything is loaded before there is a page, so that it is not empty for long."""
    check_playing(cfg)
    conditions, folders = conditions_of(cfg), frontiers_of(cfg)
    tails = tails_of(cfg, folders)
    device = _Device(cfg, folders, Path(HydraConfig.get().runtime.output_dir))
    asyncio.run(_demonstrate(cfg, conditions, tails, device))
