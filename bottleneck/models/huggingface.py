"""Hugging Face's networks for images, by a folder, a name on the hub, or the name of a family."""

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bottleneck.models.pixels import Normalize, PixelNetwork
from bottleneck.models.processors import normalization, preprocessing
from bottleneck.models.wrapping import downloading, library_weights, wrap


def from_huggingface(
    name: str,
    weights: str | None = None,
    logits: Sequence[int] | None = None,
    num_classes: int | None = None,
    config: dict[str, Any] | None = None,
    segments: bool | None = None,
) -> PixelNetwork:
    """A classifier or semantic segmenter of transformers as a frozen network that takes pixels.

    Its output is the logits; a segmenter's are enlarged to the image.

    Args:
        name: A folder with `config.json`, a name on the hub (`google/vit-base-patch16-224`), or a family
            (`vit`), which has its default configuration.
        weights: `pretrained`: those of the folder or the hub; the path of a checkpoint; `None`: random.
        logits: Keep these logits only, in this order.
        num_classes: Outputs of the classifier; `None`: as the configuration has it.
        config: Further entries of the configuration, in the place of what it has.
        segments: Whether it is to segment, where a family does both; `None`: what the configuration says.

    Raises:
        ModuleNotFoundError: If transformers is not installed; the message has the command.
        ValueError: If the name or the weights are unknown, or the network has no such output.
    """
    try:
        import transformers
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'model=huggingface needs: pip install "split-bottleneck[huggingface]"'
        ) from error
    pretrained, checkpoint = library_weights(weights, "Hugging Face")
    changes = dict(config or {}) | ({} if num_classes is None else {"num_labels": num_classes})
    is_family = name in transformers.CONFIG_MAPPING
    if pretrained and is_family:
        raise ValueError(
            f"model.weights=pretrained: {name!r} is a family without weights. Set model.name to a folder or "
            "to a name on the hub, such as google/vit-base-patch16-224."
        )
    with downloading(f"model.name={name}", "Give a folder with its config.json and weights as model.name."):
        settings = _settings(name, changes, is_family)
        kind, segments = _kind(settings, segments)
        if pretrained:
            fits = num_classes is None
            network = kind.from_pretrained(name, config=settings, ignore_mismatched_sizes=not fits)
        else:
            network = kind.from_config(settings)
    processor, stored = _processor(name, settings, is_family)
    mean, std, order = normalization(processor)
    short = str(settings.model_type) if is_family or Path(name).exists() else name
    side = getattr(settings, "image_size", None) or 224
    found: PixelNetwork = wrap(
        network, checkpoint, logits, "logits", mean, std, 255.0, order, short, side, segments
    )
    if processor is not None:
        fixed = None if stored else getattr(settings, "image_size", None)
        found.preprocessing = preprocessing(processor, Normalize(mean, std, order=order), fixed)
    if (own := found.preprocessing) is not None:
        height, width = own["size"] if "crop" not in own else (own["crop"], own["crop"])
        found.input_shape = (3, height, width)
    return found


def _settings(name: str, changes: dict[str, Any], is_family: bool) -> Any:
    from transformers import CONFIG_MAPPING, AutoConfig

    if is_family:
        settings = AutoConfig.for_model(name, **changes)
        settings.architectures = []  # the family's first
        return settings
    if not Path(name).expanduser().is_dir() and "/" not in name:
        similar = difflib.get_close_matches(name, list(CONFIG_MAPPING), n=5, cutoff=0.4)
        raise ValueError(
            f"model.name={name!r} is no folder with a config.json, no owner/name on the hub and no family of "
            f"transformers. Similar families: {similar}."
        )
    return AutoConfig.from_pretrained(name, **changes)


def _kind(settings: Any, segments: bool | None) -> tuple[Any, bool]:
    """The class that makes the network, and whether it segments."""
    import transformers

    if segments is None:
        segments = "Segmentation" in " ".join(settings.architectures or [])
    if segments and type(settings) in transformers.MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING:
        return transformers.AutoModelForSemanticSegmentation, True
    if not segments and type(settings) in transformers.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING:
        return transformers.AutoModelForImageClassification, False
    wanted = "segments images" if segments else "classifies images"
    raise ValueError(
        f"model.name: nothing of transformers' {settings.model_type!r} {wanted}. Set model.segments, or use "
        "model=custom for other networks."
    )


def _processor(name: str, settings: Any, is_family: bool) -> tuple[Any, bool]:
    """What makes the network's images elsewhere, or `None` where nobody knows; whether it came with it."""
    from transformers import AutoImageProcessor
    from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING

    if not is_family:
        try:
            return AutoImageProcessor.from_pretrained(name), True
        except (OSError, ValueError):  # a folder without preprocessor_config.json
            pass
    try:
        kinds = IMAGE_PROCESSOR_MAPPING[type(settings)]
    except KeyError:
        return None, False
    listed = kinds.values() if isinstance(kinds, dict) else kinds if isinstance(kinds, tuple) else (kinds,)
    return next((kind() for kind in listed if kind is not None), None), False
