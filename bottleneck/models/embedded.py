"""Networks that the package makes itself, so that everything runs offline.

Each is trained on scikit-learn's handwritten digits when it is first asked for, and cached.
"""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from filelock import FileLock
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from bottleneck.files import replace_file
from bottleneck.models.pixels import Normalize, PixelNetwork

_EPOCHS, _BATCH, _SEED = 30, 64, 0


class _Block(nn.Module):
    """Two 3×3 convolutions around a shortcut, as in ResNet-18."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU()
        self.shortcut = (
            nn.Identity()
            if (inputs, stride) == (outputs, 1)
            else nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class DigitsResNet(nn.Module):
    """A small ResNet for 1×8×8 digits: 0.17 M parameters, ten classes.

    Split points: `stem` 32×8×8, `layer1` 32×8×8, `layer2` 64×4×4, `layer3` 128×2×2.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU())
        self.layer1 = _Block(32, 32, 1)
        self.layer2 = _Block(32, 64, 2)
        self.layer3 = _Block(64, 128, 2)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer3(self.layer2(self.layer1(self.stem(x))))
        return self.fc(torch.flatten(self.pool(x), 1))


class Recipe(NamedTuple):
    """How an embedded network is made and trained.

    Attributes:
        network: Makes it, with random weights.
        peak_lr: Of the schedule.
    """

    network: Callable[[], nn.Module]
    peak_lr: float


def _vit() -> nn.Module:
    from bottleneck.models.digits_transformers import DigitsViT  # loads torchvision

    return DigitsViT()


def _swin() -> nn.Module:
    from bottleneck.models.digits_transformers import DigitsSwin

    return DigitsSwin()


#: By name, as `bottleneck.models.create` takes it.
EMBEDDED = {
    "digits_resnet": Recipe(DigitsResNet, 4e-3),
    "digits_vit": Recipe(_vit, 8e-3),
    "digits_swin": Recipe(_swin, 8e-3),
}


def embedded(name: str, cache_dir: str | Path) -> PixelNetwork:
    """A network of `EMBEDDED` with its weights: from `cache_dir`, or trained there first (seconds on a CPU).

    Several processes may ask at once; one trains, the others wait for it.
    """
    normalize = Normalize([0.305], [0.376], maximum=16)
    network = PixelNetwork(EMBEDDED[name].network(), normalize, name=name, input_shape=(1, 8, 8))
    path = Path(cache_dir).expanduser() / "models" / f"{name}-1.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        if not path.exists():
            _train(network)
            with replace_file(path) as temporary:
                save_file(network.state_dict(), temporary)
    network.load_state_dict(load_file(path))
    return network.eval()


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Sums in one order, whatever the number of cores; tiny tensors are no slower for it."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _train(network: PixelNetwork) -> None:
    """Train on the digits' training images, the same way every time (other CPUs may round differently)."""
    from bottleneck.data.digits import Digits  # here, because inference must not import Lightning

    samples = Digits(holdout=0).subset("train")
    images = torch.stack([samples[index][0] for index in range(len(samples))])
    labels = torch.tensor([samples[index][1] for index in range(len(samples))])
    with torch.random.fork_rng(devices=[]), _one_thread():
        torch.manual_seed(_SEED)
        recipe = EMBEDDED[network.name]
        network.network = recipe.network()  # drawn from the seed
        optimizer = torch.optim.Adam(network.parameters(), lr=recipe.peak_lr, weight_decay=1e-4)
        steps = _EPOCHS * -(-len(images) // _BATCH)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.peak_lr, total_steps=steps)
        network.train()
        for _ in tqdm(range(_EPOCHS), f"Training {network.name} (once)", unit="epoch"):
            for chosen in torch.randperm(len(images)).split(_BATCH):
                loss = F.cross_entropy(network(images[chosen]), labels[chosen])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
