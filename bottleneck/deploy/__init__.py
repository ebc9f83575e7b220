"""Use what was trained: `device(image) -> payload`, `server(payload) -> output`.

Needs torch, torchvision and NumPy, neither Lightning nor Hydra.
"""

from pathlib import Path

from torch import nn

from bottleneck.deploy.frontier import FrontierDevice, FrontierServer, read_bundles
from bottleneck.deploy.sides import Device, Server, both_sides

__all__ = ["Device", "FrontierDevice", "FrontierServer", "Server", "load"]


def load(
    path: str | Path, model: nn.Module, digest: str | None = None
) -> tuple[Device, Server] | tuple[FrontierDevice, FrontierServer]:
    """Both sides of a bundle, or of a whole frontier, around one frozen network.

    Args:
        path: Folder of a bundle or of a frontier.
        model: The network that it was made for, such as `bottleneck.models.create(...)` returns.
            It goes into eval mode; both sides share its weights, on its device.
        digest: SHA-256 of `bundle.json` or `frontier.json` (`sha256sum`), got over a way that is trusted: it
            vouches for every other file. `None`: the folder itself is trusted.

    Returns:
        `device` and `server`: `payload = device(image)`, `output = server(payload)`.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a file cannot be read, is another one than the digest's, or belongs to another network.
    """
    points, bundles = read_bundles(Path(path).expanduser(), digest)
    sides = both_sides(bundles, model)
    if not points:
        return sides[0]
    return (
        FrontierDevice(points, [device for device, _ in sides]),
        FrontierServer(points, [server for _, server in sides]),
    )
