"""What an image processor of Hugging Face does to an image: to its pixels, and to its size."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from bottleneck.models.pixels import Normalize
from bottleneck.models.preparation import preparation

_BILINEAR = 2  # as processors count interpolations, and Pillow


def normalization(processor: Any) -> tuple[Sequence[float], Sequence[float], Sequence[int] | None]:
    """What a processor makes of pixels, as arguments of `Normalize`.

    Args:
        processor: The processor; `None` where nobody knows of one.

    Returns:
        Mean and standard deviation of pixels scaled to [0, 1], and the order of channels; `None`: as it is.
    """

    def does(step: str, otherwise: Any = False) -> Any:
        return getattr(processor, step, otherwise)

    half, one = (0.5, 0.5, 0.5), (1.0, 1.0, 1.0)
    mean, std = does("image_mean") or half, does("image_std") or half
    again = std if does("include_top") else one  # EfficientNet's divides twice
    if not does("do_normalize", True):
        mean, std = (0.0, 0.0, 0.0), one
    white = 255 * (does("rescale_factor", 1 / 255) if does("do_rescale", True) else 1)
    below = 1 if does("rescale_offset") else 0
    return (
        [(value + below) / white for value in mean],
        [value * other / white for value, other in zip(std, again, strict=True)],
        [2, 1, 0] if does("do_flip_channel_order") else None,
    )


def preprocessing(processor: Any, normalize: Normalize, side: int | None) -> dict[str, Any] | None:
    """What a processor does to an image's size, as options of `preprocess`.

    Args:
        processor: The processor.
        normalize: What is done to pixels after that.
        side: Of the square that the network takes, where the processor is not its own, but its family's.

    Returns:
        The options; `None`, with a warning, where it does something else.
    """
    resample = getattr(processor, "resample", None)
    interpolation = Image.Resampling(_BILINEAR if resample is None else resample).name.lower()
    own = preparation(
        lambda image: processor(images=image, return_tensors="pt")["pixel_values"][0],
        normalize,
        interpolation,
        type(processor).__name__,
    )
    if own is None or side is None:
        return own
    share = side / (own["crop"] if "crop" in own else own["size"][0])
    sizes = {key: np.multiply(value, share) for key, value in own.items() if key != "interpolation"}
    return own | {key: np.rint(pixels).astype(int).tolist() for key, pixels in sizes.items()}
