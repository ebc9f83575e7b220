"""torchvision's networks by name."""

import difflib
import inspect
from typing import Any

from torch import nn
from torchvision import models as zoo

from bottleneck.models.wrapping import downloading


def torchvision_network(name: str, weights: str | None, **options: Any) -> tuple[nn.Module, str | None]:
    """One of torchvision's networks, and the checkpoint that remains to be loaded into it.

    Args:
        name: As in `torchvision.models.list_models()`.
        weights: Entry of its weights enum, the path of a checkpoint (returned as it is), or `None`.
        options: Arguments of the network's constructor.

    Raises:
        ValueError: If the name is unknown, or `weights` is neither an entry nor looks like a path.
    """
    if name not in zoo.list_models():
        similar = difflib.get_close_matches(name, zoo.list_models(), n=5, cutoff=0.4)
        raise ValueError(f"model.name={name!r} is no network of torchvision. Similar names: {similar}.")
    # GoogLeNet and Inception spend a minute on an initialisation that the weights replace anyway.
    if name in ("googlenet", "inception_v3"):
        options = {"init_weights": False, **options}
    # Detectors and segmenters would fetch weights of their backbone where none of their own are asked for.
    if "weights_backbone" in inspect.signature(zoo.get_model_builder(name)).parameters:
        options = {"weights_backbone": None, **options}
    entries = [entry.name for entry in zoo.get_model_weights(name)] + ["DEFAULT"]
    if weights in entries:
        return _pretrained(name, str(weights), **options), None
    if weights is None:
        return zoo.get_model(name, **options), None
    if "." not in weights and "/" not in weights:
        raise ValueError(f"model.weights={weights!r}: {name} has {entries}; a checkpoint's path works too.")
    return zoo.get_model(name, weights=None, **options), weights


def _pretrained(name: str, weights: str, **options: Any) -> nn.Module:
    entry = zoo.get_model_weights(name)[weights]
    classes = len(entry.meta.get("categories", ()))
    if classes and options.get("num_classes", classes) != classes:
        raise ValueError(
            f"model.num_classes={options['num_classes']}: model.weights={weights} of {name} tells "
            f"{classes} classes apart. Leave model.num_classes at that and choose some by model.logits, or "
            "give weights of your own by model.weights=PATH."
        )
    instead = f"Fetch {entry.url} elsewhere, and give the file as model.weights=PATH."
    with downloading(f"model.weights={weights} of {name}", instead):
        found: nn.Module = zoo.get_model(name, weights=entry, **options)
    return found
