"""What a detector's tail has to know of images that it never sees: their sizes, and these as bytes."""

import struct
from collections.abc import Sequence
from typing import NamedTuple, Self

Size = tuple[int, int]

#: What a detector's tail calls the sizes that it takes beside the feature.
IMAGE_SIZES = "image_sizes"

_FORMAT = struct.Struct("<6H")

#: Bytes that `ImageSizes.pack` makes for one image.
PACKED_BYTES = _FORMAT.size


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
