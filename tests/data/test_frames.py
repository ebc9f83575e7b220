"""Frames of a stream: their order, the network's answers in place of labels, and what is no stream."""

import itertools

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from bottleneck.data import Frames
from bottleneck.models import wrap


class Brightest(nn.Module):
    """Logits are the means of the image's quarters; or of each pixel, where it is asked for masks."""

    def __init__(self, masks=False):
        super().__init__()
        self.masks = masks

    def forward(self, x):
        return x if self.masks else nn.functional.adaptive_avg_pool2d(x, 2).mean(1).flatten(1)


def network(masks=False):
    return wrap(Brightest(masks), side=8, mean=(0, 0, 0), std=(1, 1, 1))


def write(folder, count=6, size=(12, 8)):
    """Frames on which a light moves from one quarter to the next."""
    folder.mkdir(parents=True)
    for number in range(count):
        pixels = np.zeros((size[1], size[0], 3), np.uint8)
        pixels[4 * (number // 2 % 2) :, 6 * (number % 2) :][:4, :6] = 200
        Image.fromarray(pixels).save(folder / f"{number:03}.png")
    return folder


def test_targets_are_the_networks_answers(tmp_path):
    """In the order of their names, a first share to fit on, the rest to measure, judged by the network."""
    data = Frames(network(), write(tmp_path / "camera" / "day"), fit=0.34)
    assert (data.name, data.num_classes, data.image_shape) == ("day", 4, (3, 8, 8))
    assert [data.count(name) for name in ("train", "select", "val")] == [2, 0, 4]
    samples = [*data.subset("train"), *data.subset("val")]
    assert [int(target) for _, target in samples] == [0, 1, 2, 3, 0, 1]
    for image, target in samples:
        assert int(network()(image[None]).argmax()) == target
    assert Frames(network(), tmp_path / "camera", fit=0.34).fingerprint("val") == data.fingerprint("val")


def test_files_that_are_no_frames_are_passed_over(tmp_path, caplog):
    """What begins with a dot is no frame, wherever it lies; files that are no images are counted once."""
    root = write(tmp_path / "day")
    write(root / ".ipynb_checkpoints")
    for name in ("._000.png", "times.csv", "Thumbs.db"):
        (root / name).write_text("")
    data = Frames(network(), root)
    assert data.count("train") + data.count("val") == 6
    told = [record.getMessage() for record in caplog.records]
    assert told == [f"{root}: passed over 2 files that are no images."]


def test_limits_keep_the_stream(tmp_path):
    """A limit takes the first frames, not a draw of them."""
    data = Frames(network(), write(tmp_path / "day"), fit=0.34, val_limit=3)
    assert [int(target) for _, target in data.subset("val")] == [2, 3, 0]


def test_masks_are_answers_too(tmp_path):
    """Where the network has logits for every pixel, so has the target a class."""
    data = Frames(network(masks=True), write(tmp_path / "day"))
    image, target = data.subset("val")[0]
    assert data.target_layout == ((8, 8), "uint8")
    assert torch.equal(target, network(masks=True)(image[None])[0].argmax(0).to(torch.uint8))


def test_another_network_is_another_data_set(tmp_path):
    """The fingerprint covers the answers: a cache of features must not keep another network's."""
    root = write(tmp_path / "day")
    first, second = (Frames(network(), root) for _ in range(2))
    second.network.network.extra = nn.Linear(1, 1)
    assert first.fingerprint("val") != second.fingerprint("val")


@pytest.mark.parametrize("channels", [1, 3])
def test_pan_moves_by_one_step(channels):
    """Without a folder a camera passes over digits: each frame is the one before, moved to the left."""
    net = wrap(nn.Flatten(), side=32, mean=(0,) * channels, std=(1,) * channels)
    data = Frames(net, train_limit=3, val_limit=5)
    frames = [image for image, _ in [*data.subset("train"), *data.subset("val")]]
    assert frames[0].shape == (channels, 32, 32)
    for before, after in itertools.pairwise(frames[3:]):
        assert torch.equal(before[:, :, 2:], after[:, :, :-2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fit": 0}, "data.fit=0"),
        ({"holdout": 0.1}, "data.holdout=0.1"),
        ({"crop": 9, "short_side": 8}, "data.crop=9"),
    ],
)
def test_impossible_options_are_refused(options, message):
    """Each option out of range is named with its value."""
    with pytest.raises(ValueError, match=message):
        Frames(network(), **options)


def test_what_is_no_stream_is_refused(tmp_path):
    """A missing folder, one frame, frames of two sizes, and a network without classes are told apart."""
    with pytest.raises(FileNotFoundError, match=r"nowhere is not a folder"):
        Frames(network(), tmp_path / "nowhere").setup()
    with pytest.raises(ValueError, match="holds 1 images"):
        Frames(network(), write(tmp_path / "one", 1)).setup()
    write(tmp_path / "two")
    write(tmp_path / "two" / "more", 1, size=(16, 8))
    with pytest.raises(ValueError, match=r"one size.*16, 8"):
        Frames(network(), tmp_path / "two").setup()
    (tmp_path / "two" / "more" / "x.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"x\.png is not a readable image"):
        Frames(network(), tmp_path / "two").setup()
    with pytest.raises(ValueError, match="logits of classes"):
        Frames(wrap(nn.Unflatten(1, (1, 3)), side=8), write(tmp_path / "six")).setup()
