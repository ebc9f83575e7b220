"""Train the small networks that the package brings along, and write their weights where it finds them.

    python benchmarks/embedded.py digits_resnet          # no name: all five, five minutes on one core

Whoever trains them again gets nearly the same weights (other CPUs round differently), hence other bundles.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F
from tqdm.auto import tqdm

from benchmarks.shared import parser
from bottleneck.data import DetectionScenes, Digits, SemanticScenes
from bottleneck.data.base import ImageData
from bottleneck.models.embedded import EMBEDDED, weights_of

_SEED = 0


class _Recipe(NamedTuple):
    """How a network is trained: Adam under a one-cycle schedule.

    Attributes:
        images: Its data; all of train.
        loss: From the network, images and targets to a scalar.
        epochs: Passes over the images, each in an order of its own.
        batch: Images in a batch.
        peak_lr: Largest learning rate.
    """

    images: type[ImageData]
    loss: Callable[[Any, Sequence[Tensor], Sequence[Any]], Tensor]
    epochs: int
    batch: int
    peak_lr: float


def _of_classes(network: Any, images: Sequence[Tensor], targets: Sequence[Any]) -> Tensor:
    wanted = torch.stack([torch.as_tensor(target) for target in targets]).long()
    return F.cross_entropy(network(torch.stack(list(images))), wanted)


def _of_detector(network: Any, images: Sequence[Tensor], targets: Sequence[Any]) -> Tensor:
    losses = network.network([image / 255 for image in images], list(targets))
    return torch.stack(list(losses.values())).sum()


RECIPES = {
    "digits_resnet": _Recipe(Digits, _of_classes, 30, 64, 4e-3),
    "digits_vit": _Recipe(Digits, _of_classes, 30, 64, 8e-3),
    "digits_swin": _Recipe(Digits, _of_classes, 30, 64, 8e-3),
    "scenes_segmenter": _Recipe(SemanticScenes, _of_classes, 12, 32, 4e-3),
    "scenes_detector": _Recipe(DetectionScenes, _of_detector, 2, 16, 3e-3),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, and write the weights in half precision."""
    options = parser(__doc__)
    options.add_argument("names", nargs="*", choices=[*RECIPES, []], help="networks to train; none: all")
    options.add_argument("--epochs", type=int, help="another number of epochs, to try")
    options.add_argument("--folder", type=Path, help="another folder for the weights")
    given = options.parse_args(arguments)
    torch.set_num_threads(1)  # sums are then made in one order, whatever the number of cores
    for name in given.names or RECIPES:
        recipe = RECIPES[name]
        network = trained(name, recipe._replace(epochs=given.epochs or recipe.epochs))
        path = given.folder / f"{name}.safetensors" if given.folder else weights_of(name)
        state = network.network.state_dict()
        halves = {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
        save_file(halves, path)
        print(f"{path}: {path.stat().st_size:,} bytes")


def trained(name: str, recipe: _Recipe) -> Any:
    """A network with trained weights."""
    samples = recipe.images(holdout=0).subset("train")
    images, targets = zip(*(samples[index] for index in range(len(samples))), strict=True)
    torch.manual_seed(_SEED)
    network: Any = EMBEDDED[name]().train()
    optimizer = torch.optim.Adam(network.parameters(), lr=recipe.peak_lr, weight_decay=1e-4)
    steps = recipe.epochs * -(-len(images) // recipe.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.peak_lr, total_steps=steps)
    for _ in tqdm(range(recipe.epochs), name, unit="epoch", disable=None):
        for chosen in torch.randperm(len(images)).split(recipe.batch):
            batch = [images[index] for index in chosen], [targets[index] for index in chosen]
            loss = recipe.loss(network, *batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return network.eval()


if __name__ == "__main__":
    main()
