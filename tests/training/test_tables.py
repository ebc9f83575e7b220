"""What images take is weighed as it is measured at the end, and brought to what was asked for."""

import pytest
import torch

from bottleneck import Cut, OperatingPoint, Recipe, train
from bottleneck.data import Digits
from bottleneck.loss.density import DensityRate
from bottleneck.tasks import Classification
from bottleneck.training.tables import aim, aim_at_drop, fit_tables, mean_payload
from bottleneck.unit import latent_codec

SMALL = {"latent_channels": 8, "stride": 1, "encoder_width": 16, "width": 16, "blocks": 1}


@pytest.fixture
def cut(digits_network):
    return cut_of(digits_network, 0.2)


def cut_of(network, holdout):
    images = Digits(train_limit=300, val_limit=50, holdout=holdout, batch_size=32)
    images.setup()
    return Cut(network, images, Classification(10), "layer2")


def untrained(cut, codec):
    """An untrained channel and its rate."""
    point = OperatingPoint({**SMALL, "step": 0.5}, 1.0, kind="asymmetric", rate=DensityRate)
    unit = cut.new_unit(point).eval()
    rate = point.loss(unit.latent_shapes, cut.pixels, unit.step).rate
    return cut.channel(latent_codec(unit.latent_shapes, name=codec), unit, name="bottleneck"), rate


@pytest.mark.sampled(2)
@pytest.mark.parametrize("codec", ["range", "huffman"])
@pytest.mark.parametrize("share", [0.8, 1.15])
def test_payload_that_is_asked_for_is_met_by_the_step(cut, codec, share):
    """To two percent, in both directions, with any codec; weights stay as they are."""
    channel, rate = untrained(cut, codec)
    before = {name: value.clone() for name, value in channel.unit.state_dict().items()}
    wanted = share * mean_payload(cut, channel.codec, channel.unit, rate)
    aim(channel, rate, cut, wanted)
    fit_tables(channel, rate, cut)
    (row,) = cut.measure([channel], "select")
    assert row.payload_bytes == pytest.approx(wanted, rel=0.02)
    assert (channel.unit.step > 0.5) == (share < 1)
    assert all(torch.equal(before[name], value) for name, value in channel.unit.state_dict().items())


@pytest.mark.sampled(1)
@pytest.mark.parametrize("share", [0.01, 100.0])
def test_step_is_at_most_halved_or_doubled(cut, share):
    """A payload that is far away is missed, not sought at any price; a unit that is silent stays so."""
    channel, rate = untrained(cut, "range")
    aim(channel, rate, cut, share * mean_payload(cut, channel.codec, channel.unit, rate))
    assert channel.unit.step == pytest.approx(1.0 if share < 1 else 0.25)
    channel.unit.coarsen(1e9)
    aim(channel, rate, cut, 8.0)
    assert channel.unit.step > 1e8


@pytest.mark.sampled(1)
@pytest.mark.parametrize("codec", ["range", "huffman"])
@pytest.mark.parametrize("holdout", [0.0, 0.2])
def test_what_is_weighed_is_what_is_measured(digits_network, codec, holdout):
    """The mean payload is that of held-out images, or else of training images; nothing is fitted by it."""
    cut = cut_of(digits_network, holdout)
    channel, rate = untrained(cut, codec)
    weighed = mean_payload(cut, channel.codec, channel.unit, rate)
    assert not channel.codec.fitted
    fit_tables(channel, rate, cut)
    (row,) = cut.measure([channel], "select" if holdout else "train")
    assert weighed == pytest.approx(row.payload_bytes)


@pytest.fixture(scope="module")
def trained(digits_network):
    """A channel that loses little, its cut, and its steps."""
    cut = cut_of(digits_network, 0.2)
    point = OperatingPoint({**SMALL, "step": 0.5}, 1.0, kind="asymmetric")
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    channel = train(cut, point, Recipe(trainer={"max_epochs": 6, **quiet}))
    return channel, cut, channel.unit.step


@pytest.mark.sampled(1)
@pytest.mark.parametrize("wanted", [0.05, 0.3])
def test_drop_that_is_asked_for_is_kept_with_the_coarsest_steps(trained, wanted):
    """Held-out samples lose no more than that, and with the next coarser steps they lose more."""
    channel, cut, before = trained
    channel.unit.coarsen(before / channel.unit.step)
    aim_at_drop(channel, cut, wanted)
    step, frozen, lost = channel.unit.step, cut.frozen("select").value, []
    for factor in (1.0, 2**0.25):
        channel.unit.coarsen(factor * step / channel.unit.step)
        cut.fit([channel])
        (row,) = cut.measure([channel], "select")
        lost.append(frozen - row.value)
    assert lost[0] <= wanted
    assert lost[1] > wanted or step == pytest.approx(4 * before)


def test_steps_are_refined_where_too_much_is_lost(trained):
    """A unit in steps that are too coarse gets finer ones, the coarsest of which keep the drop."""
    channel, cut, _ = trained
    aim_at_drop(channel, cut, 0.05)
    coarsest = channel.unit.step
    channel.unit.coarsen(1.2)
    aim_at_drop(channel, cut, 0.05)
    assert coarsest * 0.6 <= channel.unit.step < 1.2 * coarsest


def test_steps_stay_where_finer_ones_lose_too_much_as_well(cut):
    """A drop that a unit cannot keep is missed with the steps that it was trained for."""
    channel, _ = untrained(cut, "range")
    aim_at_drop(channel, cut, 0.01)
    assert channel.unit.step == 0.5
