"""Tiling: every channel in the picture once, and back."""

import numpy as np
import pytest

from bottleneck.codecs.pictures.tiles.tiling import LAYOUTS, Tiling

each_layout = pytest.mark.parametrize("layout", LAYOUTS)


def ramp(shape):
    return (np.arange(np.prod(shape)) % 251).astype(np.uint8).reshape(shape)


@each_layout
@pytest.mark.parametrize("block", [1, 4, 8])
@pytest.mark.parametrize("shape", [(1, 1, 1), (7, 3, 5), (64, 4, 4), (320, 7, 7), (128, 28, 28), (5, 16, 9)])
def test_untiling_is_the_inverse(layout, block, shape):
    """Every layout and padding gives all channels back, from a picture in multiples of 16."""
    tiling = Tiling(shape, layout, block)
    picture = tiling.tile(ramp(shape))
    assert picture.shape == tiling.size
    assert not any(side % 16 for side in tiling.size)
    assert tiling.rows * tiling.columns >= shape[0]
    assert np.array_equal(tiling.untile(picture), ramp(shape))


def test_the_thesis_example():
    """128 channels of 28×28 take 12 rows of 11 tiles, 336×308 pixels, padded to 336×320."""
    tiling = Tiling((128, 28, 28), "square", 1)
    assert (tiling.rows, tiling.columns) == (12, 11)
    assert tiling.size == (336, 320)
    picture = tiling.tile(ramp((128, 28, 28)))
    assert np.array_equal(picture[28:56, 28:56], ramp((128, 28, 28))[12])  # row by row
    assert not picture[11 * 28 :, 7 * 28 : 11 * 28].any()  # 132 tiles, four of them missing


@pytest.mark.parametrize(
    ("layout", "shape", "grid"),
    [
        ("power2", (128, 28, 28), (8, 16)),
        ("power2", (320, 7, 7), (16, 20)),
        ("power2", (1, 7, 7), (1, 1)),
        ("square", (64, 4, 4), (8, 8)),
        ("balanced", (8, 8, 32), (7, 2)),
        ("balanced", (16, 8, 8), (4, 4)),
        ("balanced", (128, 28, 28), (11, 12)),
    ],
)
def test_grids(layout, shape, grid):
    """Powers of two leave no tile empty where channels are one; balanced pictures are near to square."""
    tiling = Tiling(shape, layout, 1)
    assert (tiling.rows, tiling.columns) == grid


def test_no_block_spans_two_channels():
    """With block=8, each 8×8 block of the picture holds values of one channel only."""
    shape = (12, 7, 7)
    channels = np.broadcast_to(np.arange(1, 13, dtype=np.uint8)[:, None, None], shape)
    height, width = (picture := Tiling(shape, "square", 8).tile(channels)).shape
    blocks = picture.reshape(height // 8, 8, width // 8, 8).swapaxes(1, 2).reshape(-1, 64)
    assert (blocks == blocks[:, :1]).all()
    assert set(blocks[:, 0]) >= set(range(1, 13))
    unpadded = Tiling(shape, "square", 1).tile(channels)[:32, :16].reshape(4, 8, 2, 8).swapaxes(1, 2)
    assert (unpadded.reshape(-1, 64) != unpadded.reshape(-1, 64)[:, :1]).any()


def test_impossible_options_are_refused():
    """Another layout or block is refused by value."""
    with pytest.raises(ValueError, match=r"layout='spiral' is not possible here. Choose one of 'square'"):
        Tiling((4, 4, 4), "spiral", 8)
    with pytest.raises(ValueError, match="block=0 is not an integer from 1 to 64"):
        Tiling((4, 4, 4), "square", 0)


@pytest.mark.parametrize("length", [1, 2, 8, 16, 17, 50, 197])
def test_tokens_come_back(length):
    """Untiling gives all tokens of every channel back, whatever their number."""
    tokens = np.random.default_rng(0).integers(0, 256, (5, length), dtype=np.uint8)
    tiling = Tiling(tokens.shape, "square", 8)
    assert np.array_equal(tiling.untile(tiling.tile(tokens)), tokens)


def test_tokens_lie_in_the_picture_as_in_the_image():
    """A grid of 3×3 tokens is a 3×3 map; the class token in front of it fills a row of its own."""
    tokens = np.arange(10, dtype=np.uint8)[None]
    grid = np.arange(1, 10).reshape(3, 3)
    assert np.array_equal(Tiling((1, 9), "square", 1).maps(tokens[:, 1:])[0], grid)
    assert np.array_equal(Tiling((1, 10), "square", 1).maps(tokens)[0], [[0, 0, 0], *grid])
