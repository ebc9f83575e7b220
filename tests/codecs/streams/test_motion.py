"""Motion between maps: shifts are found, predictions are exact, and where they hold is known."""

import time

import numpy as np
import pytest
import torch
from torch import nn

from bottleneck.codecs.streams.motion import PARTS, block_vectors, predicted, valid


def textured(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def everywhere(shift, size, block):
    """One vector, in cells, for all blocks of a map."""
    vector = np.rint(np.array(shift) * PARTS).astype(np.int64)
    return np.broadcast_to(vector, (*(-(-side // block) for side in size), 2))


@pytest.mark.parametrize("shift", [(0, 0), (1, 0), (-2, 1), (0, -3)])
def test_whole_cells_are_copied(shift):
    """A vector of whole cells predicts exactly what lies there, wherever the source is inside."""
    reference = textured(3, 9, 11)
    vectors = everywhere(shift, (9, 11), 4)
    inside = valid(reference.shape, vectors, 4)
    shifted = np.roll(reference, (-shift[0], -shift[1]), axis=(1, 2))
    assert np.array_equal(predicted(reference, vectors, 4)[:, inside], shifted[:, inside])
    assert inside.sum() == (9 - abs(shift[0])) * (11 - abs(shift[1]))


def test_fractions_are_bilinear():
    """Between cells the prediction is what lies there on a plane, and integers are rounded half up."""
    rows, columns = np.indices((6, 7), dtype=np.float64)
    plane = (3 * rows + 5 * columns)[None]
    vectors = everywhere((0.25, -0.5), (6, 7), 3)
    inside = valid(plane.shape, vectors, 3)
    assert inside.sum() == 5 * 6
    np.testing.assert_allclose(predicted(plane, vectors, 3)[:, inside], (plane + 0.75 - 2.5)[:, inside])
    steps = np.array([[[0, 1, -1, 0]]])
    assert predicted(steps, everywhere((0, 0.5), (1, 4), 1), 1).tolist() == [[[1, 0, 0, 0]]]


@pytest.mark.parametrize("shift", [(0, 0), (2, -1), (0.5, 0), (-1.25, 0.75)])
def test_search_finds_the_shift(shift):
    """Blocks whose source is inside are given the vector by which a smooth map was moved."""
    places = np.indices((16, 16), dtype=np.float64)
    waves = [(0.5, 0.3, 0), (0.2, -0.7, 1), (-0.6, 0.5, 2)]

    def seen(dy, dx):
        return np.stack([np.sin(a * (places[0] + dy) + b * (places[1] + dx) + c) for a, b, c in waves])

    found = block_vectors(seen(0, 0), seen(*shift), block=4, radius=3)
    assert np.array_equal(found[1:-1, 1:-1], everywhere(shift, (16, 16), 4)[1:-1, 1:-1])


def test_a_radius_beyond_the_map_costs_nothing():
    """What lies farther is the edge again: of four million places only those of a map of 3×5 are tried."""
    before, after = np.random.default_rng(0).integers(-9, 9, (2, 4, 3, 5))
    begin = time.process_time()
    far = block_vectors(before, after, 2, 1000)
    assert time.process_time() - begin < 5
    assert np.array_equal(far, block_vectors(before, after, 2, 5))


def test_motion_has_to_pay():
    """A vector is zero where another saves less than its price, and always with a radius of 0."""
    reference, current = textured(2, 8, 8), textured(2, 8, 8, seed=1)
    assert block_vectors(reference, current, 4, 2).any()
    assert not block_vectors(reference, current, 4, 2, price=1e6).any()
    assert not block_vectors(reference, current, 4, 0).any()


class Strided(nn.Sequential):
    """Two convolutions of stride 2 in the style of a backbone; total stride 4."""

    def __init__(self):
        torch.manual_seed(0)
        super().__init__(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 6, 3, 2, 1), nn.ReLU())


def psnr(shift, stride=4):
    """Of a feature predicted from one whose image lay `shift` pixels further left; largest error."""
    coarse = torch.rand(1, 3, 20, 20, generator=torch.Generator().manual_seed(1))
    wide = nn.functional.interpolate(coarse, scale_factor=6, mode="bicubic")
    with torch.no_grad():
        net = Strided().eval()
        before = net(wide[..., :96, :96])[0].double().numpy()
        after = net(wide[..., :96, shift : shift + 96])[0].double().numpy()
    vectors = everywhere((0, shift / stride), before.shape[1:], 4)
    inside = valid(before.shape, vectors, 4)
    inside[:2] = inside[-2:] = inside[:, :2] = inside[:, -2 - shift // stride :] = False  # padding's reach
    error = (predicted(before, vectors, 4) - after)[:, inside]
    return 10 * np.log10(np.ptp(before) ** 2 / max((error**2).mean(), 1e-30)), np.abs(error).max()


def test_shift_of_the_image_moves_the_feature():
    """Shifts by whole strides are predicted exactly in the interior; fractions less well."""
    whole, exact = psnr(8)
    quarter, _ = psnr(9)
    half, _ = psnr(10)
    assert exact < 1e-6
    assert whole > 100 > quarter > half
