"""Train a network when it is first asked for, and keep its weights."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from filelock import FileLock
from safetensors.torch import load_file
from torch import Tensor, nn
from tqdm import tqdm

from bottleneck.models.checkpoints import write_state_dict
from bottleneck.models.detection import Detector
from bottleneck.models.pixels import PixelNetwork

Network = PixelNetwork | Detector


class Embedded(NamedTuple):
    """A network and how it comes to its weights.

    Attributes:
        file: Name of its weights in the cache, version included.
        build: Makes it without them.
        train: Makes the weights, the same way every time (other CPUs may round differently).
    """

    file: str
    build: Callable[[], Network]
    train: Callable[[Any], None]

    def trained(self, cache_dir: str | Path) -> Network:
        """The network with its weights, in eval mode: read from the cache, or trained there first.

        Several processes may ask at once; one trains, the others wait for it.

        Args:
            cache_dir: The cache; weights lie in its folder `models`.
        """
        network = self.build()
        path = Path(cache_dir).expanduser() / "models" / f"{self.file}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):
            if not path.exists():
                self.train(network)
                write_state_dict(network, path)
        network.load_state_dict(load_file(path))
        return network.eval()


@contextlib.contextmanager
def reproducible(seed: int, threads: int | None = None) -> Iterator[None]:
    """Draw from a seed of one's own, and leave the caller's random numbers alone.

    Args:
        seed: Of PyTorch's generator on the CPU.
        threads: Of PyTorch meanwhile. With 1, sums are made in one order, whatever the number of cores, and
            tiny tensors are no slower for it.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(before)


def fit(
    network: nn.Module,
    count: int,
    loss: Callable[[Tensor], Tensor],
    epochs: int,
    batch: int,
    peak_lr: float,
    title: str,
) -> None:
    """Train with Adam under a one-cycle schedule.

    Args:
        network: Is trained.
        count: Number of samples.
        loss: From the positions of a batch's samples to a scalar.
        epochs: Passes over the samples, each in an order of its own.
        batch: Samples in a batch.
        peak_lr: Largest learning rate.
        title: What the progress bar says.
    """
    optimizer = torch.optim.Adam(network.parameters(), lr=peak_lr, weight_decay=1e-4)
    steps = epochs * -(-count // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, peak_lr, total_steps=steps)
    network.train()
    for _ in tqdm(range(epochs), f"{title} (once)", unit="epoch"):
        for chosen in torch.randperm(count).split(batch):
            value = loss(chosen)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            schedule.step()
