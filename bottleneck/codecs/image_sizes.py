"""What a detector's tail has to know of images that it never sees: their sizes, and these as bytes.

They stand in front of the codec's bytes, and are counted with them.
"""

import struct
from collections.abc import Sequence
from typing import Any, NamedTuple, Self

Size = tuple[int, int]

#: What a detector's tail calls the sizes that it takes beside the feature.
IMAGE_SIZES = "image_sizes"

_FORMAT = struct.Struct("<6H")

#: Bytes that `ImageSizes.pack` makes for one image.
PACKED_BYTES = _FORMAT.size

_LETTERBOXED = struct.Struct("<2H")

#: Bytes that `Letterboxed.pack` makes.
LETTERBOXED_BYTES = _LETTERBOXED.size


class Letterboxed(NamedTuple):
    """What has to be known of an image that went into a letterbox, so that boxes are given in its pixels.

    Attributes:
        height: Of the image.
        width: Of the image.
        side: Of the square that it went into (`preprocess`).
    """

    height: int
    width: int
    side: int

    @classmethod
    def of(cls, image: Any, side: int) -> Self:
        """Of a PIL image, or an array or tensor C×H×W."""
        height, width = image.shape[-2:] if hasattr(image, "shape") else image.size[::-1]
        return cls(height, width, side)

    @property
    def scale(self) -> float:
        """Pixels of the square for each of the image's."""
        return self.side / max(self.height, self.width)

    def pack(self) -> bytes:
        """The image's size as it crosses the channel: two little-endian 16-bit numbers.

        Raises:
            ValueError: If a side has more than 65,535 pixels.
        """
        try:
            return _LETTERBOXED.pack(self.height, self.width)
        except struct.error as error:
            raise ValueError(
                f"an image of {self.height}×{self.width} does not fit 16-bit numbers. Use smaller images."
            ) from error

    @classmethod
    def unpack(cls, data: bytes, side: int) -> Self:
        """From the bytes that `pack` made, and the side, which both ends of the channel know.

        Raises:
            ValueError: If the bytes cannot be such a size.
        """
        if len(data) != LETTERBOXED_BYTES:
            raise ValueError(
                f"{len(data)} bytes of an image's size where {LETTERBOXED_BYTES} are sent; the payload was "
                "truncated."
            )
        height, width = _LETTERBOXED.unpack(data)
        if not height or not width:
            raise ValueError(f"the payload says that an image is {height}×{width}; it was damaged.")
        return cls(height, width, side)


class ImageSizes(NamedTuple):
    """Heights and widths in pixels of a batch of images.

    Attributes:
        padded: Of the batch tensor that enters the backbone; proposals are anchored in it.
        resized: Of each image in it, without padding; boxes are clipped to it.
        original: Of each image before it was resized; boxes are given in its pixels.
    """

    padded: Size
    resized: tuple[Size, ...]
    original: tuple[Size, ...]

    @classmethod
    def joined(cls, images: Sequence["ImageSizes"]) -> Self:
        """The sizes of a batch from those of its images, which are padded alike."""
        resized = tuple(size for image in images for size in image.resized)
        return cls(images[0].padded, resized, tuple(size for image in images for size in image.original))

    def of(self, index: int) -> Self:
        """The sizes of one image of the batch."""
        return type(self)(self.padded, self.resized[index : index + 1], self.original[index : index + 1])

    def pack(self) -> bytes:
        """The sizes of one image as they cross the channel: six little-endian 16-bit numbers.

        Raises:
            ValueError: If there are several images, or a side has more than 65,535 pixels.
        """
        if len(self.original) != 1:
            raise ValueError(f"sizes of {len(self.original)} images: pack those of one, `sizes.of(index)`.")
        try:
            return _FORMAT.pack(*self.padded, *self.resized[0], *self.original[0])
        except struct.error as error:
            raise ValueError(f"{self} does not fit 16-bit numbers: {error}. Use smaller images.") from error

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """The sizes of one image from the bytes that `pack` made.

        Raises:
            ValueError: If the bytes cannot be such sizes.
        """
        if len(data) != _FORMAT.size:
            raise ValueError(
                f"{len(data)} bytes of image sizes where {_FORMAT.size} are sent; the payload was truncated."
            )
        values = _FORMAT.unpack(data)
        padded, resized, original = values[:2], values[2:4], values[4:]
        if 0 in values or resized[0] > padded[0] or resized[1] > padded[1]:
            raise ValueError(
                f"the payload says that an image of {original} was resized to {resized} and padded to "
                f"{padded}; it was damaged."
            )
        return cls(padded, (resized,), (original,))
