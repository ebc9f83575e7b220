"""What passes between stages: forms, and what they refuse."""

import numpy as np
import pytest

from bottleneck.codecs.stage import Form


def test_form_gives_shape_and_dtype_to_what_was_decoded():
    """Integers of any type become the form's own array; features pass as they are."""
    levels = Form("levels", (2, 3), 4).conform(np.array([0, 1, 2, 3, 0, 1], np.int64))
    assert (levels.shape, levels.dtype) == ((2, 3), np.uint16)
    feature = np.array([1.5, -2], np.float32)
    assert Form("feature", (2,)).conform(feature) is not None
    assert (Form("bytes", (7,)).n_values, Form("pixels", (3, 0, 2)).n_values) == (7, 0)


@pytest.mark.parametrize("value", [-1, 4])
def test_level_that_is_none_is_refused(value):
    """An integer beyond the levels is damage, whichever coder decoded it."""
    with pytest.raises(ValueError, match=r"where there are 0 \.\. 3; it was damaged"):
        Form("levels", (2,), 4).conform(np.array([0, value]))


def test_batches_and_samples_are_samples():
    """Samples come one by one, whether they came so or in batches."""
    form = Form("symbols", (2,))
    arrays = [np.array([0, 1]), np.array([[2, 3], [4, 5]]), np.zeros((0, 2), int)]
    assert [sample.tolist() for sample in form.singles(arrays)] == [[0, 1], [2, 3], [4, 5]]
