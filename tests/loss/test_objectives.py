"""Objectives: labels, the frozen network's outputs, its features, and sums of them."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from bottleneck.loss.objectives import (
    FrozenFeatures,
    FrozenLogits,
    HeadDistillation,
    Matching,
    Passage,
    Sum,
    TaskLoss,
    relative_error,
)
from bottleneck.splitting import split
from bottleneck.tasks import Classification
from bottleneck.training.frozen import FrozenHalves

TASK = Classification(5)
FEATURE, TARGET = torch.randn(6, 5, generator=torch.Generator().manual_seed(0)), torch.arange(6) % 5


#: A network whose tail does nothing: the frozen output is the feature.
NOTHING = split(nn.Sequential(nn.Identity(), nn.Identity()), "0", torch.zeros(1, 5)).freeze()


def passage(output, target=TARGET, inputs=FEATURE):
    return Passage(TASK, target, output, {}, inputs, FrozenHalves(NOTHING, inputs, {}))


def test_task_is_the_cross_entropy():
    """The paper's objective is the cross-entropy of each output against its label."""
    output = torch.randn(6, 5, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(TaskLoss()(passage(output)), F.cross_entropy(output, TARGET, reduction="none"))


def test_matching_is_zero_at_the_frozen_output_and_positive_elsewhere():
    """The divergence vanishes exactly where the output is the frozen one, whatever the labels say."""
    objective = FrozenLogits(2.0)
    torch.testing.assert_close(objective(passage(FEATURE + 3.0)), torch.zeros(6), atol=1e-6, rtol=0)
    other = objective(passage(FEATURE.flip(1)))
    assert (other > 0.01).all()
    assert torch.equal(objective(passage(FEATURE.flip(1), TARGET.flip(0))), other)


def test_matching_pixels_is_matching_as_many_images():
    """Logits of pixels are matched one by one and averaged, whatever the size of the image."""
    generator = torch.Generator().manual_seed(2)
    logits, wanted = torch.randn(2, 6, 5, generator=generator)
    as_pixels = [values.T.reshape(1, 5, 2, 3) for values in (logits, wanted)]
    (dense,) = FrozenLogits(2.0)(passage(as_pixels[0], inputs=as_pixels[1]))
    torch.testing.assert_close(dense, FrozenLogits(2.0)(passage(logits, inputs=wanted)).mean())


def test_gradient_leads_to_the_frozen_output():
    """Descending the objective from a flat output ends at the frozen network's probabilities."""
    output = torch.zeros(6, 5, requires_grad=True)
    for _ in range(400):
        (gradient,) = torch.autograd.grad(FrozenLogits(2.0)(passage(output)).mean(), output)
        output = (output - 6 * gradient).detach().requires_grad_()
    torch.testing.assert_close(output.softmax(1), FEATURE.softmax(1), atol=1e-3, rtol=0)


def test_frozen_side_takes_no_gradient():
    """The frozen output is a constant: nothing flows back into the feature."""
    feature = FEATURE.clone().requires_grad_()
    output = torch.zeros(6, 5, requires_grad=True)
    FrozenLogits()(passage(output, inputs=feature)).sum().backward()
    assert feature.grad is None
    assert output.grad is not None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FrozenLogits(0), r"objective\.temperature=0"),
        (lambda: FrozenFeatures([]), r"objective\.layers=\[\] must be a list"),
        (lambda: HeadDistillation("layer3"), r"objective\.layers='layer3' must be a list"),
        (lambda: FrozenFeatures("layer3"), r"objective\.layers='layer3' must be a list"),
        (lambda: Sum({"a": TaskLoss()}, {"b": 1.0}), r"terms=\['a'\] and objective\.weights=\['b'\]"),
        (lambda: Sum({}, {}), "must name the same"),
    ],
)
def test_impossible_options_are_refused(make, message):
    """A temperature is positive, layers are a list of names, terms and weights have the same names."""
    with pytest.raises(ValueError, match=message):
        make()


@pytest.fixture(scope="module")
def net():
    """A small network cut behind its first layer; the layers behind it work in place."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(64, 5)]
    return split(nn.Sequential(*layers), "0", torch.zeros(1, 3, 8, 8)).freeze()


def passage_through(net, reconstruction, feature, objective):
    output, layers = net.tail.watch(reconstruction, objective.layers)
    frozen = FrozenHalves(net, feature, {}, objective.layers)
    return Passage(TASK, TARGET, output, layers, reconstruction, frozen)


def test_features_are_matched_layer_by_layer(net):
    """The loss is the mean relative error at the named layers, taken before anything in place follows."""
    feature, reconstruction = torch.randn(2, 6, 4, 6, 6, generator=torch.Generator().manual_seed(2))
    objective = FrozenFeatures(["1", "4"])
    expected = []
    for depth in (1, 4):
        first, second = reconstruction, feature
        for name in range(1, depth + 1):
            layer = net.tail.graph.get_submodule(str(name))
            first, second = layer(first.clone()), layer(second.clone())
        expected.append(relative_error(first, second))
    loss = objective(passage_through(net, reconstruction, feature, objective))
    torch.testing.assert_close(loss, torch.stack(expected).mean(0))
    assert objective(passage_through(net, feature, feature, objective)).tolist() == [0] * 6


def test_head_distillation_is_the_squared_error_per_element(net):
    """At the cut, and summed over further layers in the generalised form, independent of the map's size."""
    feature, reconstruction = torch.randn(2, 6, 4, 6, 6, generator=torch.Generator().manual_seed(2))
    here = (reconstruction - feature).square().flatten(1).mean(1)
    objective = HeadDistillation()
    torch.testing.assert_close(objective(passage_through(net, reconstruction, feature, objective)), here)
    objective = HeadDistillation(["1"])
    layer = net.tail.graph.get_submodule("1")
    behind = (layer(reconstruction) - layer(feature)).square().flatten(1).mean(1)
    loss = objective(passage_through(net, reconstruction, feature, objective))
    torch.testing.assert_close(loss, here + behind)
    assert not objective.needs_output


@pytest.mark.parametrize("axis", [1, 3])
def test_matching_is_the_relative_error_at_the_cut(axis):
    """The unit's feature is held against the frozen one, channel by channel, wherever channels stand."""
    torch.manual_seed(0)
    layer = nn.Conv2d(3, 4, 1) if axis == 1 else nn.Linear(3, 4)
    image = torch.zeros(1, 3, 8, 6) if axis == 1 else torch.zeros(1, 8, 6, 3)
    net = split(nn.Sequential(layer, nn.ReLU()), "0", image).freeze()
    feature, reconstruction = torch.randn(2, 6, *net.point.shape)
    reconstruction = reconstruction * torch.tensor([1.0, 2, 3, 4]).reshape((4, 1, 1) if axis == 1 else 4)
    error = Matching()(passage_through(net, reconstruction, feature, Matching()))
    torch.testing.assert_close(error, relative_error(reconstruction, feature, axis))
    assert not torch.allclose(error, relative_error(reconstruction, feature, 4 - axis))


@pytest.mark.parametrize("axis", [1, 3])
def test_watched_layers_know_which_axis_their_channels_are(axis):
    """Behind a Swin-like cut, maps with channels last are weighed by their channels, not by their rows."""

    class Last(nn.Module):
        """Channels first at the cut, channels last behind it."""

        def __init__(self):
            super().__init__()
            self.first, self.norm, self.out = nn.Conv2d(3, 4, 1), nn.LayerNorm(4), nn.Linear(4, 4)

        def forward(self, x):
            return self.out(self.norm(self.first(x).permute(0, 2, 3, 1)))

    torch.manual_seed(0)
    net = split(Last(), "first", torch.zeros(1, 3, 5, 5)).freeze()
    feature, reconstruction = torch.randn(2, 6, 4, 5, 5)
    objective = FrozenFeatures(["norm"])
    through = passage_through(net, reconstruction, feature, objective)
    wanted = relative_error(through.layers["norm"], through.frozen.layers(["norm"])["norm"], axis)
    assert torch.allclose(objective(through), wanted) == (axis == 3)


def test_tokens_are_matched_channel_by_channel():
    """Where a layer gives tokens, each channel counts by its own variance over all tokens."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 3))
    with torch.no_grad():
        network[1].weight[0] *= 10
    net = split(network, "0", torch.zeros(1, 7, 4)).freeze()
    feature, reconstruction = torch.randn(2, 6, 7, 4)
    objective = FrozenFeatures(["1"])
    loss = objective(passage_through(net, reconstruction, feature, objective))
    first, second = network[1](reconstruction), network[1](feature)
    expected = [relative_error(first[..., [channel]], second[..., [channel]], 2) for channel in range(3)]
    torch.testing.assert_close(loss, torch.stack(expected).mean(0))


def test_sums_weigh_their_terms(net):
    """A sum is the weighted sum of its terms, and asks for all layers that any of them wants."""
    feature, reconstruction = torch.randn(2, 6, 4, 6, 6, generator=torch.Generator().manual_seed(3))
    terms = {"task": TaskLoss(), "features": FrozenFeatures(["1"]), "more": FrozenFeatures(["1", "4"])}
    total = Sum(terms, {"task": 0.5, "features": 2.0, "more": 0.0})
    assert total.layers == ("1", "4")
    assert total.needs_output
    assert not Sum({"features": FrozenFeatures(["1"])}, {"features": 1.0}).needs_output
    through = passage_through(net, reconstruction, feature, total)
    torch.testing.assert_close(total(through), 0.5 * terms["task"](through) + 2 * terms["features"](through))


def test_relative_error_counts_each_channel_by_its_own_variance():
    """Means alone have error 1 and the feature itself 0, whatever the channels' sizes and their axis."""
    generator = torch.Generator().manual_seed(0)
    feature = (
        torch.randn(64, 6, 4, 4, generator=generator) * torch.tensor([1, 2, 8, 1, 0.5, 3])[:, None, None]
    )
    means = feature.mean((0, 2, 3), keepdim=True).expand_as(feature)
    assert relative_error(means, feature).mean().item() == pytest.approx(1, abs=1e-4)
    assert relative_error(feature, feature).tolist() == [0] * 64
    other = feature.flip(0)
    last = relative_error(other.permute(0, 2, 3, 1), feature.permute(0, 2, 3, 1), channel_axis=3)
    torch.testing.assert_close(last, relative_error(other, feature))


def test_constant_channels_do_not_dominate():
    """A dead channel that is reproduced nearly does not outweigh all others."""
    feature = torch.randn(64, 6, 4, 4, generator=torch.Generator().manual_seed(0))
    feature[:, 0] = 0.5
    assert relative_error(feature + 0.01, feature).mean() < 0.1


def test_frozen_tail_runs_once_however_much_is_asked_of_it(net):
    """Logits and several layers of the frozen network come from one pass through its tail."""
    feature, reconstruction = torch.randn(2, 6, 4, 6, 6, generator=torch.Generator().manual_seed(5))
    terms = {"logits": FrozenLogits(), "first": FrozenFeatures(["1"]), "all": FrozenFeatures(["1", "4"])}
    objective = Sum(terms, dict.fromkeys(terms, 1.0))
    through = passage_through(net, reconstruction, feature, objective)
    runs = []
    handle = net.tail.graph.get_submodule("4").register_forward_hook(lambda *_: runs.append(1))
    try:
        objective(through)
    finally:
        handle.remove()
    assert len(runs) == 1
