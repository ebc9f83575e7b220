"""Several views of every training image, the same ones in every run: variety that a feature cache can hold.

view 0   the image as it is always prepared
view 1   its mirror image
view 2+  a part of 45 to 100 % of its area, at its size, mirrored or not; drawn from the view and the image
"""

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from bottleneck.preprocess import as_pil

_AREA, _ASPECT = (0.45, 1.0), (0.8, 1.25)


class View:
    """One view of any image, as the uint8 tensor C×H×W that `prepare` makes.

    Args:
        number: Which view.
        size: Side of the square that parts are resized to.
        prepare: From a PIL image to the tensor.
    """

    def __init__(self, number: int, size: int, prepare: Callable[[Any], Tensor]):
        self.number, self.size, self.prepare = number, size, prepare

    def __call__(self, image: Any) -> Tensor:
        return self.prepare(self._seen(as_pil(image)) if self.number else image)

    def __repr__(self) -> str:
        return f"View({self.number}, {self.size}, {_AREA}, {_ASPECT}, {self.prepare!r})"

    def _seen(self, image: Image.Image) -> Image.Image:
        mirrored = True
        if self.number > 1:
            # The image itself is the seed, so a view does not depend on how a folder is listed.
            draw = np.random.default_rng([self.number, zlib.crc32(image.tobytes())])
            aspect = np.exp(draw.uniform(*np.log(_ASPECT)))
            area = draw.uniform(*_AREA) * image.width * image.height
            width = min(image.width, max(1, round((area * aspect) ** 0.5)))
            height = min(image.height, max(1, round((area / aspect) ** 0.5)))
            left = int(draw.integers(image.width - width + 1))
            top = int(draw.integers(image.height - height + 1))
            box = (left, top, left + width, top + height)
            image = image.resize((self.size, self.size), Image.Resampling.BICUBIC, box=box)
            mirrored = bool(draw.random() < 0.5)
        return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else image
