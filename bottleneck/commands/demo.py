"""`bottleneck demo`: server, emulated link and device in one terminal, and a page that shows them at work."""

import asyncio
import contextlib
import itertools
import signal
import threading
import time
import webbrowser
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from bottleneck.commands.deciding import frontiers_of
from bottleneck.commands.link import conditions_of
from bottleneck.commands.serve import tails_of
from bottleneck.commands.setup import checked_seed
from bottleneck.commands.stream import TRIED, check_playing, client_of, half_of, played, source_of
from bottleneck.commands.transport import by_datagrams
from bottleneck.runtime.device.slowed import Slowed
from bottleneck.runtime.device.sources import first_of, shots
from bottleneck.runtime.device.view import View
from bottleneck.runtime.journal import Journal, JsonLines
from bottleneck.runtime.page import Page
from bottleneck.runtime.relay import Relay
from bottleneck.runtime.security import Security
from bottleneck.runtime.serving.server import Limits, Server

_LOOPBACK = "127.0.0.1"


async def demonstrate(cfg: DictConfig, folder: Path) -> None:
    """Run all three until the frames are over, or Ctrl-C."""
    check_playing(cfg)
    conditions = conditions_of(cfg)
    ended = threading.Event()
    for told in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(told, ended.set)
    folders = frontiers_of(cfg)
    decoded, journal = Journal(time.monotonic), Journal(time.monotonic)
    datagrams = by_datagrams(cfg)
    tails = await asyncio.to_thread(tails_of, cfg, folders)
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
        if cfg.page.port is not None:
            page = Page(journal, f"demo: {cfg.source or 'digits'}", features=decoded, relay=relay)
            page_port = await page.start(cfg.page.host, cfg.page.port)
            stack.push_async_callback(page.stop)
            shown = f"http://{cfg.page.host}:{page_port}"
            print(f"page: {shown}", flush=True)
            if cfg.page.open:
                webbrowser.open(shown)
        await asyncio.to_thread(_stream, cfg, folders, folder, relayed, relay, journal, ended)


def _stream(
    cfg: DictConfig,
    folders: list[Path],
    folder: Path,
    server: str,
    relay: Relay,
    journal: Journal,
    ended: threading.Event,
) -> None:
    source, half = source_of(cfg), Slowed(half_of(cfg, folders), cfg.slower)
    first = first_of(source, TRIED)
    view, lines = (
        View(f"{cfg.source or 'digits'} through an emulated link"),
        JsonLines(folder / "frames.jsonl"),
    )
    journal.listen(lines)
    journal.listen(view)
    images = itertools.takewhile(lambda _: not ended.is_set(), shots(source, cfg.frames))
    with client_of(cfg, half, first, server, Security(), journal) as client, view:
        relay.rewind()
        played(client, images, cfg.fps)
    lines.close()
    print(view.summary())
    print(f"\nWritten to {folder}: frames.jsonl")


def run(cfg: DictConfig) -> None:
    """Demonstrate."""
    asyncio.run(demonstrate(cfg, Path(HydraConfig.get().runtime.output_dir)))
