"""Both sides of what was trained, from its folder."""

from pathlib import Path

from torch import nn

from bottleneck.deploy.frontier import read_frontier
from bottleneck.deploy.networks import named_network
from bottleneck.deploy.pairs import both_sides
from bottleneck.deploy.places import found
from bottleneck.deploy.sides import Device, Server
from bottleneck.deploy.switching import FrontierDevice, FrontierServer


def load(
    path: str | Path, model: nn.Module | None = None, digest: str | None = None
) -> tuple[Device, Server] | tuple[FrontierDevice, FrontierServer]:
    """Both sides of a bundle, or of a whole frontier, around one frozen network.

    Args:
        path: Folder of a bundle or of a frontier, or of the run or study that made it; or an entry of the
            zoo, such as `zoo:digits/default`.
        model: The network that it was made for, such as `bottleneck.models.create(...)` returns. It goes
            into eval mode; both sides share its weights, on its device. `None`: the one that the bundle
            names, where that comes with a package.
        digest: SHA-256 of `bundle.json` or `frontier.json` (`sha256sum`), got over a way that is trusted: it
            vouches for every other file. `None`: the folder itself is trusted.

    Returns:
        `device` and `server`: `payload = device(image)`, `output = server(payload)`.

    Raises:
        FileNotFoundError: If a file is missing.
        TypeError: If the network is none.
        ValueError: If a file cannot be read, is another one than the digest's, belongs to another network,
            or nobody knows how to make that network.
    """
    if not isinstance(model, nn.Module | None):
        raise TypeError(
            f"bottleneck.load({str(path)!r}, {model!r:.80}): this {type(model).__name__} is no network. Give "
            "the module itself, such as bottleneck.models.create(...) returns."
        )
    points, bundles, hardness = read_frontier(found(path), digest)
    sides = both_sides(bundles, named_network(bundles[0]) if model is None else model)
    if not points:
        return sides[0]
    return (
        FrontierDevice(points, [device for device, _ in sides], hardness),
        FrontierServer(points, [server for _, server in sides]),
    )
