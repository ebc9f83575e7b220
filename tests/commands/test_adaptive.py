"""Better points for harder images, in an evaluation and behind it."""

import numpy as np
import pytest
from hydra import compose, initialize_config_dir

import bottleneck
from bottleneck.commands.config import config_dir
from bottleneck.commands.evaluate import evaluate
from bottleneck.data import Digits


def composed(*overrides):
    with initialize_config_dir(config_dir(), version_base="1.3"):
        return compose("evaluate", ["suite.feature=null", "also_codecs=[]", *overrides])


@pytest.mark.slow
def test_hard_digits_get_more_bytes_and_devices_do_what_was_measured(tmp_path):
    """No fixed point is as good at the bytes; the frontier that is written spends and answers as its row."""
    rows = evaluate(composed("bundles=zoo:digits/default", "adaptive.mean_bytes=[3.5]"), tmp_path)
    (row,) = [row for row in rows if row.family == "adaptive"]
    assert row.method == "adaptive-3.5"
    assert row.payload_bytes == pytest.approx(3.5, abs=0.3)
    fixed = {1 + one.payload_bytes: one.value for one in rows if one.family == "bundle"}
    assert row.value > max(value for size, value in fixed.items() if size <= row.payload_bytes) + 0.02

    device, server = bottleneck.load(tmp_path / "frontier")
    images = Digits()
    images.setup()
    sizes, hits = [], []
    for image, label in images.subset("val"):
        payload = device(image, policy="adaptive", mean_bytes=3.5)
        sizes.append(len(payload))
        hits.append(int(server(payload).argmax()) == label)
    assert np.mean(sizes) == pytest.approx(row.payload_bytes)
    assert np.mean(hits) == pytest.approx(row.value)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (("bundles=zoo:digits/default", "adaptive.mean_bytes=[x]"), "adaptive.mean_bytes=x is no number"),
        (("bundles=zoo:digits/default", "adaptive.mean_bytes=[0]"), "adaptive.mean_bytes=0 is no number"),
        (("bundles=[]", "adaptive.mean_bytes=[4]"), "has 0 points. Name one frontier"),
        (
            ("bundles=[zoo:digits/default,zoo:digits/early]", "adaptive.mean_bytes=[4]"),
            "has 10 points. Name one frontier",
        ),
        (
            ("bundles=zoo:digits/default", "adaptive.mean_bytes=[4]", "data.holdout=0"),
            "none are held out. Train with data.holdout=0.1, and set it here as well",
        ),
    ],
)
def test_what_cannot_be_calibrated_is_refused_before_anything_is_measured(
    wanted, message, tmp_path, monkeypatch
):
    """By its key, with what would do."""
    monkeypatch.setattr("bottleneck.cut.Cut.samples", lambda *_: pytest.fail("it was measured"))
    with pytest.raises(ValueError, match=message):
        evaluate(composed(*wanted), tmp_path)
