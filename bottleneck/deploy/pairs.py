"""Device and server of operating points around one network, which is split once for each place."""

import torch
from torch import nn

from bottleneck.deploy.bundle import Bundle, Place
from bottleneck.deploy.networks import check_network, split_network
from bottleneck.deploy.sides import Device, Server, takes_sizes
from bottleneck.devices import device_of
from bottleneck.splitting import SplitModel


def _check_shapes(bundle: Bundle, net: SplitModel) -> None:
    """Refuse a unit that does not stand between these two halves.

    Raises:
        ValueError: Naming the shapes.
    """
    unit, shape = bundle.unit, tuple(net.point.shape)
    latent = unit.latent_shape_of(tuple(net.entry.shape) if unit.replaces else shape)
    with torch.no_grad():
        made = tuple(unit.decode(torch.zeros(1, *latent, device=device_of(unit))).shape[1:])
    if latent != unit.latent_shape and not takes_sizes(net):
        raise ValueError(f"The unit's latent is {unit.latent_shape}, at {bundle.split} it would be {latent}.")
    # Released geometries give some maps back a little larger or smaller, which tails that pool allow.
    if len(made) != len(shape) or (made != shape and getattr(unit, "geometry", "") != "released"):
        raise ValueError(f"The unit gives features of {made}, the network at {bundle.split} takes {shape}.")


def both_sides(bundles: list[Bundle], model: nn.Module) -> list[tuple[Device, Server]]:
    """Device and server of each bundle; all share one network, which is split once per split point and tail.

    Raises:
        ValueError: If a bundle belongs to another network.
    """
    where = device_of(model)
    nets: dict[Place, SplitModel] = {}
    sides = []
    for bundle in bundles:
        check_network(bundle, model)
        bundle.unit.to(where)
        place = bundle.place
        if place not in nets:
            nets[place] = split_network(bundle, model)
        _check_shapes(bundle, nets[place])
        sides.append((Device(bundle, nets[place]), Server(bundle, nets[place])))
    return sides
