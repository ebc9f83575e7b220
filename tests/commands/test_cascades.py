"""Cascades in an evaluation."""

import pytest
from hydra import compose, initialize_config_dir

from bottleneck.commands.config import config_dir
from bottleneck.commands.evaluate import evaluate


def composed(*overrides):
    with initialize_config_dir(config_dir(), version_base="1.3"):
        return compose("evaluate", ["suite.feature=null", "also_codecs=[]", *overrides])


def test_rows_of_cascades_stand_beside_their_channels(bundle_folder, tmp_path):
    """A row for each probability of what sends and knows less than the picture, in tables and files."""
    wanted = [f"bundles=[{bundle_folder}]", "cascade.sure=[0.5,1]", "cascade.then=packed-input"]
    rows = evaluate(composed(*wanted), tmp_path)
    own = next(row for row in rows if row.kind == "trained" and row.asked_again is None)
    picture = next(row for row in rows if row.method == "packed-input")
    found = [row for row in rows if row.asked_again is not None]
    assert [row.method for row in found] == [
        f"{own.method}-then-packed-input-{sure}" for sure in ("0.5", "1")
    ]
    assert found[1].value == picture.value
    assert found[1].payload_bytes == pytest.approx(own.payload_bytes + picture.payload_bytes)
    assert found[0].seed == own.seed
    assert found[0].method in (tmp_path / "results.md").read_text()


def test_what_is_no_probability_is_refused_before_anything_is_measured(bundle_folder, tmp_path, monkeypatch):
    """At once, by its key."""
    monkeypatch.setattr("bottleneck.cut.Cut.samples", lambda *_: pytest.fail("it was measured"))
    with pytest.raises(ValueError, match=r"cascade\.sure=2"):
        evaluate(
            composed(f"bundles=[{bundle_folder}]", "cascade.sure=[2]", "cascade.then=packed-input"), tmp_path
        )


def test_a_picture_that_is_not_measured_is_refused(bundle_folder, tmp_path):
    """Before anything is, with what the suite has."""
    with pytest.raises(ValueError, match=r"cascade\.then=webp-60 is no method of suite\.input.*packed-input"):
        evaluate(composed(f"bundles=[{bundle_folder}]", "cascade.sure=[0.8]"), tmp_path)
