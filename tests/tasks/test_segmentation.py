"""Segmentation: the loss reads judged pixels only, mIoU is that of all images together."""

import numpy as np
import pytest
import torch
from sklearn.metrics import jaccard_score
from torch.nn import functional as F

from bottleneck.tasks import Segmentation
from bottleneck.tasks.segmentation import mean_iou

TASK = Segmentation(num_classes=4)


@pytest.fixture
def batch():
    """Logits and masks in which class 3 never occurs and a tenth of the pixels is not judged."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 4, 9, 7, generator=generator)
    logits[:, 3] = -10
    masks = torch.randint(0, 3, (6, 9, 7), generator=generator).to(torch.uint8)
    masks[torch.rand(masks.shape, generator=generator) < 0.1] = 255
    return logits, masks


def judged(batch):
    logits, masks = batch
    return masks[masks != 255].numpy(), logits.argmax(1)[masks != 255].numpy()


def test_loss_is_each_images_mean_over_judged_pixels(batch):
    """An image's loss equals PyTorch's own mean over its judged pixels; what the others hold is not read."""
    logits, masks = batch
    keep = masks != 255
    expected = [
        F.cross_entropy(logit.movedim(0, -1)[kept], mask[kept].long()) if kept.any() else torch.tensor(0.0)
        for logit, mask, kept in zip(logits, masks, keep, strict=True)
    ]
    torch.testing.assert_close(TASK.loss(logits, masks), torch.stack(expected))
    changed = torch.where(keep[:, None], logits, logits.flip(1))
    torch.testing.assert_close(TASK.loss(changed, masks), torch.stack(expected))


def test_loss_of_nothing_is_zero():
    """A batch without judged pixels has loss 0 and gradients 0, not NaN."""
    logits = torch.randn(1, 4, 3, 3, requires_grad=True)
    loss = TASK.loss(logits, torch.full((1, 3, 3), 255, dtype=torch.uint8))
    loss.sum().backward()
    assert loss.tolist() == [0]
    assert not logits.grad.any()


def test_miou_is_scikit_learns_over_all_pixels_of_all_images(batch):
    """The mIoU accumulates over batches, averages over the classes that occur, and skips unjudged pixels."""
    logits, masks = batch
    metrics = TASK.metrics()
    for part in (slice(0, 4), slice(4, 6)):
        metrics.update(logits[part], masks[part])
    values = metrics.compute()
    target, predicted = judged(batch)
    assert float(values["miou"]) == pytest.approx(jaccard_score(target, predicted, average="macro"), rel=1e-5)
    assert float(values["pixel_accuracy"]) == pytest.approx((target == predicted).mean(), rel=1e-5)
    assert TASK.metric in values


def test_scores_add_up_to_the_metric(batch):
    """The sum of the images' confusion matrices has the metric's mIoU, and each counts its own image."""
    logits, masks = batch
    scores = TASK.scores(logits, masks).numpy()
    metrics = TASK.metrics()
    metrics.update(logits, masks)
    assert mean_iou(scores.sum(0), 255) == pytest.approx(float(metrics.compute()["miou"]), rel=1e-5)
    alone = TASK.scores(logits[4:5], masks[4:5]).numpy()
    np.testing.assert_array_equal(scores[4], alone[0])
    assert scores[4, 1, 2] == ((masks[4] == 1) & (logits[4].argmax(0) == 2)).sum()


def test_unjudged_class_of_the_network_is_an_error_and_no_class():
    """Judged pixels taken for the unjudged class count against their own; the mean is of the others alone."""
    task = Segmentation(num_classes=4, ignore_index=3)
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(5, 4, 9, 7, generator=generator)
    masks = torch.randint(0, 4, (5, 9, 7), generator=generator).to(torch.uint8)
    target, predicted = masks[masks != 3].numpy(), logits.argmax(1)[masks != 3].numpy()
    assert (predicted == 3).any()
    expected = jaccard_score(target, predicted, labels=[0, 1, 2], average="macro")
    metrics = task.metrics()
    metrics.update(logits, masks)
    values = metrics.compute()
    assert float(values["miou"]) == pytest.approx(expected, rel=1e-5)
    assert float(values["pixel_accuracy"]) == pytest.approx((target == predicted).mean(), rel=1e-5)
    scores = task.scores(logits, masks).numpy()
    assert mean_iou(scores.sum(0), 3) == pytest.approx(expected, rel=1e-5)
    low, high = task.interval(scores, expected)
    assert high - low < 0.5 * expected  # resampled without the fourth class as well
    assert np.mean([low, high]) == pytest.approx(expected, rel=0.1)


def test_intervals_hold_the_value_and_shrink_with_samples():
    """Intervals contain the value; four times the images make them about half as wide; pairing narrows."""
    rng = np.random.default_rng(0)
    easy = rng.multinomial(50, np.eye(4).ravel() / 4 * 0.7 + 0.3 / 16, size=400).reshape(-1, 4, 4)
    value = float(mean_iou(easy.sum(0), 255))
    low, high = TASK.interval(easy, value)
    few = TASK.interval(easy[:100], float(mean_iou(easy[:100].sum(0), 255)))
    assert low < value < high
    assert 1.5 < (few[1] - few[0]) / (high - low) < 2.7
    harder = easy.copy()
    harder[:, 0, 0] -= harder[:, 0, 0] // 4
    harder[:, 0, 1] += easy[:, 0, 0] // 4
    drop = TASK.drop_interval(easy, harder)
    assert drop[0] < value - mean_iou(harder.sum(0), 255) < drop[1]
    assert drop[1] - drop[0] < (high - low) / 2
    assert TASK.drop_interval(easy, easy) == (0, 0)


def test_one_image_has_an_interval():
    """A single image is no division by zero."""
    scores = np.diag([5, 0, 3, 0])[None]
    assert TASK.interval(scores, 1.0) == (1, 1)


@pytest.mark.parametrize(
    "output", [torch.zeros(1, 4), torch.zeros(1, 5, 8, 8), {"out": torch.zeros(1, 4, 8, 8)}]
)
def test_other_networks_are_refused(output):
    """Logits of another shape are refused with both shapes and the keys that change them."""
    with pytest.raises(ValueError, match=r"\(1, 4, 8, 8\).*model\.num_classes.*model\.output"):
        TASK.check_output(output, torch.zeros(1, 3, 8, 8))
    TASK.check_output(torch.zeros(1, 4, 8, 8), torch.zeros(1, 3, 8, 8))
