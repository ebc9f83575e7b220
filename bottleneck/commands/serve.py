"""`bottleneck serve`: the server's half of frontiers, until SIGTERM or Ctrl-C; see `bottleneck.runtime`."""

import asyncio
import logging
import signal
import time
from pathlib import Path

from omegaconf import DictConfig

from bottleneck.commands.deciding import frontiers_of
from bottleneck.commands.export import network_of
from bottleneck.commands.setup import torch_device
from bottleneck.commands.transport import by_datagrams
from bottleneck.deploy.frontier import numbered_bundles
from bottleneck.runtime.journal import Journal
from bottleneck.runtime.page import Page
from bottleneck.runtime.security import Security
from bottleneck.runtime.serving.server import Limits, Server
from bottleneck.runtime.serving.tails import Tails

log = logging.getLogger(__name__)


def tails_of(cfg: DictConfig, folders: list[Path]) -> Tails:
    """What a server of the configuration runs."""
    network = network_of(cfg, numbered_bundles(folders[0])[0][0]).to(torch_device(cfg.device))
    return Tails(folders, network, cfg.keep, cfg.datagrams.concealment)


def limits_of(cfg: DictConfig) -> Limits:
    """What a server of the configuration allows."""
    return Limits(
        max_batch=cfg.batch.max,
        max_wait=cfg.batch.wait_ms / 1000,
        longest=cfg.limits.message,
        most_devices=cfg.limits.devices,
        idle=cfg.limits.idle,
        grace=cfg.limits.grace,
        deadline=cfg.datagrams.deadline,
        patience=cfg.datagrams.patience,
    )


async def serve(cfg: DictConfig) -> None:
    """Serve until told to end."""
    ended = asyncio.Event()
    for told in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(told, ended.set)
    datagrams = by_datagrams(cfg)
    tails = tails_of(cfg, frontiers_of(cfg))
    journal = Journal(time.monotonic)
    security = Security(**cfg.tls, token=cfg.token)
    server = Server(tails, security, limits_of(cfg), journal, cfg.top, datagrams)
    port = await server.start(f"{cfg.host}:{cfg.port}")
    print(f"serving {len(tails.describe()['bundles'])} points on {cfg.host}:{port}", flush=True)
    page = Page(journal, f"serving on port {port}")
    if cfg.page.port is not None:
        print(f"page: http://{cfg.page.host}:{await page.start(cfg.page.host, cfg.page.port)}", flush=True)
    await ended.wait()
    print("answering what is here, then ending", flush=True)
    await server.drain()
    await page.stop()


def run(cfg: DictConfig) -> None:
    """Serve."""
    logging.getLogger("bottleneck").setLevel(logging.INFO)
    asyncio.run(serve(cfg))
