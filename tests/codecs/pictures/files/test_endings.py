"""Where image files end."""

import pytest

from bottleneck.codecs.pictures.files.endings import check_boxes


def box(kind, body=b""):
    return (8 + len(body)).to_bytes(4, "big") + kind + body


def test_boxes_that_fill_the_file_pass():
    """Any sequence of whole boxes is a whole file."""
    check_boxes(box(b"ftyp", b"avif") + box(b"meta") + box(b"mdat", bytes(100)))


@pytest.mark.parametrize("file", [box(b"ftyp") + box(b"mdat", bytes(9))[:-1], box(b"ftyp") + b"\0\0\0\x09"])
def test_box_past_the_end_is_refused(file):
    """A box that is longer than what is left of the file is refused."""
    with pytest.raises(ValueError, match=rf"boxes end at byte \d+ of {len(file)}"):
        check_boxes(file)


@pytest.mark.parametrize("size", [0, 1, 7])
def test_box_without_a_size_is_refused(size):
    """A size below that of a box's own header would never end."""
    with pytest.raises(ValueError, match=f"box at byte 8 has size {size}"):
        check_boxes(box(b"ftyp") + size.to_bytes(4, "big") + bytes(20))
