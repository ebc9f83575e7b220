"""Codecs of pictures, for what a device sends in place of a latent."""

from collections.abc import Mapping, Sequence
from typing import Any

from bottleneck import codecs


def picture_codec(options: Mapping[str, Any], shape: Sequence[int]) -> codecs.Codec:
    """A codec of images as they enter the network.

    Args:
        options: Its name and options, such as ``{"name": "jpeg", "quality": 60}``.
        shape: (C, H, W) of the images.

    Raises:
        ValueError: If there is no such codec, it codes something else, or needs tables that none has here.
        ModuleNotFoundError: If its library is missing.
    """
    codec = codecs.create(shape=shape, **options)
    if codec.input != "pixels":
        raise ValueError(f"codec {codec.name!r} codes no pictures. Choose one that does, such as webp.")
    if not codec.fitted:
        raise ValueError(f"codec {codec.name!r} comes without its tables. Make the plan again.")
    return codec
