"""A channel on a lossy link: real bytes, side information counted, nothing changed where nothing is lost."""

import numpy as np
import pytest
import torch

from bottleneck import codecs
from bottleneck.channel import Channel
from bottleneck.lossy.concealment import CONCEALMENTS, create
from bottleneck.lossy.link import LossyLink
from bottleneck.lossy.losses import Elements, Packets
from bottleneck.lossy.processes import Independent

FEATURES = torch.randn(6, 8, 4, 4, generator=torch.Generator().manual_seed(0)) + 1


@pytest.fixture(scope="module")
def channel():
    codec = codecs.create("packets", (8, 4, 4), codec="quantised", levels=64, mtu=40)
    return Channel(codec, name="packets")


def through(channel, losses, name):
    concealment = create(name).fit(FEATURES.numpy())
    return channel.through(LossyLink("test", losses, concealment))


@pytest.mark.parametrize("name", CONCEALMENTS)
def test_without_losses_the_feature_is_untouched(channel, name):
    """Whatever would conceal, the tail gets what it gets without it, to the bit."""
    sent = through(channel, Packets(Independent(0)), name).transmit(FEATURES)
    plain = channel.transmit(FEATURES)
    assert torch.equal(sent.feature, plain.feature)
    assert sent.packets[0] > 2
    side = 16 if name in ("channel-mean", "hybrid") else 0  # two bytes per channel
    assert sent.payload_bytes == [n + side for n in plain.payload_bytes]


@pytest.mark.parametrize("name", CONCEALMENTS)
def test_what_arrives_is_untouched(channel, name):
    """Only missing elements are filled, and with finite numbers."""
    link = LossyLink("test", Elements(Independent(0.4, seed=2)), create(name).fit(FEATURES.numpy()))
    mask = ~Independent(0.4, seed=2).draw(128).reshape(8, 4, 4)
    array = FEATURES[0].numpy()
    filled = link.carry(channel.codec, array).array
    assert np.array_equal(filled[mask], channel.codec.decode(channel.codec.encode(array))[mask])
    assert np.isfinite(filled).all()
    if name != "zero":
        assert filled[~mask].all()


def test_rows_say_what_was_lost(channel):
    """Loss model, its rate and the concealment are known to whoever writes results."""
    assert channel.link.about == {}
    lossy = through(channel, Packets(Independent(0.25)), "mean")
    assert lossy.link.about == {"loss_model": "test", "loss_rate": 0.25, "concealment": "mean"}
    assert (lossy.name, lossy.family, channel.name) == ("packets-test-0.25-mean", "packets", "packets")


def test_a_session_remembers_no_sample_of_another(channel):
    """What conceals by the last sample begins anew, also where the codec remembers nothing."""
    lossy = through(channel, Elements(Independent(1)), "previous")
    lossy.link.concealment.remember(FEATURES[0].numpy())
    assert torch.equal(lossy.transmit(FEATURES[1:2]).feature[0], FEATURES[0])
    begun = lossy.session().transmit(FEATURES[1:2]).feature[0]
    torch.testing.assert_close(begun, FEATURES.mean(0))
