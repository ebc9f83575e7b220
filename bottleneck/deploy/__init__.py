"""Use what was trained: `device(image) -> payload`, `server(payload) -> output`.

Needs torch, torchvision and NumPy, neither Lightning nor Hydra.
"""

from pathlib import Path

from torch import nn

from bottleneck.deploy.bundle import Bundle
from bottleneck.deploy.frontier import FrontierDevice, FrontierServer, read_frontier
from bottleneck.deploy.sides import Device, Server, both_sides

__all__ = ["Device", "FrontierDevice", "FrontierServer", "Server", "load"]


def load(path: str | Path, model: nn.Module) -> tuple[Device, Server] | tuple[FrontierDevice, FrontierServer]:
    """Both sides of a bundle, or of a whole frontier, around one frozen network.

    Args:
        path: Folder of a bundle or of a frontier.
        model: The network that it was made for, such as `bottleneck.models.create(...)` returns.
            It goes into eval mode; both sides share its weights, on its device.

    Returns:
        `device` and `server`: `payload = device(image)`, `output = server(payload)`.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If a file cannot be read, or belongs to another network.
    """
    folder = Path(path).expanduser()
    if not (folder / "frontier.json").exists():
        ((device, server),) = both_sides([Bundle.read(folder)], model)
        return device, server
    points = read_frontier(folder)
    sides = both_sides([Bundle.read(folder / point.bundle) for point in points], model)
    return (
        FrontierDevice(points, [device for device, _ in sides]),
        FrontierServer(points, [server for _, server in sides]),
    )
