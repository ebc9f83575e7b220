"""Pictures of boxes and masks that are made of payloads alone."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from bottleneck import models
from bottleneck.cut import Cut
from bottleneck.data import DetectionCoco, DetectionScenes, Digits, SemanticScenes
from bottleneck.show.answers import answers, check_drawable, draw_answers, frozen_answers
from bottleneck.tasks import Classification, Detection, Segmentation, SingleStage

FEW = {"train_scenes": 4, "val_scenes": 6, "batch_size": 2}


def cut_of(network, images, task, at):
    images.setup()
    return Cut(models.create(network), images, task, at)


@pytest.fixture(scope="module")
def segmented():
    return cut_of("scenes_segmenter", SemanticScenes(**FEW), Segmentation(11), "layer3")


@pytest.fixture(scope="module")
def detected():
    return cut_of("scenes_detector", DetectionScenes(**FEW), Detection(11), "layer1")


def channel(cut, **options):
    made = cut.channel(cut.codec(**options), name=f"{options['name']}-way")
    cut.fit([made])
    return made


@pytest.mark.parametrize("kind", ["segmented", "detected"])
def test_what_loses_nothing_is_drawn_as_the_frozen_network(kind, request):
    """The same panels from payloads of the whole feature, with their bytes; others from a ruined one."""
    cut = request.getfixturevalue(kind)
    image, frozen = frozen_answers(cut, "val", 3)
    ways = [channel(cut, name="raw", input="feature"), channel(cut, name="rle", bits=1)]
    whole, ruined = answers(cut, ways, "val", 3)
    assert [column.title for column in (frozen, whole, ruined)] == ["frozen network", "raw-way", "rle-way"]
    first = cut.images.subset("val")[0][0]
    assert torch.equal(image.panels[0][:, ::5, ::5], first)  # 64 pixels, five times as large
    assert all(map(torch.equal, whole.panels, frozen.panels))
    assert not any(map(torch.equal, frozen.panels, image.panels))
    assert not all(map(torch.equal, ruined.panels, frozen.panels))
    given, target = next(iter(cut.features.batches("val")))
    sent, header = ways[1].send(given[:1]), cut.task.headers(target)[0]
    assert ruined.notes[0] == f"{len(header) + len(sent[0]):,} bytes"


class FindsTwo(nn.Module):
    """A single-stage detector that sees in every square of 64 pixels a likely dog and an unlikely person."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 1)
        rows = torch.zeros(1, 2, 4 + 90)  # corners, then labels from 1 on
        rows[0, :, :4] = torch.tensor([[0, 0, 48, 64], [16, 16, 32, 32]])
        rows[0, 0, 3 + 18], rows[0, 1, 3 + 1] = 0.9, 0.1
        self.register_buffer("rows", rows)

    def forward(self, images):
        return self.rows + 0 * self.stem(images).mean((1, 2, 3))[:, None, None]


def test_letterboxed_images_are_drawn_without_their_letterbox(coco_folder):
    """A box around a photograph of 90×120 pixels, 48×64 in the square, is a frame; unsure ones are none."""
    images = DetectionCoco(coco_folder, letterbox=64, val_limit=2, batch_size=2)
    images.setup()
    network = models.wrap(FindsTwo(), rows="corners", side=64)
    cut = Cut(network, images, SingleStage(91), "stem")
    image, frozen = frozen_answers(cut, "val", 2)
    shapes = {tuple(panel.shape[1:]) for panel in image.panels}
    assert shapes <= {(320, 240), (240, 320)}
    upright = next(n for n, panel in enumerate(image.panels) if panel.shape[1] == 320)
    changed = (image.panels[upright] != frozen.panels[upright]).any(0)
    assert all(changed[row].all() for row in (0, -1))  # along the upper edge, and the lower one
    assert all(changed[:, column].all() for column in (0, -1))
    assert not changed[60:-4, 60:-4].any()  # nothing within
    assert images.label_name(18) == "dog"


def test_masks_have_a_colour_for_each_class(segmented):
    """Pixels of one class are tinted alike, those of two are not."""
    image, frozen = frozen_answers(segmented, "val", 1)
    with torch.no_grad():
        classes = segmented.model(segmented.images.subset("val")[0][0][None])[0].argmax(0)
    tints = frozen.panels[0][:, ::5, ::5].float() - 0.35 * image.panels[0][:, ::5, ::5]
    means = [tints[:, classes == number].mean(1) for number in classes.unique()]
    assert len(means) > 1
    for number, mean in zip(classes.unique(), means, strict=True):
        assert (tints[:, classes == number] - mean[:, None]).abs().max() < 2
    assert min((a - b).abs().max() for a in means for b in means if a is not b) > 20


def test_picture_says_whose_bytes_and_what_is_left_out(segmented, drawn, tmp_path):
    """One line for each image; columns beyond the sixth method are counted in the sentence."""
    columns = frozen_answers(segmented, "val", 2)
    columns += 7 * answers(segmented, [channel(segmented, name="rle", bits=2)], "val", 2)
    draw_answers(columns, "segmentation", tmp_path / "answers.jpg")
    (figure,) = drawn
    sentence = figure.get_supxlabel()
    assert "masks" in sentence
    assert "1 more methods are left out" in sentence
    assert len(figure.axes) == 2 * 8
    assert figure.axes[-1].get_xlabel().endswith("bytes")
    assert np.asarray(Image.open(tmp_path / "answers.jpg")).std() > 10


def test_classes_are_no_pictures(digits_network):
    """A classifier is refused before anything is measured, with the key."""
    images = Digits(train_limit=20, val_limit=4)
    images.setup()
    with pytest.raises(ValueError, match=r"task=classification.*pictures=0"):
        check_drawable(Cut(digits_network, images, Classification(10), "layer2"))
