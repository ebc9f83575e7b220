"""What an output says, without PyTorch."""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from bottleneck.codecs.image_sizes import Letterboxed
from bottleneck.models.suppression import objects_of
from bottleneck.runtime.answers import answer_of
from bottleneck.runtime.device.graphs import GraphHalf
from bottleneck.runtime.device.torch_half import TorchHalf
from bottleneck.runtime.serving.tails import Tails
from bottleneck.runtime.serving.worker import Worker


def test_rows_are_answered_as_the_loaded_server_answers():
    """The same objects in the same pixels as with torchvision's suppression."""
    generator = torch.Generator().manual_seed(0)
    corner = torch.rand(200, 2, generator=generator) * 180 - 10
    side, scores = torch.rand(200, 2, generator=generator) * 60, torch.rand(200, 4, generator=generator)
    rows = torch.cat((corner, corner + side, scores.where(scores > 0.8, 0.0)), 1)
    size = Letterboxed(50, 100, 200)
    found, expected = (
        answer_of(rows[None].numpy(), "single_stage", image=size)["objects"],
        objects_of(rows, size),
    )
    assert len(found) > 20
    assert [entry["class"] for entry in found] == expected["labels"].tolist()
    np.testing.assert_allclose([entry["score"] for entry in found], expected["scores"])
    np.testing.assert_allclose([entry["box"] for entry in found], expected["boxes"], rtol=1e-5, atol=1e-4)


def test_rows_of_nothing_are_no_objects():
    """A list without an entry, with the image's size known or not."""
    for size in (None, Letterboxed(9, 9, 64)):
        assert answer_of(np.zeros((1, 5, 8), np.float32), "single_stage", image=size) == {"objects": []}


@pytest.mark.parametrize("top", [0, -1])
def test_answers_name_a_class_at_least(frontier, digits_network, top):
    """Whoever makes them refuses to make empty ones, before anything is loaded."""
    makers = [
        lambda: Worker(Tails([frontier], digits_network), top),
        lambda: TorchHalf([frontier], digits_network, top),
        lambda: GraphHalf([frontier], top),
    ]
    for made in makers:
        with pytest.raises(ValueError, match=f"top={top} names no class"):
            made()


@pytest.mark.parametrize("classes", [21, 300])
def test_masks_keep_every_class(classes):
    """Also those that no byte can hold."""
    logits = np.zeros((1, classes, 2, 3), np.float32)
    logits[0, classes - 1, 0, 1] = 1.0
    answer = answer_of(logits, "segmentation")
    (name,) = [key for key, value in answer.items() if isinstance(value, str)]
    mask = np.array(Image.open(io.BytesIO(base64.b64decode(answer[name]))))
    assert mask.tolist() == [[0, classes - 1, 0], [0, 0, 0]]
