"""Image sizes as bytes."""

import numpy as np
import pytest
import torch
from PIL import Image

from bottleneck.codecs.image_sizes import LETTERBOXED_BYTES, PACKED_BYTES, ImageSizes, Letterboxed

SIZES = ImageSizes((800, 1088), ((800, 1066), (608, 800)), ((480, 640), (608, 800)))


def test_sizes_of_one_image_come_back_from_twelve_bytes():
    """What is packed is unpacked, at the pinned cost and in the pinned layout."""
    assert SIZES.of(0).pack() == bytes.fromhex("2003 4004 2003 2a04 e001 8002")
    assert len(SIZES.of(1).pack()) == PACKED_BYTES == 12
    assert ImageSizes.unpack(SIZES.of(1).pack()) == SIZES.of(1)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (SIZES.of(0).pack()[:-1], "truncated"),
        (SIZES.of(0).pack() + b"\0", "truncated"),
        (bytes(12), "damaged"),
        (bytes.fromhex("2003 4004 2103 2a04 e001 8002"), "damaged"),
    ],
)
def test_impossible_bytes_are_refused(data, message):
    """Too few or too many bytes, a side of no pixels, and an image larger than its canvas are no sizes."""
    with pytest.raises(ValueError, match=message):
        ImageSizes.unpack(data)


def test_only_one_image_of_possible_size_is_packed():
    """Several images, and sides beyond 16 bits, are refused."""
    with pytest.raises(ValueError, match="2 images"):
        SIZES.pack()
    with pytest.raises(ValueError, match="16-bit"):
        ImageSizes((1, 1), ((1, 1),), ((70_000, 1),)).pack()


def test_size_of_a_letterboxed_image_comes_back_from_four_bytes():
    """What is packed is unpacked in the pinned layout; the side is known to both ends."""
    image = Letterboxed(480, 640, 416)
    assert image.pack() == bytes.fromhex("e001 8002")
    assert len(image.pack()) == LETTERBOXED_BYTES
    assert Letterboxed.unpack(image.pack(), 416) == image
    assert image.scale == 0.65


def test_any_image_has_a_size():
    """PIL's images say their width first, arrays and tensors their channels."""
    array = np.zeros((3, 480, 640), np.uint8)
    images = Image.fromarray(array[0]), array, torch.from_numpy(array), array[0]
    assert {Letterboxed.of(image, 416) for image in images} == {Letterboxed(480, 640, 416)}


@pytest.mark.parametrize(("data", "message"), [(b"abc", "truncated"), (bytes(4), "damaged")])
def test_impossible_sizes_of_letterboxed_images_are_refused(data, message):
    """Too few bytes and a side of no pixels, and on the way out a side beyond 16 bits."""
    with pytest.raises(ValueError, match=message):
        Letterboxed.unpack(data, 416)
    with pytest.raises(ValueError, match="16-bit"):
        Letterboxed(70_000, 1, 416).pack()
