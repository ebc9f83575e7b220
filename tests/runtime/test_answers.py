"""What an output says, without PyTorch."""

import numpy as np
import torch

from bottleneck.models.image_sizes import Letterboxed
from bottleneck.models.suppression import objects_of
from bottleneck.runtime.answers import answer_of


def test_rows_are_answered_as_the_loaded_server_answers():
    """The same objects in the same pixels as with torchvision's suppression."""
    generator = torch.Generator().manual_seed(0)
    corner = torch.rand(200, 2, generator=generator) * 180 - 10
    side, scores = torch.rand(200, 2, generator=generator) * 60, torch.rand(200, 4, generator=generator)
    rows = torch.cat((corner, corner + side, scores.where(scores > 0.8, 0.0)), 1)
    size = Letterboxed(50, 100, 200)
    found, expected = (
        answer_of(rows[None].numpy(), "single_stage", size=size)["objects"],
        objects_of(rows, size),
    )
    assert len(found) > 20
    assert [entry["class"] for entry in found] == expected["labels"].tolist()
    np.testing.assert_allclose([entry["score"] for entry in found], expected["scores"])
    np.testing.assert_allclose([entry["box"] for entry in found], expected["boxes"], rtol=1e-5, atol=1e-4)


def test_rows_of_nothing_are_no_objects():
    """A list without an entry, with the image's size known or not."""
    assert answer_of(np.zeros((1, 5, 8), np.float32), "single_stage") == {"objects": []}
    assert answer_of(np.zeros((1, 5, 8), np.float32), "single_stage", size=(9, 9, 64)) == {"objects": []}
