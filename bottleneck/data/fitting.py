"""Whether a network takes the images of a data set."""

from typing import Any

import torch
from torch import Tensor

from bottleneck.data.base import ImageData
from bottleneck.models import Network


@torch.no_grad()
def output_for(model: Network, images: ImageData, image: Tensor) -> Any:
    """What a network makes of an image of a data set.

    Args:
        model: The network.
        images: The data set.
        image: One of its images, `(1, C, H, W)`, on the network's device.

    Raises:
        ValueError: If the network takes other channels or sizes; the message has the cure.
    """
    if images.image_shape[0] != model.input_shape[0]:
        raise ValueError(
            f"The network takes {model.input_shape[0]} channels, data set {images.name} has "
            f"{images.image_shape[0]}. Choose a model= and a data= that belong together."
        )
    try:
        return model(image)
    except RuntimeError as error:
        raise ValueError(
            f"{model.name} does not run on images of {tuple(image.shape[1:])} (C, H, W), as {images.name} "
            f"gives them: {str(error).splitlines()[0]} Set data.crop, or data.letterbox of a data set with "
            "objects, to a side that the network takes."
        ) from error
