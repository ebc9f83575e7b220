"""What a network is: its weights, and what it computes."""

import pytest
import torch
import torchvision
from torch import nn

from bottleneck import models
from bottleneck.identity import Identity, agree, behaviour, digest, tensor_digests, weights_identity

SHAPE = (3, 16, 16)


class Attention(nn.Module):
    """Two networks of one text and one state dict, unless they have as many heads."""

    def __init__(self, heads: int = 2, slope: float = 0.1) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.patches, self.norm = nn.Conv2d(3, 8, 4, 4), nn.BatchNorm2d(8)
        self.attention, self.act = nn.MultiheadAttention(8, heads, batch_first=True), nn.ReLU()
        self.slope = slope
        self.classifier = nn.Linear(8, 5)

    def forward(self, x):
        x = self.act(self.norm(self.patches(x / 255))).flatten(2).transpose(1, 2)
        x = x + 3 * self.attention(x, x, x)[0]
        return self.classifier(torch.nn.functional.leaky_relu(x, self.slope).mean(1))


def changed_heads() -> nn.Module:
    return Attention(heads=4)


def changed_attribute() -> nn.Module:
    return Attention(slope=0.5)


def changed_eps() -> nn.Module:
    model = Attention()
    model.norm.eps = 1e-3
    with torch.no_grad():
        model.norm.running_var.fill_(0.01)
    return model


def changed_activation() -> nn.Module:
    model = Attention()
    model.act = nn.GELU()
    return model


@pytest.mark.parametrize("change", [changed_heads, changed_attribute, changed_activation])
def test_identity_holds_what_weights_do_not(change):
    """Heads, attributes and activations leave the weights as they are, and are seen in what is computed."""
    one, other = Attention(), change()
    assert weights_identity(one) == weights_identity(other)
    found = Identity.of(one, SHAPE).difference(Identity.of(other, SHAPE))
    assert found == "behaviour"
    assert digest(behaviour(one, SHAPE)) != digest(behaviour(other, SHAPE))


@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::UserWarning"
)  # of torch.ao, which leaves torch
def test_quantised_weights_are_seen():
    """Packed weights are no tensors that a module has, and are seen in what it computes."""

    def quantised(weight: float) -> nn.Module:
        model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 4))
        nn.init.constant_(model[1].weight, weight)
        nn.init.zeros_(model[1].bias)
        return models.wrap(torch.ao.quantization.quantize_dynamic(model, {nn.Linear}), side=8)

    one, other = quantised(0.1), quantised(0.2)
    assert weights_identity(one) == weights_identity(other)
    assert Identity.of(one, (3, 8, 8)).difference(Identity.of(other, (3, 8, 8))) == "behaviour"


def test_epsilon_is_seen():
    """A BatchNorm's epsilon is seen where it counts."""
    one = Attention()
    with torch.no_grad():
        one.norm.running_var.fill_(0.01)
    assert Identity.of(one, SHAPE).difference(Identity.of(changed_eps(), SHAPE)) == "behaviour"


def anchors_twice_as_large(detector):
    generator = detector.network.rpn.anchor_generator
    generator.cell_anchors = [cells * 2 for cells in generator.cell_anchors]


def other_suppression(detector):
    detector.network.roi_heads.nms_thresh = 0.01


def other_boxes(detector):
    detector.network.roi_heads.box_coder.weights = (1.0, 1.0, 1.0, 1.0)


def other_sizes(detector):
    detector.network.transform.max_size += 32


def other_proposals(detector):
    detector.network.rpn.head.conv[0][1] = nn.Identity()


def other_samples(detector):
    detector.network.roi_heads.box_roi_pool.sampling_ratio = 1


@pytest.mark.parametrize(
    "change",
    [
        anchors_twice_as_large,
        other_suppression,
        other_boxes,
        other_sizes,
        other_proposals,
        other_samples,
    ],
)
def test_a_detector_is_what_it_finds_boxes_by(change):
    """Settings and heads are no part of the pyramid, which is the same: they are looked at themselves."""
    one, other = models.create("scenes_detector"), models.create("scenes_detector")
    change(other)
    assert Identity.of(one, (3, 64, 64)).difference(Identity.of(other, (3, 64, 64))) == "behaviour"


def test_a_detector_that_is_asked_for_all_is_the_same():
    """Training and measuring set the score from which boxes are shown; the network is still that one."""
    one, other = models.create("scenes_detector"), models.create("scenes_detector")
    other.find_all()
    other(torch.zeros(2, 3, 96, 64, dtype=torch.uint8))
    assert Identity.of(one, (3, 64, 64)).difference(Identity.of(other, (3, 64, 64))) is None


class Scores(nn.Module):
    """Rows whose boxes are in pixels and whose scores are tiny."""

    def __init__(self, act: nn.Module) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.box, self.score, self.act = nn.Conv2d(3, 4, 4, 4), nn.Conv2d(3, 8, 4, 4), act

    def forward(self, x):
        boxes = self.box(x).sigmoid() * 400
        scores = (self.act(self.score(x)).mean((2, 3), keepdim=True) - 12).sigmoid().expand(-1, -1, 4, 4)
        return torch.cat((boxes, scores), 1).flatten(2)


def test_scores_are_seen_beside_boxes_in_pixels():
    """A change of the scores alone is a millionth of the largest box, and another network."""
    one, other = (models.wrap(Scores(act), rows="yolov8", side=16) for act in (nn.ReLU(), nn.SiLU()))
    assert Identity.of(one, SHAPE).difference(Identity.of(other, SHAPE)) == "behaviour"


class Several(nn.Module):
    """A large tensor and a small one."""

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.factor = nn.Conv2d(3, 4, 3), factor

    def forward(self, x):
        maps = self.stem(x / 255)
        return {"maps": 1e4 * maps, "means": self.factor * maps.mean((2, 3))}


def test_each_of_several_outputs_is_looked_at():
    """A small tensor that changes beside a large one is seen."""
    one, other = Identity.of(Several(), SHAPE), Identity.of(Several(2.0), SHAPE)
    assert one.difference(other) == "behaviour"
    assert one.difference(Identity.of(Several(), SHAPE)) is None


def test_identities_of_older_releases_are_still_known():
    """They looked at sixteen values of all outputs together, and are compared by these."""
    whole = Identity.of(Several(), SHAPE)
    older = Identity(whole.weights, whole.behaviour[:16])
    assert older.difference(whole) is None
    assert whole.difference(older) is None
    assert older.difference(Identity(whole.weights, whole.behaviour[16:32])) == "behaviour"
    assert whole.difference(Identity(whole.weights, whole.behaviour[:32])) == "behaviour"


def test_behaviour_is_the_same_whenever_it_is_asked_for():
    """Modes, threads and earlier calls change nothing, and the model stays as it was."""
    model = Attention().train()
    first = behaviour(model, SHAPE)
    assert model.training
    assert behaviour(model.eval(), SHAPE) == first
    assert len(first) == 5
    assert any(first)


def test_rounding_of_another_machine_is_the_same_network():
    """Values that differ in the sixth digit agree, as do settings of studies that have no values."""
    one = Identity.of(Attention(), SHAPE)
    assert one.behaviour is not None
    other = Identity(one.weights, tuple(value * (1 + 1e-5) for value in one.behaviour))
    assert one.difference(other) is None
    assert agree(one.to_dict(), other.to_dict())
    assert agree(one.to_dict(), one.weights)
    assert agree(one.weights, one.to_dict())
    assert not agree(one.to_dict(), Identity.of(changed_heads(), SHAPE).to_dict())
    assert agree({"any": 1}, {"any": 1})


def test_half_precision_is_nearly_the_same_network():
    """A half network is known by what it computes, and so is one that computes something else."""
    one = Identity.of(Attention(), SHAPE, torch.float32)
    assert one.difference(Identity.of(Attention().half(), SHAPE, torch.float32)) is None
    assert one.difference(Identity.of(changed_activation().half(), SHAPE, torch.float32)) == "behaviour"
    assert one.difference(Identity("other", low=True)) == "weights"


def test_wrappers_are_no_part_of_a_network(wrapping):
    """What is parallel, averaged or compiled is the network that it was."""
    model = Attention()
    assert Identity.of(wrapping(model), SHAPE) == Identity.of(model, SHAPE)


def test_identity_changes_with_any_weight_and_with_the_normalisation():
    """Equal weights have equal identities; one changed weight, statistic or mean has another."""
    torch.manual_seed(0)
    network = torchvision.models.squeezenet1_1(num_classes=2)
    identity = weights_identity(models.wrap(network))
    assert weights_identity(models.wrap(network)) == identity
    assert weights_identity(models.wrap(network, mean=[0.5, 0.5, 0.5])) != identity
    with torch.no_grad():
        network.classifier[1].bias[0] += 1e-3
    assert weights_identity(models.wrap(network)) != identity


def test_identity_does_not_count_a_unit_of_the_plugin():
    """A LightningModule has the same identity with the plugin attached; a digest names what changed."""
    network = torch.nn.Sequential(torch.nn.Linear(2, 2))
    identity, digests = weights_identity(network), tensor_digests(network)
    network.add_module("bottleneck_unit", torch.nn.Linear(2, 2))
    assert weights_identity(network) == identity
    with torch.no_grad():
        network[0].bias += 1
    changed = [name for name, digest in tensor_digests(network).items() if digest != digests[name]]
    assert changed == ["0.bias"]
