"""`bottleneck stream`: the device's half, on a folder, a video or a camera; see `bottleneck.runtime`."""

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from bottleneck.commands.deciding import frontiers_of, policy_of
from bottleneck.commands.export import network_of
from bottleneck.commands.link import link_of
from bottleneck.commands.transport import packing_of
from bottleneck.commands.values import torch_device
from bottleneck.data.scans import scans
from bottleneck.deploy.frontier import numbered_bundles
from bottleneck.runtime.controller import Controller
from bottleneck.runtime.device.cascade import Cascade
from bottleneck.runtime.device.client import Client, check_timeout
from bottleneck.runtime.device.graphs import GraphHalf
from bottleneck.runtime.device.half import Half
from bottleneck.runtime.device.routes import ALONE, Route
from bottleneck.runtime.device.sources import Source, Stills, check_pace, first_of, open_source, paced, shots
from bottleneck.runtime.device.torch_half import TorchHalf
from bottleneck.runtime.device.trial import tried
from bottleneck.runtime.device.view import View
from bottleneck.runtime.estimator import Estimator
from bottleneck.runtime.journal import Journal, JsonLines
from bottleneck.runtime.page import background_page
from bottleneck.runtime.plan import read_strategies
from bottleneck.runtime.security import Security
from bottleneck.runtime.strategy import Strategy

TRIED = 5  # images that strategies are tried on, where no plan has measured them


def source_of(cfg: DictConfig) -> Source:
    """The source of a configuration; without one the embedded digits."""
    if cfg.source is not None:
        return open_source(str(cfg.source))
    return Stills([torch.from_numpy(pixels) for pixels in scans("val")[0]])


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


class Sending(NamedTuple):
    """What a configuration says of how images are answered.

    Attributes:
        route: The one way that all go; `None`: a policy chooses, or else the best point is sent.
        cascade: When the picture is sent as well; `None`: never.
        strategies: What is known of ways to an answer: a plan's; none without one.
    """

    route: Route | None
    cascade: Cascade | None
    strategies: Sequence[Strategy]


def sending_of(cfg: DictConfig, half: Half, image: Any) -> Sending:
    """What a configuration says, checked against the half and one of the images.

    Raises:
        FileNotFoundError: If the plan is missing.
        ValueError: If plan, strategy or cascade is none.
    """
    cascade = None
    if cfg.cascade.sure is not None:
        cascade = Cascade(cfg.cascade.sure, dict(cfg.cascade.then))
        half.payload(image, cascade.route)  # refuses a codec that makes no pictures of these
    strategies = [] if cfg.plan is None else read_strategies(Path(cfg.plan).expanduser())
    route = None if cfg.strategy is None else _named(cfg.strategy, [*half.routes, ALONE, *strategies])
    return Sending(route, cascade, strategies)


def _named(name: str, routes: Sequence[Route]) -> Route:
    known = {route.name: route for route in routes}  # a plan's last: it says what its names stand for
    if name not in known:
        raise ValueError(
            f"strategy={name} is unknown. Choose one of {list(known)}; pictures have names in a plan, "
            "plan=plan.json."
        )
    return known[name]


def must_try(cfg: DictConfig) -> bool:
    """Whether strategies have to be tried: a policy chooses among them, and no plan has measured them."""
    decides = bool(cfg.policy) or cfg.budget.latency is not None
    return cfg.strategy is None and cfg.plan is None and decides


def client_of(
    cfg: DictConfig, half: Half, sending: Sending, server: str, security: Security, journal: Journal
) -> Client:
    """A client that follows the configuration's policy where there are strategies, or else goes one way.

    Raises:
        ValueError: If no strategy keeps the budget.
    """
    controller = None
    if sending.route is None and sending.strategies:
        frozen = max(strategy.value for strategy in sending.strategies if strategy.kind == "device")
        controller = Controller(sending.strategies, policy_of(cfg, frozen))
    return Client(
        server,
        half,
        controller=controller,
        route=sending.route,
        cascade=sending.cascade,
        estimator=Estimator(link_of(cfg)),
        security=security,
        timeout=cfg.timeout,
        checked=cfg.crc,
        journal=journal,
    )


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


def played(client: Client, images: Iterator[Any], fps: float | None, view: View, folder: Path) -> None:
    """Have all images answered: at their own pace, or else each when it is its turn.

    However that ends, and of a camera it is usually Ctrl-C, what became of the frames is said.

    Args:
        client: Is closed then.
        images: In order.
        fps: Images a second; `None`: they have no pace.
        view: Follows the journal.
        folder: Where `frames.jsonl` is.
    """
    try:
        with client, view:
            if fps is None:
                for image in images:
                    client.ask(image)
            else:
                for image in paced(images, fps):
                    client.offer(image)
                client.settle()
    finally:
        print(view.summary())
        print(f"\nWritten to {folder}: frames.jsonl")


def run(cfg: DictConfig) -> None:
    """Stream, and say what became of the frames."""
    folder = Path(HydraConfig.get().runtime.output_dir)
    check_playing(cfg)
    source = source_of(cfg)
    half = half_of(cfg, frontiers_of(cfg))
    first = first_of(source, TRIED)
    sending = sending_of(cfg, half, first[0])
    security = Security(**cfg.tls, token=cfg.token)
    journal = Journal(time.monotonic)
    view = View(f"{cfg.source or 'digits'} to {cfg.server}")
    lines = JsonLines(folder / "frames.jsonl")
    journal.listen(lines)
    journal.listen(view)
    fps = cfg.fps if cfg.fps is not None else source.fps
    with contextlib.ExitStack() as stack:
        stack.callback(lines.close)
        if cfg.page.port is not None:
            stack.enter_context(background_page(journal, "streaming", cfg.page.host, cfg.page.port))
        if must_try(cfg):
            strategies = tried(half, first, str(cfg.server), security, cfg.timeout)
            sending = sending._replace(strategies=strategies)
        client = client_of(cfg, half, sending, str(cfg.server), security, journal)
        played(client, shots(source, cfg.frames), fps, view, folder)
