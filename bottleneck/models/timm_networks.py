"""timm's networks by name, with the normalisation and the image size that timm knows of them."""

import difflib
from collections.abc import Sequence
from typing import Any, cast

from bottleneck.models.pixels import Normalize, PixelNetwork
from bottleneck.models.preparation import preparation
from bottleneck.models.wrapping import downloading, library_weights, wrap


def from_timm(
    name: str,
    weights: str | None = None,
    logits: Sequence[int] | None = None,
    num_classes: int | None = None,
    **options: Any,
) -> PixelNetwork:
    """One of timm's networks as a frozen network that takes pixels.

    Args:
        name: As in `timm.list_models()`, with a tag or without (`convnext_tiny`, `convnext_tiny.fb_in1k`).
        weights: `pretrained`: timm's own, downloaded once; the path of a checkpoint; `None`: random.
        logits: Keep these logits only, in this order.
        num_classes: Outputs of the classifier; `None`: as many as timm's weights have.
        options: Further arguments of `timm.create_model`.

    Raises:
        ModuleNotFoundError: If timm is not installed; the message has the command.
        ValueError: If the name or the weights are unknown; similar names are given.
    """
    try:
        import timm
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError('model=timm needs: pip install "split-bottleneck[timm]"') from error
    if not timm.is_model(name):
        similar = difflib.get_close_matches(name.partition(".")[0], timm.list_models(), n=5, cutoff=0.4)
        raise ValueError(f"model.name={name!r} is no network of timm. Similar names: {similar}.")
    pretrained, checkpoint = library_weights(weights, "timm")
    if num_classes is not None:
        options["num_classes"] = num_classes
    with downloading(f"model.weights=pretrained of {name}", "Give a checkpoint of it as model.weights=PATH."):
        network: Any = timm.create_model(name, pretrained=pretrained, **options)
    known = cast(Any, timm.data).resolve_model_data_config(network)
    side = known["input_size"][1:]
    mean, std = known["mean"], known["std"]
    found: PixelNetwork = wrap(network, checkpoint, logits, None, mean, std, name=name, side=side)
    process = cast(Any, timm.data).create_transform(**known, is_training=False)
    told = f"timm's transform of {name} (crop_mode={known['crop_mode']})"
    found.preprocessing = preparation(process, Normalize(mean, std), known["interpolation"], told)
    return found
