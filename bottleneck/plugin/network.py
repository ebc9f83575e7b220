"""The network around a split point, as far as it can be traced: what is exported, and how features lie."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from bottleneck.deploy.bundle import Bundle
from bottleneck.devices import device_of
from bottleneck.identity import behaviour, weights_identity
from bottleneck.layouts import Layout
from bottleneck.plugin.hook import Hook
from bottleneck.plugin.probe import names_around
from bottleneck.splitting.axes import layout_of
from bottleneck.splitting.graph import trace
from bottleneck.splitting.points import find_cut, find_node, point_of
from bottleneck.unit import build


class Surroundings(NamedTuple):
    """What is known of the modules around a split point.

    Attributes:
        layout: How the feature's axes are read.
        network: Name, module and split point of the outermost module that takes an image and has a closed cut
            there: the LightningModule itself where its own `forward` can be traced, else `model` for
            `at="model.layer3"`, and so on. `None`: there is none.
        problem: Why not, for each module that is none.
    """

    layout: Layout
    network: tuple[str, nn.Module, str] | None
    problem: str


def surroundings(module: nn.Module, at: str, image: Tensor, shape: tuple[int, ...]) -> Surroundings:
    """Trace the modules around a split point, outermost first.

    Args:
        module: The LightningModule.
        at: Name of the split point.
        image: Like those that enter the network, `(1, C, H, W)`.
        shape: The feature's.
    """
    layout, reasons = None, []
    for name in names_around(at):
        network, called = module.get_submodule(name), name or type(module).__name__
        inner = at.removeprefix(f"{name}.")
        try:
            traced = trace(network, image.to(device_of(network)))
            layout = layout or traced.layouts.get(find_node(traced, inner))
            point = point_of(traced, find_cut(traced, inner, tensors=1))  # a hook sees one
        except ValueError as error:
            reasons.append(f"{called}: {error}")
            continue
        if point.shape == shape:
            return Surroundings(point.layout, (name, network, point.name), "")
        reasons.append(f"{called}: has features {point.shape} there for such an image, not {shape}")
    problem = f"at={at!r} cannot be cut into two halves. {' | '.join(reasons)}"
    return Surroundings(layout or layout_of(shape, tuple(image.shape[1:])), None, problem)


def bundle_of(module: nn.Module, hook: Hook, result: dict[str, Any]) -> Bundle:
    """A trained unit as a bundle for the network that device and server will share.

    Args:
        module: The LightningModule.
        hook: Stands in it; the codec has its tables.
        result: What was measured.

    Raises:
        ValueError: If the module cannot be cut at the split point.
    """
    send, hook.send = hook.send, None
    try:
        around = surroundings(module, hook.at, hook.image, hook.unit.feature_shape)
        if around.network is None:
            raise ValueError(around.problem)
        name, network, split = around.network
        seen = behaviour(network, hook.image.shape[1:], hook.image.dtype)
    finally:
        hook.send = send
    unit = build(hook.unit.options)
    unit.load_state_dict(hook.unit.state_dict())
    return Bundle(
        unit=unit.eval(),
        codec=hook.channel.codec,
        split=split,
        network=weights_identity(network),
        behaviour=seen,
        image_shape=(*hook.image.shape[1:],),
        preprocessing={} if hook.image.dtype == torch.uint8 else None,
        model={"module": type(module).__qualname__, "network": name},
        result=result,
    )
