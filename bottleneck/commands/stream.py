"""`bottleneck stream`: the device's half, on a folder, a video or a camera; see `bottleneck.runtime`."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from bottleneck.commands.deciding import frontiers_of, policy_of
from bottleneck.commands.export import network_of
from bottleneck.commands.link import link_of
from bottleneck.commands.setup import torch_device
from bottleneck.commands.transport import packing_of
from bottleneck.deploy.frontier import numbered_bundles
from bottleneck.runtime.controller import Controller
from bottleneck.runtime.device.cascade import Cascade
from bottleneck.runtime.device.client import Client, check_timeout
from bottleneck.runtime.device.graphs import GraphHalf
from bottleneck.runtime.device.half import Half
from bottleneck.runtime.device.routes import Fixed
from bottleneck.runtime.device.sources import Source, Stills, check_pace, first_of, open_source, paced, shots
from bottleneck.runtime.device.torch_half import TorchHalf
from bottleneck.runtime.device.trial import tried
from bottleneck.runtime.device.view import View
from bottleneck.runtime.estimator import Estimator
from bottleneck.runtime.journal import Journal, JsonLines
from bottleneck.runtime.page import background_page
from bottleneck.runtime.plan import read_strategies
from bottleneck.runtime.security import Security

TRIED = 5  # images that strategies are tried on, where no plan has measured them


def source_of(cfg: DictConfig) -> Source:
    """The source of a configuration; without one the embedded digits."""
    if cfg.source is not None:
        return open_source(str(cfg.source))
    from bottleneck.data import Digits  # loads the training stack

    digits = Digits().subset("val")
    return Stills([digits[index][0] for index in range(len(digits))])


def half_of(cfg: DictConfig, folders: list[Path]) -> Half:
    """What this device computes with.

    Raises:
        ValueError: If `half` or `transport` is unknown, or payloads cannot be cut in that way.
    """
    packing = packing_of(cfg)
    if cfg.half == "onnx":
        return GraphHalf(folders, cfg.top, packing)
    if cfg.half != "torch":
        raise ValueError(f"half={cfg.half} is unknown. Use torch, or onnx (`bottleneck export`).")
    network = network_of(cfg, numbered_bundles(folders[0])[0][0]).to(torch_device(cfg.device))
    return TorchHalf(folders, network, cfg.top, packing)


def client_of(
    cfg: DictConfig, half: Half, images: list[Any], server: str, security: Security, journal: Journal
) -> Client:
    """A client that follows the configuration's policy, or else stays with one strategy.

    Raises:
        ValueError: If the strategy is unknown, or none keeps the budget.
    """
    options: dict[str, Any] = {"security": security, "timeout": cfg.timeout, "checked": cfg.crc}
    options["estimator"] = Estimator(link_of(cfg))
    if cfg.cascade.sure is not None:
        options["cascade"] = cascade = Cascade(cfg.cascade.sure, dict(cfg.cascade.then))
        half.payload(images[0], cascade.route)  # refuses a codec that makes no pictures of these
    if cfg.strategy is not None:
        options["route"] = _named(cfg.strategy, half)
    elif cfg.policy or cfg.plan is not None or cfg.budget.latency is not None:
        if cfg.plan is None:
            strategies = tried(half, images, server, security, cfg.timeout)
        else:
            strategies = read_strategies(Path(cfg.plan).expanduser())
        frozen = max(strategy.value for strategy in strategies if strategy.kind == "device")
        options["controller"] = Controller(strategies, policy_of(cfg, frozen))
    return Client(server, half, journal=journal, **options)


def _named(name: str, half: Half) -> Fixed:
    for route in half.routes:
        if route.name == name:
            return route
    raise ValueError(f"strategy={name} is unknown. Choose one of {[route.name for route in half.routes]}.")


def check_playing(cfg: DictConfig) -> None:
    """Refuse what a device cannot keep to, before anything is started for it.

    Raises:
        ValueError: If the pace is none, or the time-out, the link, the policy or one of its limits.
    """
    if cfg.fps is not None:
        check_pace(cfg.fps)
    check_timeout(cfg.timeout)
    link_of(cfg)
    policy_of(cfg, 1.0)


def played(client: Client, images: Iterator[Any], fps: float | None) -> None:
    """Have all images answered: at their own pace, or else each when it is its turn."""
    if fps is None:
        for image in images:
            client.ask(image)
        return
    for image in paced(images, fps):
        client.offer(image)
    client.settle()


def run(cfg: DictConfig) -> None:
    """Stream, and say what became of the frames."""
    folder = Path(HydraConfig.get().runtime.output_dir)
    check_playing(cfg)
    source = source_of(cfg)
    half = half_of(cfg, frontiers_of(cfg))
    security = Security(**cfg.tls, token=cfg.token)
    journal = Journal(time.monotonic)
    view = View(f"{cfg.source or 'digits'} to {cfg.server}")
    lines = JsonLines(folder / "frames.jsonl")
    journal.listen(lines)
    journal.listen(view)
    first = first_of(source, TRIED)
    fps = cfg.fps if cfg.fps is not None else source.fps
    with contextlib.ExitStack() as stack:
        stack.callback(lines.close)
        if cfg.page.port is not None:
            stack.enter_context(background_page(journal, "streaming", cfg.page.host, cfg.page.port))
        client = stack.enter_context(client_of(cfg, half, first, str(cfg.server), security, journal))
        stack.enter_context(view)
        with contextlib.suppress(KeyboardInterrupt):
            played(client, shots(source, cfg.frames), fps)
    print(view.summary())
    print(f"\nWritten to {folder}: frames.jsonl")
