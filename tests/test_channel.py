"""The channel: one way from features to bytes and back, whatever unit, codec and cut."""

import numpy as np
import pytest
import torch
from torch import nn

from bottleneck import codecs
from bottleneck.channel import Channel
from bottleneck.splitting import split, split_open, trace
from bottleneck.unit import BottleneckUnit, SlimUnit

IMAGES = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Branches(nn.Module):
    """Both branches read the stem."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.left, self.right = nn.Conv2d(3, 5, 1), nn.Conv2d(5, 4, 1), nn.Conv2d(5, 4, 1)

    def forward(self, x):
        stem = self.stem(x)
        return (self.left(stem) + self.right(stem)).mean((2, 3))


def fitted(codec, unit, net, given):
    channel = Channel(codec, unit, layout=net.point.layout, adapter=net.adapter)
    return channel.fit([(given, None)])


def channels():
    torch.manual_seed(0)
    chain = nn.Sequential(nn.Conv2d(3, 5, 1), nn.Conv2d(5, 4, 1), nn.Flatten(), nn.Linear(256, 7)).eval()
    closed = split(chain, "1", IMAGES)
    replaced = split(chain, "1", IMAGES, replace=True)
    opened = split_open(trace(Branches().eval(), IMAGES), "left")
    unit = BottleneckUnit(4, 3, 2, 0.05, (8, 8), activation="none").eval()
    slim = SlimUnit(5, 2, 0.05, (8, 8), 4).eval()
    raw, symbols = {"name": "raw", "input": "feature"}, {"name": "range"}
    for name, net, trained, codec in (
        ("feature", closed, None, raw),
        ("symbols", closed, unit, symbols),
        ("latent", closed, unit, {"name": "affine"}),
        ("replaced-feature", replaced, None, raw),
        ("replaced-slim", replaced, slim, symbols),
        ("open-feature", opened, None, raw),
        ("open-unit", opened, unit, symbols),
    ):
        with torch.no_grad():
            given = net.head(IMAGES)
        shape = (4, 8, 8) if trained is None else trained.latent_shape
        channel = fitted(codecs.create(shape=shape, **codec), trained, net, given)
        yield pytest.param(net, channel, given, id=name)


@pytest.mark.parametrize(("net", "channel", "given"), list(channels()))
def test_payloads_alone_give_what_the_tail_takes(net, channel, given):
    """What `receive` makes of `send`'s bytes is what `transmit` reports, sample by sample, bytes counted."""
    payloads = channel.send(given)
    sent = channel.transmit(given)
    assert sent.payload_bytes == [len(payload) for payload in payloads]
    received = channel.receive(payloads)
    assert torch.equal(channel.adapter.after(received, given), sent.feature)
    alone = torch.cat([channel.receive(channel.send(one)) for one in given.split(1)])
    torch.testing.assert_close(alone, received, rtol=0, atol=1e-5)
    with torch.no_grad():
        assert net.tail(sent.feature).shape == net.rest(given).shape


@pytest.mark.parametrize(("net", "channel", "given"), [p for p in channels() if "feature" in p.id])
def test_lossless_bytes_change_nothing(net, channel, given):
    """A float32 feature through real bytes gives the tail what the frozen network gives it, at every cut."""
    with torch.no_grad():
        torch.testing.assert_close(channel.transmit(given).feature, net.at_cut(given))


@pytest.mark.parametrize(
    ("net", "channel", "given"), [p for p in channels() if p.id in ("symbols", "open-unit")]
)
def test_quantised_is_what_bytes_will_give(net, channel, given):
    """Without coding the tail is given the same values, and gradients reach the unit."""
    output = channel.quantised(given)
    torch.testing.assert_close(output.feature, channel.transmit(given).feature)
    output.feature.sum().backward()
    assert all(parameter.grad is not None for parameter in channel.unit.encoder.parameters())


@pytest.mark.parametrize(("net", "channel", "given"), list(channels()))
def test_nothing_is_a_payload(net, channel, given):
    """Servers warm up with a sample of zeros, whatever is coded, which is received like any other."""
    del net
    received = channel.receive([channel.nothing()])
    assert received.shape == channel.receive(channel.send(given[:1])).shape
    if channel.unit is None:
        assert not received.any()


def test_nothing_of_pixels_is_black():
    """A picture of nothing is one of bytes."""
    channel = Channel(codecs.create("png", shape=(3, 8, 8)))
    assert torch.equal(channel.receive([channel.nothing()]), torch.zeros(1, 3, 8, 8, dtype=torch.uint8))


def test_channel_without_a_unit_cannot_train():
    """There is nothing to be learnt where the feature itself is sent."""
    with pytest.raises(ValueError, match="no unit"):
        Channel(codecs.create("raw", shape=(4,)), name="raw").quantised(torch.zeros(1, 4))


def test_other_rounding_is_the_senders_alone():
    """Another rounding makes other bytes, which the first channel reads; codecs that round refuse it."""
    torch.manual_seed(0)
    unit = BottleneckUnit(4, 3, 2, 0.05, (8, 8)).eval()
    channel = Channel(codecs.create("range", shape=unit.latent_shape), unit, name="plain")
    feature = torch.randn(6, 4, 8, 8)
    channel.fit([(feature, None)])
    shorter = channel.rounding(0.1, name="shorter")
    assert (channel.name, shorter.name) == ("plain", "shorter")
    assert sum(map(len, shorter.send(feature))) < sum(map(len, channel.send(feature)))
    assert torch.equal(channel.receive(shorter.send(feature)), shorter.transmit(feature).feature)
    assert channel.rounding(0.5).send(feature) == channel.send(feature)
    with pytest.raises(ValueError, match="codec 'affine' codes feature and rounds by itself"):
        Channel(codecs.create("affine", shape=unit.latent_shape), unit).rounding(0.4)


def test_pixels_are_no_latent():
    """A unit with a codec of pixels is refused."""
    unit = BottleneckUnit(4, 3, 2, 0.05, (8, 8))
    with pytest.raises(ValueError, match="codes pixels"):
        Channel(codecs.create("png", shape=(3, 8, 8)), unit)


@pytest.mark.parametrize(("layout", "shape"), [("LC", (17, 5)), ("HWC", (4, 3, 5)), ("CHW", (5, 4, 3))])
def test_features_are_coded_channels_first(layout, shape):
    """Codecs get one array per sample with channels first, and the tail its own layout back."""
    feature = torch.randn(2, *shape)
    first = (5, *(size for size in shape if size != 5))
    channel = Channel(codecs.create("raw", shape=first), layout=layout)
    assert channel.coded(feature).shape == (2, *first)
    assert channel.coded_shape(shape) == first
    assert torch.equal(channel.receive(channel.send(feature)), feature)


def test_features_of_another_size_use_the_same_tables():
    """Where images differ in size, payloads of each size are decoded with its shape."""
    torch.manual_seed(0)
    unit = SlimUnit(3, 2, 0.1, (8, 8), 4).eval()
    channel = Channel(codecs.create("range", shape=unit.latent_shape), unit)
    channel.fit([(IMAGES, None), (IMAGES[..., :6], None)])
    narrow = IMAGES[..., :5]
    received = channel.receive(channel.send(narrow), channel.coded_shape((3, 8, 5)))
    assert received.shape == (6, 4, 8, 5)
    assert np.isfinite(received.numpy()).all()


def test_codecs_of_other_shapes_are_few():
    """A server that is asked for ever another size keeps tables for some of them, not for all."""
    channel = Channel(codecs.create("range", shape=(1, 1, 1)).fit([np.zeros((1, 1, 1), np.int32)]))
    for width in range(200):
        assert channel.codec_for((1, 1, width)).shape == (1, 1, width)
    assert len(channel._reshaped) <= 64


def test_a_session_is_a_stream_of_its_own():
    """A channel whose codec remembers samples sends a stream per session; any other is its own session."""
    features = IMAGES[:1].repeat(4, 1, 1, 1).round()
    stages = [{"name": "mid-point", "levels": 8}, {"name": "stream"}]
    channel = Channel(codecs.create("pipeline", shape=(3, 8, 8), stages=stages)).fit([(features, None)])
    session = channel.session()
    first, *later = session.transmit(features).payload_bytes
    assert max(later) < first == len(channel.send(features)[3])
    session.refresh()
    assert len(session.send(features[:1])[0]) == first
    assert torch.equal(
        channel.session().receive(channel.session().send(features)), channel.transmit(features).feature
    )
    with pytest.raises(ValueError, match="another session"):
        session.send(features[..., :5])
    plain = Channel(codecs.create("raw", shape=(3, 8, 8)))
    assert plain.session() is plain


@pytest.mark.parametrize(("net", "channel", "given"), list(channels()))
def test_no_samples_are_no_payloads(net, channel, given):
    """A batch of none is sent and received like any other."""
    nothing = channel.transmit(given[:0])
    assert (nothing.feature.shape[0], nothing.payload_bytes) == (0, [])
    assert (
        channel.receive(channel.send(given[:0])).shape[1:] == channel.receive(channel.send(given)).shape[1:]
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize(("net", "channel", "given"), [p for p in channels() if "replaced" not in p.id])
def test_features_of_any_precision_are_sent(net, channel, given, dtype):
    """A network's own precision is that of float32 to the codec and the unit."""
    own = given.to(dtype)
    assert channel.send(own) == channel.send(own.float())


def test_tokens_of_another_number_are_fitted_on():
    """Sequences of another length are as good for tables as maps of another size."""
    channel = Channel(codecs.create("quantised", shape=(5, 17), per="channel"), layout="LC")
    assert channel.fit([(torch.randn(2, 19, 5), None)]).codec.fitted
