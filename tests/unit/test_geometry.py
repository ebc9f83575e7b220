"""Paddings and kernels: every row of the spec's table, and exact restoration for every size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bottleneck.unit.geometry import exact, released

RELEASED = [  # size, stride, p_e, h, k_d, p_d, output
    (7, 2, 1, 4, 3, 1, 7),
    (7, 4, 1, 2, 3, 0, 7),
    (14, 2, 1, 7, 3, 0, 15),
    (14, 4, 1, 4, 5, 0, 17),
    (65, 4, 0, 16, 5, 0, 65),
    (65, 6, 0, 11, 5, 0, 65),
    (65, 8, 0, 8, 9, 0, 65),
]


def restored(geometry):
    """What PyTorch's transposed convolution makes of the latent's size."""
    size = geometry.latent_size
    return (size - 1) * geometry.stride - 2 * geometry.padding + geometry.kernel + geometry.output_padding


@pytest.mark.parametrize(("size", "stride", "p_e", "h", "k_d", "p_d", "output"), RELEASED)
def test_released_geometry_has_every_row_of_the_table(size, stride, p_e, h, k_d, p_d, output):
    """Padding, latent size and output size are those of the authors' weights."""
    geometry = released(size, stride, k_d)
    assert (geometry.encoder_padding, geometry.padding) == (p_e, p_d)
    assert (geometry.latent_size, restored(geometry)) == (h, output)


@given(st.integers(1, 300), st.integers(1, 12), st.sampled_from([1, 3, 5, 7, 9, 11]))
def test_exact_geometry_restores_every_size(size, stride, kernel):
    """The output has the feature's size, with a kernel no smaller than asked for and legal paddings."""
    geometry = exact(size, stride, kernel)
    assert restored(geometry) == size
    assert geometry.kernel >= kernel
    assert 0 <= geometry.output_padding < max(stride, 2)
    assert geometry.padding >= 0


@pytest.mark.parametrize(
    ("size", "stride", "kernel", "padding", "output_padding"),
    [(7, 4, 3, 0, 0), (14, 2, 3, 1, 1), (7, 2, 3, 1, 0), (16, 6, 4, 0, 0)],
)
def test_exact_geometry_follows_the_rule_of_the_spec(size, stride, kernel, padding, output_padding):
    """With r rows left: r >= 3 takes kernel r; r = 2 kernel 3 with output padding; r = 1 kernel 3."""
    geometry = exact(size, stride)
    assert (geometry.kernel, geometry.padding, geometry.output_padding) == (kernel, padding, output_padding)


def test_sizes_without_released_weights_are_refused():
    """The released geometry is not guessed for other sizes."""
    with pytest.raises(ValueError, match=r"unit\.geometry=released.*size 28, only of \[7, 14, 65\]"):
        released(28, 2, 3)


@pytest.mark.parametrize(("stride", "kernel", "key"), [(0, 3, "unit.stride=0"), (2, 4, "unit.kernel=4")])
def test_impossible_geometry_names_its_key(stride, kernel, key):
    """A stride below 1 and an even kernel are refused by their configuration keys."""
    with pytest.raises(ValueError, match=key):
        exact(7, stride, kernel)
