"""What images take is weighed as it is measured at the end."""

import pytest

from bottleneck import Cut, OperatingPoint
from bottleneck.data import Digits
from bottleneck.loss.density import DensityRate
from bottleneck.tasks import Classification
from bottleneck.training.tables import fit_tables, mean_payload
from bottleneck.unit import latent_codec


@pytest.mark.parametrize("codec", ["range", "huffman"])
@pytest.mark.parametrize("holdout", [0.0, 0.2])
def test_what_is_weighed_is_what_is_measured(digits_network, codec, holdout):
    """The mean payload is that of held-out images, or else of training images; nothing is fitted by it."""
    images = Digits(train_limit=300, val_limit=50, holdout=holdout, batch_size=32)
    images.setup()
    cut = Cut(digits_network, images, Classification(10), "layer2")
    point = OperatingPoint(
        {"latent_channels": 4, "stride": 2, "step": 0.5}, 1.0, kind="asymmetric", rate=DensityRate
    )
    unit = cut.new_unit(point).eval()
    rate = point.loss(unit.latent_shapes, cut.pixels, unit.step).rate
    coded = latent_codec(unit.latent_shapes, name=codec)
    weighed = mean_payload(cut, coded, unit, rate)
    assert not coded.fitted
    channel = cut.channel(coded, unit, name="bottleneck")
    fit_tables(channel, rate, cut)
    (row,) = cut.measure([channel], "select" if holdout else "train")
    assert weighed == pytest.approx(row.payload_bytes)
