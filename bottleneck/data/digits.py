"""The embedded default: 1,797 real scans of handwritten digits that come with scikit-learn, no download."""

import numpy as np

from bottleneck.data.base import ImageData
from bottleneck.data.samples import Part
from bottleneck.data.stratify import stratified_order

VAL_SAMPLES = 500  # there is no official split; this one is fixed, stratified, and leaves 1,297 to train on


class Digits(ImageData):
    """Handwritten digits, 1×8×8, ten classes; grey levels 0 (paper) to 16 (ink), kept as they are.

    Args:
        shared: `ImageData`'s arguments.

    Source: scikit-learn's ``load_digits``, the test set of Alpaydin and Kaynak, UCI repository, 1998.
    """

    name = "digits"

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return (1, 8, 8)

    @property
    def num_classes(self) -> int:
        return 10

    def read_part(self, part: str) -> Part:
        from sklearn.datasets import load_digits  # here, because other data sets should not wait for it

        digits = load_digits()
        order = stratified_order(digits.target)
        chosen = np.sort(order[:VAL_SAMPLES] if part == "val" else order[VAL_SAMPLES:])
        pixels = digits.images[chosen].astype(np.uint8)[:, np.newaxis]
        labels = digits.target[chosen]
        return Part(list(zip(pixels, labels, strict=True)), labels)

    def sample_version(self, part: str, index: int) -> str:
        pixels, _ = self._part(part).images[index]
        return str(pixels.tobytes().hex())
