"""Several maps as one."""

import pytest
import torch

from bottleneck.splitting.packing import factors_of, packed, unpacked


def test_maps_come_back_exactly():
    """What was packed is unpacked bit for bit, whichever map is the smallest."""
    maps = [torch.randn(2, *shape) for shape in ((3, 6, 10), (5, 3, 5), (2, 12, 20))]
    one = packed(maps, (2, 1, 4))
    assert one.shape == (2, 3 * 4 + 5 + 2 * 16, 3, 5)
    back = unpacked(one, [3, 5, 2], (2, 1, 4))
    assert all(torch.equal(found, wanted) for found, wanted in zip(back, maps, strict=True))


def test_a_place_of_the_one_map_holds_the_same_place_of_each():
    """Numbers that lie in one patch of a map lie in one place, so convolutions find neighbours there."""
    fine, coarse = torch.zeros(1, 1, 4, 6), torch.zeros(1, 1, 2, 3)
    fine[..., 2:, 4:] = 1
    one = packed([fine, coarse], (2, 1))
    assert one[0, :, 1, 2].tolist() == [1, 1, 1, 1, 0]
    assert one.sum() == 4


@pytest.mark.parametrize(
    ("sizes", "factors"),
    [
        ([(16, 24), (8, 12), (4, 6)], (4, 2, 1)),
        ([(4, 4), (4, 4)], (1, 1)),
        ([(5, 6), (3, 3)], None),  # 5 is no multiple
        ([(8, 4), (4, 4)], None),  # nor are the axes equally fine
        ([(4, 8), (8, 4)], None),
    ],
)
def test_maps_fit_where_each_is_a_whole_number_of_times_as_fine(sizes, factors):
    """Sizes that were rounded, or stretched, do not fit."""
    assert factors_of(sizes) == factors


def test_an_image_whose_maps_do_not_fit_is_refused():
    """A map that was rounded up for this image has no place; the message says what to do."""
    with pytest.raises(ValueError, match=r"maps of \[\(6, 10\), \(3, 6\)\], which are not \[2, 1\] times"):
        packed([torch.zeros(1, 1, 6, 10), torch.zeros(1, 1, 3, 6)], (2, 1))
