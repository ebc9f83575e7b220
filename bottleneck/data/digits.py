"""The embedded default: 1,797 real scans of handwritten digits that come with scikit-learn, no download."""

from bottleneck.data.base import ImageData
from bottleneck.data.samples import Part
from bottleneck.data.scans import scans


class Digits(ImageData):
    """Handwritten digits, 1×8×8, ten classes; grey levels 0 (paper) to 16 (ink), kept as they are.

    Args:
        shared: `ImageData`'s arguments.
    """

    name = "digits"

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return (1, 8, 8)

    @property
    def num_classes(self) -> int:
        return 10

    def read_part(self, part: str) -> Part:
        pixels, labels = scans(part)
        return Part(list(zip(pixels, labels, strict=True)), labels)

    def sample_version(self, part: str, index: int) -> str:
        pixels, _ = self._part(part).images[index]
        return str(pixels.tobytes().hex())
