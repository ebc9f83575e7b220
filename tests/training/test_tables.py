"""What images take is weighed as it is measured at the end, and brought to what was asked for."""

import pytest
import torch

from bottleneck import Cut, OperatingPoint
from bottleneck.data import Digits
from bottleneck.loss.density import DensityRate
from bottleneck.tasks import Classification
from bottleneck.training.tables import aim, fit_tables, mean_payload
from bottleneck.unit import latent_codec


@pytest.fixture
def cut(digits_network):
    return cut_of(digits_network, 0.2)


def cut_of(network, holdout):
    images = Digits(train_limit=300, val_limit=50, holdout=holdout, batch_size=32)
    images.setup()
    return Cut(network, images, Classification(10), "layer2")


def untrained(cut, codec):
    """An untrained channel and its rate."""
    point = OperatingPoint(
        {"latent_channels": 8, "stride": 1, "step": 0.5}, 1.0, kind="asymmetric", rate=DensityRate
    )
    unit = cut.new_unit(point).eval()
    rate = point.loss(unit.latent_shapes, cut.pixels, unit.step).rate
    return cut.channel(latent_codec(unit.latent_shapes, name=codec), unit, name="bottleneck"), rate


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


@pytest.mark.parametrize("share", [0.01, 100.0])
def test_step_is_at_most_halved_or_doubled(cut, share):
    """A payload that is far away is missed, not sought at any price; a unit that is silent stays so."""
    channel, rate = untrained(cut, "range")
    aim(channel, rate, cut, share * mean_payload(cut, channel.codec, channel.unit, rate))
    assert channel.unit.step == pytest.approx(1.0 if share < 1 else 0.25)
    channel.unit.coarsen(1e9)
    aim(channel, rate, cut, 8.0)
    assert channel.unit.step > 1e8


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
