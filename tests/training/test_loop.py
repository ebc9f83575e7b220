"""From an operating point to a trained channel, in plain Python."""

import copy
import dataclasses
import functools

import pytest
import torch

import bottleneck
from bottleneck.cut import Cut
from bottleneck.data import Digits
from bottleneck.features import FeatureCache
from bottleneck.identity import weights_identity
from bottleneck.loss import OperatingPoint
from bottleneck.loss.context import ContextRate
from bottleneck.loss.density import DensityRate
from bottleneck.loss.drop import DropTarget
from bottleneck.loss.objectives import FrozenFeatures, FrozenLogits, Matching, Sum, relative_error
from bottleneck.loss.probes import Probes
from bottleneck.splitting import Tail
from bottleneck.tasks import Classification
from bottleneck.training import Recipe, systems
from bottleneck.training.loop import train_end_to_end

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning"
)  # Lightning's advice is not ours to follow here

SHORT = {"max_epochs": 2, "accelerator": "cpu", "enable_progress_bar": False, "enable_checkpointing": False}


@pytest.fixture(scope="module")
def cut(digits_network):
    images = Digits(train_limit=300, val_limit=100)
    images.setup()
    return Cut(digits_network, images, Classification(10), "layer2")


def point(**options):
    unit = {"latent_channels": 8, "stride": 2, "step": 0.5}
    return OperatingPoint(**{"unit": unit, "alpha": 10.0, **options})


@pytest.mark.slow
def test_a_few_lines_train_measure_and_deploy(cut, digits_network, digits_images, tmp_path):
    """The public names are enough: a point is trained at a cut, measured in bytes, bundled and loaded."""
    channel = bottleneck.train(cut, point(), Recipe(trainer={**SHORT, "max_epochs": 12}))
    (row,) = cut.measure([channel], "val", seed=0)
    frozen = cut.frozen("val")
    assert row.n == frozen.n == 100
    assert 0.5 < row.value <= frozen.value
    assert 0 < row.payload_bytes < 30
    cut.bundle(channel, vars(row)).save(tmp_path / "bundle")
    device, server = bottleneck.load(tmp_path / "bundle", digits_network)
    with torch.no_grad():
        expected = cut.net.tail(channel.transmit(cut.net.head(digits_images[:1])).feature)
    torch.testing.assert_close(server(device(digits_images[0])), expected)


def test_units_that_cannot_stand_here_are_refused_before_features_are_computed(digits_network, tmp_path):
    """A wrong kind of unit or option costs no pass through the head: the cache stays empty."""
    images = Digits(train_limit=50, val_limit=20)
    images.setup()
    cut = Cut(digits_network, images, Classification(10), "layer2", cache=FeatureCache(tmp_path))
    narrow = {"latent_channels": 8, "stride": 2, "step": 0.5, "width": 0}
    for wrong, message in (
        (point(kind="asymmetric", unit=narrow), r"unit\.width=0"),
        (point(unit={"latent_channels": 8, "stride": 2, "step": 0.5, "geometry": "released"}), "geometry"),
    ):
        with pytest.raises(ValueError, match=message):
            bottleneck.train(cut, wrong, Recipe(trainer=SHORT))
    assert not list(tmp_path.iterdir())


def test_equal_seeds_give_equal_units(cut):
    """A point's seed decides everything, whatever was drawn before."""
    states = []
    for _ in range(2):
        torch.rand(7)
        states.append(bottleneck.train(cut, point(seed=3), Recipe(trainer=SHORT)).unit.state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_warm_start_matches_the_feature(cut):
    """After warm epochs alone, the reconstruction is nearer to the frozen feature than without."""
    given, _ = next(iter(cut.features.batches("select")))

    def error(unit):
        with torch.no_grad():
            return relative_error(unit.eval()(given).feature, given).mean().item()

    fine = point(unit={"latent_channels": 32, "stride": 1, "step": 0.1}, alpha=0.0)
    cold = bottleneck.train(cut, fine, Recipe(trainer={**SHORT, "max_epochs": 0}))
    recipe = Recipe(warm_epochs=8, warm_alpha=100.0, trainer={**SHORT, "max_epochs": 0})
    warm = bottleneck.train(cut, fine, recipe)
    assert error(warm.unit) < 0.7 * error(cold.unit)


def test_training_the_network_too_leaves_the_original_alone(cut, digits_network):
    """End to end, a copy of the network is trained and compared with the frozen one."""
    before = {key: value.clone() for key, value in digits_network.state_dict().items()}
    tuned, channel = train_end_to_end(cut, point(objective=FrozenLogits()), Recipe(trainer=SHORT))
    assert all(torch.equal(before[key], value) for key, value in digits_network.state_dict().items())
    assert any(not torch.equal(before[key], value) for key, value in tuned.model.state_dict().items())
    (row,) = tuned.measure([channel], "val")
    assert row.baseline == cut.frozen("val").value


def test_features_cannot_be_matched_while_the_network_changes(cut):
    """Matching layers of a network that is trained itself is refused with what works."""
    with pytest.raises(ValueError, match=r"trainable=all cannot match.*objective=task or objective=logits"):
        train_end_to_end(cut, point(objective=FrozenFeatures(["layer3"])), Recipe(trainer=SHORT))


SMALL = {"groups": 4, "width": 4}  # for 300 images


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rate", "codec"),
    [
        (DensityRate, {"name": "range"}),
        (DensityRate, {"name": "context", **SMALL}),
        (functools.partial(ContextRate, **SMALL), {"name": "context", **SMALL}),
    ],
)
def test_payload_that_is_asked_for_is_what_comes_out(cut, rate, codec):
    """With a learned density a run ends near the bytes asked for, whichever codec sends them."""
    unit = {"latent_channels": 8, "stride": 2, "step": 1.0}
    asked = point(
        unit=unit,
        kind="asymmetric",
        alpha=1.0,
        rate=rate,
        codec=codec,
        objective=FrozenLogits(),
        target_bytes=8,
    )
    recipe = Recipe(average=0.99, settle_epochs=2, trainer={**SHORT, "max_epochs": 40})
    channel = bottleneck.train(cut, asked, recipe)
    (row,) = cut.measure([channel], "val")
    assert row.payload_bytes == pytest.approx(8, rel=0.15)  # the digits' two sets of images differ by a tenth
    assert row.value > 0.8
    assert channel.codec.fitted


def test_codec_counts_where_the_rate_has_no_tables_for_it(cut):
    """A rate that learned what another codec needs leaves this one its own tables."""
    other = point(rate=functools.partial(ContextRate, **SMALL), codec={"name": "range"})
    channel = bottleneck.train(cut, other, Recipe(trainer=SHORT))
    assert channel.codec.fitted


@pytest.mark.slow
def test_drop_that_is_asked_for_is_what_comes_out(digits_network):
    """A run ends near the drop asked for, on samples that judged nothing."""
    images = Digits(holdout=0.2, train_limit=600, val_limit=200, batch_size=32)
    cut = Cut(digits_network, images, Classification(10), "layer2")
    asked = point(alpha=3.0, target_drop=0.05)
    channel = bottleneck.train(cut, asked, Recipe(trainer={**SHORT, "max_epochs": 30}))
    (row,) = cut.measure([channel], "val")
    assert row.drop == pytest.approx(0.05, abs=0.03)


@pytest.mark.parametrize(
    "limits", [{"limit_train_batches": 1, "limit_val_batches": 0}, {"max_epochs": None, "max_steps": 12}]
)
def test_drop_is_judged_however_a_training_is_cut_short(digits_network, monkeypatch, limits):
    """Limits of the Trainer leave the price no less to follow."""
    judged, update = [], DropTarget.update
    monkeypatch.setattr(DropTarget, "update", lambda *given: judged.append(given[2]) or update(*given))
    images = Digits(holdout=0.2, train_limit=200, val_limit=50, batch_size=32)
    cut = Cut(digits_network, images, Classification(10), "layer2")
    recipe = Recipe(trainer={**SHORT, "max_epochs": 12, **limits})
    bottleneck.train(cut, point(target_drop=0.05), recipe)
    assert len(judged) == 12
    assert judged[-1] == 1.0


@pytest.mark.parametrize("target", [{"target_drop": 0.05}, {"target_bytes": 8, "rate": DensityRate}])
def test_target_of_a_training_without_end_is_refused(cut, target):
    """What is wanted is meant from the middle of a training on, so there has to be one."""
    recipe = Recipe(scheduler=None, trainer={**SHORT, "max_epochs": -1, "max_time": {"seconds": 20}})
    with pytest.raises(ValueError, match=r"target_drop= need a training that ends. .*max_epochs"):
        bottleneck.train(cut, point(**target), recipe)


@pytest.mark.parametrize("precision", ["bf16-true", 64])
def test_frozen_network_keeps_its_precision(cut, precision):
    """However the Trainer is asked to convert it, the training is refused."""
    with pytest.raises(ValueError, match="would convert the frozen network too"):
        bottleneck.train(cut, point(), Recipe(trainer=SHORT), precision=precision)


@pytest.mark.sampled(1)
@pytest.mark.parametrize("dtype", [torch.half, torch.bfloat16])
def test_a_unit_is_trained_in_float32_around_a_half_network(digits_network, digits_images, dtype, tmp_path):
    """The unit's weights are single precision; the network stays what it was, and takes the bundle."""
    images = Digits(train_limit=300, val_limit=100)
    images.setup()
    half = Cut(copy.deepcopy(digits_network).to(dtype), images, Classification(10), "layer2")
    before = weights_identity(half.model)
    channel = bottleneck.train(half, point(), Recipe(trainer=SHORT))
    assert {weight.dtype for weight in channel.unit.parameters()} == {torch.float32}
    assert weights_identity(half.model) == before
    (row,) = half.measure([channel], "val", seed=0)
    half.bundle(channel, vars(row)).save(tmp_path / "bundle")
    device, server = bottleneck.load(tmp_path / "bundle", half.model)
    assert server(device(digits_images[0])).dtype == dtype


@pytest.mark.parametrize(("key", "value"), [("callbacks", ["mine"]), ("logger", True)])
def test_recipe_drops_nothing_silently(key, value):
    """A recipe's stages share no callbacks and no logger; the message says where they belong."""
    with pytest.raises(ValueError, match=rf"{key}.* shared by all stages .* Give {key}= to train"):
        Recipe(trainer={**SHORT, key: value})


def test_drop_is_judged_on_samples_that_train_nothing(digits_network):
    """Without held-out samples the run is refused before anything is trained."""
    everything = bottleneck.Cut(digits_network, Digits(holdout=0), Classification(10), "layer2")
    with pytest.raises(ValueError, match=r"target_drop=0.01 is judged on samples .* Set data.holdout"):
        bottleneck.train(everything, point(target_drop=0.01), Recipe(trainer=SHORT))


def probing(count=4, **more):
    terms = {"matching": Matching(), "probes": Probes(count), **more}
    return Sum(terms, dict.fromkeys(terms, 1.0))


@pytest.fixture
def cached(digits_network, tmp_path):
    """A cut whose features are kept."""
    images = Digits(batch_size=32)
    images.setup()
    return Cut(digits_network, images, Classification(10), "layer2", cache=FeatureCache(tmp_path))


@pytest.mark.slow
def test_probes_beat_matching_at_equal_bytes_and_never_run_the_tail(cached, monkeypatch):
    """Weighing errors by what they do to the logits keeps more of them, and no step needs the tail."""
    unit = {"latent_channels": 8, "stride": 2, "step": 1.0}
    asked = point(unit=unit, kind="asymmetric", alpha=1.0, rate=DensityRate, target_bytes=3)
    recipe = Recipe(trainer={**SHORT, "max_epochs": 8, "limit_val_batches": 0})
    cached.probed(4)
    runs, forward = [], Tail.forward
    sizes, values = {}, {}
    for name, objective in {"matching": Matching(), "probes": probing()}.items():
        rows = []
        for seed in (0, 1):
            wanted = dataclasses.replace(asked, objective=objective, seed=seed)
            monkeypatch.setattr(Tail, "forward", lambda *given: runs.append(0) or forward(*given))
            channel = bottleneck.train(cached, wanted, recipe)
            monkeypatch.setattr(Tail, "forward", forward)
            rows += cached.measure([channel], "val")
        sizes[name], values[name] = (
            sum(getattr(row, key) for row in rows) / 2 for key in ("payload_bytes", "value")
        )
    assert len(runs) < 16, "the network is asked what it returns, not at each of 292 steps"
    assert sizes["probes"] < 1.1 * sizes["matching"]
    assert values["probes"] > values["matching"] + 0.01


def test_probes_warm_a_unit_up_for_mixed_samples(cached, monkeypatch):
    """The beginning by probes mixes nothing and ends elsewhere than matching; what follows mixes as ever."""
    mixed, ends, shares = systems.cutmix, [], []
    monkeypatch.setattr(systems, "cutmix", lambda *given: shares.append(given[1]) or mixed(*given))
    for objective in (Matching(), probing()):
        trainer = {**SHORT, "max_epochs": 1, "limit_train_batches": 3}
        recipe = Recipe(warm_epochs=2, warm_objective=objective, cutmix=0.5, trainer=trainer)
        channel = bottleneck.train(cached, point(objective=FrozenLogits()), recipe)
        ends.append(torch.cat([p.flatten() for p in channel.unit.parameters()]))
        shares.append("end")
    assert not torch.equal(*ends)
    assert shares == [0.5] * 9 + ["end"] + [0.5] * 3 + ["end"]


def test_probes_are_validated_by_probes(cached):
    """What is validated has probes of its own."""
    recipe = Recipe(trainer={**SHORT, "max_epochs": 1, "limit_train_batches": 3})
    assert bottleneck.train(cached, point(objective=probing(2)), recipe) is not None


def test_probes_and_mixed_samples_are_refused(cached):
    """A probe is of one image; the run is refused before features are computed."""
    with pytest.raises(ValueError, match=r"cutmix=0.5 .* no gradient probe holds .* Use cutmix=0"):
        bottleneck.train(cached, point(objective=probing()), Recipe(cutmix=0.5, trainer=SHORT))
    assert "features" not in cached.__dict__


def test_probes_of_a_network_that_changes_are_refused(cached):
    """End to end, gradients of the frozen network say nothing."""
    with pytest.raises(ValueError, match="trainable=all cannot match"):
        train_end_to_end(cached, point(objective=probing(logits=FrozenLogits())), Recipe(trainer=SHORT))
