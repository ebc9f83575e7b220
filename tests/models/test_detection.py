"""Detectors that can be cut."""

import copy

import pytest
import torch
from torch.utils._pytree import tree_leaves

from bottleneck import models
from bottleneck.splitting import split_points, trace
from bottleneck.splitting.model import split_traced
from bottleneck.splitting.points import points_of

SIDES = [(64, 96), (80, 64), (50, 70)]


def detector(name="maskrcnn_resnet50_fpn", **options):
    torch.manual_seed(0)
    small = {
        "min_size": 64,
        "max_size": 128,
        "num_classes": 5,
        "box_score_thresh": 0.1,
        "box_detections_per_img": 5,
    }
    return models.create(name, **{**small, **options})


@pytest.fixture(scope="module")
def mask_rcnn():
    return detector()


@pytest.fixture(scope="module")
def traced(mask_rcnn, images):
    return trace(mask_rcnn, images[0][None])


@pytest.fixture(scope="module")
def images():
    generator = torch.Generator().manual_seed(1)
    return [torch.randint(0, 256, (3, *side), generator=generator, dtype=torch.uint8) for side in SIDES]


def same(found, wanted):
    assert len(found) == len(wanted)
    assert all(len(entry["boxes"]) for entry in wanted), "nothing was found, so nothing is compared"
    for ours, theirs in zip(found, wanted, strict=True):
        assert ours.keys() == theirs.keys()
        for key in theirs:
            torch.testing.assert_close(ours[key], theirs[key])


FPN = [f"fpn.layer_blocks.{level}" for level in range(4)]


@pytest.mark.sampled(2)
@pytest.mark.parametrize("at", ["normalize", "maxpool", "layer1", "layer3", FPN])
def test_head_and_tail_equal_the_detector_on_images_of_different_sizes(traced, mask_rcnn, images, at):
    """Boxes, scores, labels and masks from feature and sizes are those of torchvision's own detector."""
    net = split_traced(traced, at)
    with torch.no_grad():
        wanted = mask_rcnn.network([image / 255 for image in images])
        found = net.tail(net.head(images), sizes={"image_sizes": mask_rcnn.image_sizes(images)})
    same(found, wanted)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("dtype", [torch.half, torch.bfloat16])
def test_a_detector_in_half_precision_takes_pixels(mask_rcnn, images, dtype):
    """What its backbone computes in, its normalisation hands on: the pyramid is nearly the same."""
    half = copy.deepcopy(mask_rcnn).to(dtype)
    with torch.no_grad():
        found, wanted = half.pyramid(images), mask_rcnn.pyramid(images)
    for name, level in wanted.items():
        assert found[name].dtype == dtype
        torch.testing.assert_close(found[name].float(), level, rtol=0, atol=0.05 * level.abs().max().item())


def test_tail_takes_the_sizes_of_the_example_where_it_is_given_none(traced, mask_rcnn, images):
    """For a batch of images as large as the example the feature alone is enough."""
    batch = torch.stack([images[0], images[0].flip(-1)])
    net = split_traced(traced, "layer1")
    with torch.no_grad():
        same(net.tail(net.head(batch)), mask_rcnn.network(list(batch / 255)))


def test_tail_reads_the_sizes_it_is_given(traced, mask_rcnn, images):
    """Boxes scale with the original size alone: twice as high an image has boxes twice as high."""
    net = split_traced(traced, "layer1")
    sizes = mask_rcnn.image_sizes(images[:1])
    doubled = sizes._replace(original=((2 * SIDES[0][0], SIDES[0][1]),))
    with torch.no_grad():
        feature = net.head(images[:1])
        once, twice = (net.tail(feature, sizes={"image_sizes": s})[0]["boxes"] for s in (sizes, doubled))
    torch.testing.assert_close(twice, once * torch.tensor([1, 2, 1, 2]))


def test_behind_the_first_branch_several_maps_cross_as_one(traced):
    """The pyramid reads each layer, so from layer 2 on no cut is closed: its maps are folded into one."""
    closed = {point.name for point in points_of(traced)}
    assert {"normalize", "maxpool", "layer1"} < closed
    assert not {"layer2", "layer3", "fpn", "rpn"} & closed
    found = {point.name: point for point in points_of(traced, 6)}
    assert found["layer3"].shape == (256 * 16 + 512 * 4 + 1024, 4, 6)  # of an image of 64×96
    assert found["layer3"].nbytes == 4 * 256 * 24 * (16 + 8 + 4)
    assert (found["layer3"].layout, found["layer3"].parts, found["layer3"].aliases) == ("CHW", (), ())
    # Named by the finest level, what crosses is that and what the tail makes the other levels of.
    assert found["fpn.layer_blocks.0"].shape == (256 * (64 + 16 + 4 + 1), 2, 3)


def test_tail_of_several_maps_takes_the_sizes_of_the_example(traced, mask_rcnn, images):
    """One map says how large its maps were: without sizes, images as large as the example need no more."""
    batch = torch.stack([images[0], images[0].flip(-1)])
    net = split_traced(traced, ["layer1", "layer2"])
    with torch.no_grad():
        same(net.tail(net.head(batch)), mask_rcnn.network(list(batch / 255)))


def test_losses_are_those_of_the_detector_in_training(images):
    """Proposal, class, box and mask losses on the pyramid equal those that torchvision computes."""
    # Sampling all proposals takes chance out; frozen statistics take the batch out of normalisation.
    options = {"rpn_batch_size_per_image": 10**6, "box_batch_size_per_image": 10**6}
    model = detector(**options)
    model.network.rpn._pre_nms_top_n = model.network.rpn._post_nms_top_n = {"training": 50, "testing": 50}
    masks = torch.zeros(1, *SIDES[0], dtype=torch.uint8)
    masks[:, 10:50, 8:40] = 1
    targets = [{"boxes": torch.tensor([[8.0, 10, 40, 50]]), "labels": torch.tensor([2]), "masks": masks}]
    found = model(images[:1]).losses(targets)
    network = model.network.train()
    network.backbone.eval()
    network.transform.eval()
    wanted = network([images[0] / 255], targets)
    assert found.keys() == wanted.keys()
    for name, loss in wanted.items():
        torch.testing.assert_close(found[name], loss[None], msg=name)


def test_losses_leave_the_detector_in_eval_mode(mask_rcnn, images):
    """After losses have been computed the same image has the same boxes, and nothing is in training mode."""
    with torch.no_grad():
        before = mask_rcnn(images[:1])
    masks = torch.ones(1, *SIDES[0], dtype=torch.uint8)
    before.losses([{"boxes": torch.tensor([[8.0, 10, 40, 50]]), "labels": torch.tensor([2]), "masks": masks}])
    assert not any(module.training for module in mask_rcnn.modules())
    with torch.no_grad():
        same(mask_rcnn(images[:1]), before)


def test_outputs_are_compared_by_their_tensors(mask_rcnn, images):
    """Whatever walks through a structure finds the tensors of every image in a detector's output."""
    with torch.no_grad():
        found = mask_rcnn(images)
    assert len(tree_leaves(found)) == 4 * len(images)


def test_wrapping_a_detector_of_ones_own():
    """An R-CNN that was built elsewhere becomes a network that can be cut."""
    from torchvision.models.detection import fasterrcnn_mobilenet_v3_large_320_fpn

    own = fasterrcnn_mobilenet_v3_large_320_fpn(weights=None, weights_backbone=None)
    names = [
        point.name for point in split_points(models.wrap(own), torch.zeros(1, 3, 64, 64, dtype=torch.uint8))
    ]
    assert "0" in names  # mobilenet's first block


def test_sizes_that_cross_are_measured_without_the_network(traced, mask_rcnn, images):
    """For any cut the sizes of a batch are those that the detector itself works with."""
    net = split_traced(traced, "layer1")
    (sizes,) = net.sizes(images).values()
    assert sizes == mask_rcnn.image_sizes(images)
    assert (sizes.padded, sizes.original) == ((96, 96), tuple(SIDES))
    assert sizes.resized == ((64, 96), (80, 64), (64, 89))


def test_replaced_module_stands_between_head_and_tail(traced, mask_rcnn, images):
    """Where a unit is to replace layer 1, the head ends before it, and all three parts equal the detector."""
    net = split_traced(traced, "layer1", replace=True)
    assert (net.entry.name, net.point.name) == ("maxpool", "layer1")
    with torch.no_grad():
        entry = net.head(images[:1])
        assert entry.shape[1] == 64
        same(net.tail(net.adapter.before(entry), sizes=net.sizes(images[:1])), mask_rcnn(images[:1]))


def test_module_that_something_passes_by_cannot_be_replaced(traced):
    """A unit cannot replace the image itself; the message names another kind of unit."""
    with pytest.raises(ValueError, match="unit=depthwise"):
        split_traced(traced, "input", replace=True)


def test_watching_ends_behind_the_last_layer(traced, images):
    """Without the output the pyramid is still seen, equal to that of the whole run."""
    net = split_traced(traced, "layer1")
    layers = ["layer2", "fpn.layer_blocks.0"]
    with torch.no_grad():
        feature = net.head(images[:1])
        sizes = net.sizes(images[:1])
        output, seen = net.tail.watch(feature, layers, sizes)
        nothing, again = net.tail.watch(feature, layers, sizes, finish=False)
    assert nothing is None
    assert len(output) == 1
    assert all(torch.equal(seen[name], again[name]) for name in layers)
