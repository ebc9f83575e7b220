"""`evaluate suite=loss`: rows of every loss model, rate and concealment, for codecs and for bundles."""

import json

import pytest
from hydra import compose, initialize_config_dir

from bottleneck.commands.config import config_dir
from bottleneck.commands.evaluate import evaluate

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def composed(*overrides):
    with initialize_config_dir(config_dir(), version_base="1.3"):
        small = [
            "device=cpu",
            "data.val_limit=40",
            "data.train_limit=100",
            "suite=loss",
            "cache.enabled=false",
        ]
        return compose("evaluate", [*small, *overrides])


def test_every_row_says_what_was_lost(digits_network, digits_bundle, tmp_path):
    """Bundles and codecs, without losses, in packets, and on every link; side information is counted."""
    few = ["suite.loss.rates=[0.3,0.8]", "suite.loss.concealments=[zero,channel-mean]", "suite.loss.mtu=100"]
    evaluate(composed(*few, f"bundles=[{digits_bundle}]", "also_codecs=[]"), tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    frozen, *sent = rows
    assert frozen["loss_model"] is None
    lossy = [r for r in sent if r["loss_model"]]
    assert {(r["loss_model"], r["loss_rate"], r["concealment"]) for r in lossy} == {
        (model, rate, concealment)
        for model in ("packets", "bursts", "channels", "elements")
        for rate in (0.3, 0.8)
        for concealment in ("zero", "channel-mean")
    }
    by_name = {r["method"]: r for r in sent}
    whole, packets = by_name["quantised-256"], by_name["quantised-256-packets"]
    assert whole["packets"] == 1
    assert packets["packets"] >= 11
    assert 4 <= (packets["payload_bytes"] - whole["payload_bytes"]) / packets["packets"] < 16
    mean = by_name["quantised-256-packets-packets-0.3-channel-mean"]
    assert mean["payload_bytes"] == packets["payload_bytes"] + 2 * 64
    assert by_name["quantised-256-packets-packets-0.8-zero"]["value"] < packets["value"] - 0.2
    assert sum(r["kind"] == "trained" for r in lossy) == len(lossy) / 2
    for name in ("loss.png", "loss.md", "report.html"):
        assert (tmp_path / name).stat().st_size > 100


@pytest.mark.slow
def test_what_codes_whole_samples_is_left_out_where_packets_are_lost(digits_bundle, tmp_path, caplog):
    """The same latent in context is measured in one piece, and said to be, beside the one in packets."""
    few = ["suite.loss.rates=[0.3]", "suite.loss.concealments=[zero]", "suite.feature=null"]
    few += ["suite.loss.models=[packets,elements]", "also_codecs=[context]", "data.train_limit=20"]
    evaluate(composed(*few, f"bundles=[{digits_bundle}]"), tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    in_context = {row["loss_model"] for row in rows if "context" in row["method"]}
    assert in_context == {None, "elements"}
    assert {row["loss_model"] for row in rows} == {None, "elements", "packets"}
    assert "context codes whole samples only" in caplog.text


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("suite.loss.models=[rain]", "suite.loss.models=rain is unknown.*elements"),
        ("suite.loss.models=[trace]", "needs suite.loss.trace=FILE"),
        ("suite.loss.rates=[1.5]", "loss_rate=1.5 is no share"),
        ("suite.loss.concealments=[median]", "concealment='median' is unknown"),
        ("suite.loss.mtu=10", "mtu=10 leaves no room"),
        ("suite.loss.by=rows", "by='rows' is not possible"),
        ("suite.loss.copies=0", "suite.loss.copies=0: a packet is sent at least once"),
        ("suite.loss.parity=-1", "suite.loss.parity=-1 must be 0"),
        ("suite.loss.burst=0", "burst=0"),
    ],
)
def test_mistakes_are_named(override, message, digits_network, tmp_path):
    """A slip in the suite's links is a ValueError with the cure."""
    with pytest.raises(ValueError, match=message):
        evaluate(composed(override), tmp_path)


def test_two_protections_are_refused(digits_network, tmp_path):
    """Copies and parity at once would be neither."""
    with pytest.raises(ValueError, match=r"parity=0.5 and copies=2: choose one"):
        evaluate(composed("suite.loss.parity=0.5", "suite.loss.copies=2"), tmp_path)


@pytest.mark.slow
def test_a_recording_is_replayed(digits_network, tmp_path):
    """A trace has its own rate, so none is asked for, and one row for each concealment."""
    (tmp_path / "trace.txt").write_text("0001" * 5)
    few = ["suite.loss.models=[trace]", f"suite.loss.trace={tmp_path / 'trace.txt'}", "suite.loss.rates=[]"]
    rows = evaluate(composed(*few, "suite.loss.concealments=[mean]", "suite.loss.parity=0.5"), tmp_path)
    (row,) = [row for row in rows if row.loss_model]
    assert (row.loss_model, row.loss_rate, row.concealment) == ("trace", 0.25, "mean")
    assert row.value == rows[2].value  # parity makes up for one in four
