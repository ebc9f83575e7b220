"""What is exported: the unit as a bundle for the network that device and server will share."""

from typing import Any, NamedTuple

from torch import nn

from bottleneck.deploy.bundle import Bundle
from bottleneck.devices import device_of
from bottleneck.identity import behaviour, weights_identity
from bottleneck.plugin.channel import Channel
from bottleneck.plugin.probe import names_around
from bottleneck.splitting.graph import trace
from bottleneck.splitting.points import find_cut, point_of
from bottleneck.unit import build


class Network(NamedTuple):
    """A network that can be cut: the module, its name within the LightningModule, its split point."""

    module: nn.Module
    name: str
    split: str


def network_around(module: nn.Module, channel: Channel) -> Network:
    """The outermost network around a split point that takes an image and has a closed cut there.

    That is the LightningModule itself where its own `forward` can be traced, else `model` for
    `at="model.layer3"`, and so on.

    Raises:
        ValueError: If there is none; the message has the reason for each candidate.
    """
    reasons = []
    send, channel.send = channel.send, None
    try:
        for name in names_around(channel.at):
            network = module.get_submodule(name)
            try:
                traced = trace(network, channel.image.to(device_of(network)))
                point = point_of(traced, find_cut(traced, channel.at.removeprefix(f"{name}.")))
            except ValueError as error:
                reasons.append(f"{name or type(module).__name__}: {error}")
                continue
            if point.shape == channel.unit.feature_shape:
                return Network(network, name, point.name)
            found = f"has features {point.shape} there for such an image, not {channel.unit.feature_shape}"
            reasons.append(f"{name or type(module).__name__}: {found}")
    finally:
        channel.send = send
    raise ValueError(f"at={channel.at!r} cannot be cut into two halves. {' | '.join(reasons)}")


def bundle_of(module: nn.Module, channel: Channel, result: dict[str, Any]) -> Bundle:
    """A trained unit as a bundle.

    Args:
        module: The LightningModule.
        channel: Holds the unit, the codec with its tables, and what an image looks like.
        result: What was measured.

    Raises:
        ValueError: If the module cannot be cut at the split point.
    """
    network = network_around(module, channel)
    send, channel.send = channel.send, None
    try:
        seen = behaviour(network.module, channel.image.shape[1:], channel.image.dtype)
    finally:
        channel.send = send
    unit = build(channel.unit.options)
    unit.load_state_dict(channel.unit.state_dict())
    return Bundle(
        unit=unit.eval(),
        codec=channel.codec,
        split=network.split,
        network=weights_identity(network.module),
        behaviour=seen,
        image_shape=(*channel.image.shape[1:],),
        preprocessing=None if channel.image.is_floating_point() else {},
        model={"module": type(module).__qualname__, "network": network.name},
        result=result,
    )
