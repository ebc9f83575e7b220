"""Single-stage detection: mAP of rows, agreement with the frozen network's rows, refusals."""

import pytest
import torch

from bottleneck.codecs.image_sizes import Letterboxed
from bottleneck.loss.objectives import FrozenLogits, Passage, TaskLoss
from bottleneck.tasks import Detection, SingleStage
from bottleneck.tasks.objects import pack

TASK = SingleStage(num_classes=3)
IMAGE = Letterboxed(50, 100, 200)  # twice as large in its letterbox
LEFT, RIGHT = (0, 0, 20, 20), (40, 0, 60, 20)


def target(*boxes):
    return pack({"boxes": torch.tensor(boxes).float(), "labels": torch.ones(len(boxes)).long()}, IMAGE)


def rows(*boxes, scores=None):
    """A batch of one: rows that say label 1, in pixels of the letterbox."""
    scores = torch.linspace(0.9, 0.5, len(boxes)) if scores is None else torch.tensor(scores)
    nothing = torch.zeros(len(boxes), 1)
    return torch.cat((2 * torch.tensor(boxes).float(), nothing, scores[:, None], nothing), 1)[None]


def random_rows(seed, n=12):
    generator = torch.Generator().manual_seed(seed)
    corner = 50 * torch.rand(2, n, 2, generator=generator)
    side, scores = 30 * torch.rand(2, n, 2, generator=generator), torch.rand(2, n, 3, generator=generator)
    return torch.cat((corner, corner + side, scores), -1)


def divergence(output, wanted, temperature=1.0):
    """Through the objective, as training computes it."""

    class Frozen:
        def output(self):
            return wanted

    return FrozenLogits(temperature)(Passage(TASK, None, output, {}, output, Frozen()))


def test_precision_is_that_of_the_same_boxes_as_a_list():
    """Rows and letterboxed targets are judged as an R-CNN's objects in the image's pixels are."""
    ours, theirs = TASK.metrics("val/"), Detection(3).metrics("val/")
    cases = [((LEFT, RIGHT), (LEFT,)), ((RIGHT,), (RIGHT, LEFT)), (((0, 0, 20, 12.2),), (LEFT,))]
    for found, wanted in cases:
        ours.update(rows(*found), target(*wanted)[None])
        scores = torch.linspace(0.9, 0.5, len(found))
        boxes, ones = torch.tensor(found).float(), torch.ones(len(found)).long()
        objects = {"boxes": torch.tensor(wanted).float(), "labels": torch.ones(len(wanted)).long()}
        theirs.update([{"boxes": boxes, "labels": ones, "scores": scores}], [objects])
    found = ours.compute()
    assert found == theirs.compute()
    assert 0 < found["val/map"] < found["val/map50"]


def test_size_crosses_beside_the_feature():
    """Four bytes for each image of a batch, from its target."""
    batch = torch.stack([target(LEFT), pack({"boxes": torch.zeros(0, 4), "labels": torch.zeros(0)}, IMAGE)])
    assert [Letterboxed.unpack(header, 200) for header in TASK.headers(batch)] == [IMAGE, IMAGE]
    with pytest.raises(ValueError, match=r"no objects of letterboxed images\. Set data\.letterbox"):
        TASK.headers([{"boxes": torch.zeros(0, 4)}])


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_divergence_vanishes_at_the_frozen_rows_alone(temperature):
    """0 for each sample with the same rows; more for other boxes as well as for other scores."""
    wanted = random_rows(0)
    torch.testing.assert_close(divergence(wanted, wanted, temperature), torch.zeros(2))
    for columns in (slice(0, 4), slice(4, None)):
        other = wanted.clone()
        other[..., columns] = random_rows(1)[..., columns]
        assert (divergence(other, wanted, temperature) > 0.01).all()


def test_rows_of_nothing_hardly_count():
    """Thousands of rows where both see nothing change nothing; one that only one of them sees does."""
    wanted = random_rows(0)
    background = torch.cat((random_rows(2, 3000)[..., :4], torch.zeros(2, 3000, 3)), -1)
    own, other = (torch.cat((rows, background), 1) for rows in (random_rows(1), wanted))
    alone = divergence(random_rows(1), wanted)
    torch.testing.assert_close(divergence(own, other), alone, rtol=1e-3, atol=0)
    seen = own.clone()
    seen[:, -1, 5] = 0.9
    assert (divergence(seen, other) > alone + 0.1).all()


def test_descending_leads_to_the_frozen_rows():
    """Boxes and scores that follow the gradient come near the frozen network's."""
    wanted, start = random_rows(0), random_rows(1)
    boxes, logits = start[..., :4].clone().requires_grad_(), start[..., 4:].logit().requires_grad_()
    optimizer = torch.optim.Adam([{"params": boxes, "lr": 0.5}, {"params": logits, "lr": 0.1}])
    losses = []
    for _ in range(150):
        loss = divergence(torch.cat((boxes, logits.sigmoid()), -1), wanted).mean()
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < 0.3 * losses[0]


def test_gradient_is_finite_at_certainty_and_at_empty_boxes():
    """Scores of exactly 0 and 1, and a box without an area, are no reason for NaN."""
    output = random_rows(1)
    output[:, 0, 4:] = torch.tensor([0.0, 1.0, 0.0])
    output[:, 1, 2:4] = output[:, 1, :2]
    output.requires_grad_()
    divergence(output, random_rows(0)).sum().backward()
    assert output.grad.isfinite().all()


def test_labels_are_refused_with_what_there_is_instead():
    """`objective=task` would need to know which row is to find which object."""
    passage = Passage(TASK, target(LEFT)[None], rows(LEFT), {}, rows(LEFT), None)
    with pytest.raises(ValueError, match=r"objective=task: .* Use objective=logits, features, matching"):
        TaskLoss()(passage)


def test_an_rcnns_objects_are_refused_as_logits():
    """A list of objects has no distance to another; the sentence says what to match instead."""
    with pytest.raises(ValueError, match=r"objective=logits: a detector .*pyramid"):
        Detection(3).divergence([], [], 1.0)


@pytest.mark.parametrize("output", [torch.zeros(1, 9), torch.zeros(1, 84, 85), [{"boxes": 0}]])
def test_other_outputs_are_refused(output):
    """Rows have a box and a score for each of the data set's labels, the ground included."""
    with pytest.raises(ValueError, match=r"rows of 7 values.*model\.rows"):
        TASK.check_output(output, torch.zeros(1, 3, 64, 64))


@pytest.mark.parametrize("options", [{"min_score": 1.0}, {"overlap": 0.0}, {"most": 0}])
def test_options_out_of_range_are_refused(options):
    """With all three keys and their ranges."""
    with pytest.raises(ValueError, match=r"task\.min_score=.*task\.overlap=.*task\.most="):
        SingleStage(3, **options)
