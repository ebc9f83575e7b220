"""`bottleneck serve`: the server's half of frontiers, until SIGTERM or Ctrl-C; see `bottleneck.runtime`."""

import asyncio
import contextlib
import functools
import logging
import signal
import threading
import time
from pathlib import Path

from omegaconf import DictConfig
from torch import nn

from bottleneck.commands.deciding import frontiers_of
from bottleneck.commands.export import network_of
from bottleneck.commands.transport import by_datagrams
from bottleneck.commands.values import torch_device
from bottleneck.deploy.frontier import numbered_bundles
from bottleneck.deploy.networks import check_network
from bottleneck.runtime.journal import Journal
from bottleneck.runtime.page import Page
from bottleneck.runtime.security import Security
from bottleneck.runtime.serving.server import Limits, Server
from bottleneck.runtime.serving.stateless import stateless_bundles
from bottleneck.runtime.serving.tails import Tails

log = logging.getLogger(__name__)


def network_for(cfg: DictConfig, folder: Path) -> nn.Module:
    """The frozen network of a frontier, on the configuration's device."""
    return network_of(cfg, numbered_bundles(folder)[0][0]).to(torch_device(cfg.device))


def tails_of(cfg: DictConfig, folders: list[Path]) -> Tails:
    """What a server of the configuration runs."""
    return Tails(folders, network_for(cfg, folders[0]), cfg.keep, cfg.datagrams.concealment)


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
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(server.drain)
        print(f"serving {len(tails.describe()['bundles'])} points on {cfg.host}:{port}", flush=True)
        if cfg.page.port is not None:
            page = Page(journal, f"serving on port {port}")
            page_port = await page.start(cfg.page.host, cfg.page.port)
            stack.push_async_callback(page.stop)
            print(f"page: http://{cfg.page.host}:{page_port}", flush=True)
        await ended.wait()
        print("answering what is here, then ending", flush=True)


def on_ray(cfg: DictConfig) -> None:
    """Serve on Ray until told to end.

    Raises:
        ModuleNotFoundError: If Ray is not installed.
        ValueError: If what is asked for needs the runtime's own server, or replicas cannot answer it.
    """
    if by_datagrams(cfg) or any(cfg.tls.values()):
        raise ValueError(
            "engine=ray listens for HTTP in the clear. Leave transport= and tls.* out and put a proxy for "
            "TLS in front of it, or use engine=own."
        )
    folders = frontiers_of(cfg)
    if len(folders) > 1:
        raise ValueError(
            f"frontier= names {len(folders)}, and engine=ray serves one. Start a command for each, on "
            "a port of its own."
        )
    from bottleneck.runtime.serving import ray_app  # is an extra, and takes seconds

    folder = folders[0].resolve()
    network = network_of(cfg, numbered_bundles(folder)[0][0])
    for bundle in stateless_bundles(folder).values():
        check_network(bundle, network)  # what every replica would fail at is said once, in a line
    options = ray_app.Options(
        replicas=cfg.ray.replicas,
        most=cfg.ray.most,
        ongoing=cfg.ray.ongoing,
        up_after=cfg.ray.up_after,
        down_after=cfg.ray.down_after,
        cpus=cfg.ray.cpus,
        gpus=cfg.ray.gpus,
        max_batch=cfg.batch.max,
        max_wait=cfg.batch.wait_ms / 1000,
        longest=cfg.limits.message,
        most_waiting=cfg.limits.devices,
        top=cfg.top,
        token=cfg.token,
    )
    made = functools.partial(network_for, cfg, folder)
    ended = threading.Event()
    with ray_app.running(folder, made, options, cfg.host, cfg.port, cfg.ray.cluster) as port:
        for told in (signal.SIGTERM, signal.SIGINT):
            signal.signal(told, lambda *_: ended.set())
        print(f"serving {folder.name} on http://{cfg.host}:{port}", flush=True)
        ended.wait()
        print("ending", flush=True)


def run(cfg: DictConfig) -> None:
    """Serve."""
    logging.getLogger("bottleneck").setLevel(logging.INFO)
    match cfg.engine:
        case "own":
            asyncio.run(serve(cfg))
        case "ray":
            on_ray(cfg)
        case _:
            raise ValueError(f"engine={cfg.engine} is unknown. Use own, or ray (replicas on Ray Serve).")
