"""`bottleneck plan` measures, decides, writes and draws."""

import json
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from bottleneck import models
from bottleneck.commands.config import config_dir
from bottleneck.commands.plan import plan_from
from bottleneck.runtime.serving.tails import Tails


def test_plan_of_a_bundle(run_command, tmp_path, digits_bundle):
    """Table, sentence, picture and plan.json, with how that was measured; energy where it has constants."""
    numbers = ["samples=20", "link.bandwidth=1e3", "energy.computing=2"]
    where = [f"frontier={digits_bundle}", f"hydra.run.dir={tmp_path}"]
    done = run_command("plan", *where, "suite=baselines", *numbers)
    assert done.returncode == 0, done.stderr
    content = json.loads((tmp_path / "plan.json").read_text())
    names = [s["name"] for s in content["strategies"]]
    assert names == ["device", "raw-input", "packed-input", "deflate-input", "png-input", "layer2-0"]
    assert content["advice"] in done.stdout
    tails = Tails([Path(digits_bundle)], models.create("digits_resnet"))
    for strategy in content["strategies"][1:-1]:  # a server can load every picture, its tables included
        tails.number({"codec": strategy["codec"]})
    assert content["link"] == {"bandwidth": 1000.0, "rtt": 0.03}
    assert all("energy_mj" in row for row in content["summary"])
    assert content["energy"]["computing"] == 2
    assert "samples=20" in content["provenance"]["command"]
    assert {"machine", "date", "versions"} < set(content["provenance"])
    assert content["summary"][0]["payload_bytes"] == 0  # the device's answer stays there
    assert (tmp_path / "plan.png").stat().st_size > 20_000


def test_a_plan_says_where_the_devices_times_are_from(tmp_path, digits_bundle):
    """Times of a file are the device's, and the plan names the file; without one it names none."""
    with initialize_config_dir(config_dir(), version_base="1.3"):
        cfg = compose("plan", [f"frontier={digits_bundle}", "suite=baselines", "samples=2"])
    without = plan_from(cfg)
    assert without.provenance["device_times"] is None
    cfg.device_times = str(tmp_path / "times.json")
    (tmp_path / "times.json").write_text(json.dumps({s.name: [7.0, 9.0] for s in without.strategies}))
    plan = plan_from(cfg)
    assert {s.device_ms.samples for s in plan.strategies} == {(7.0, 9.0)}
    assert plan.provenance["device_times"] == cfg.device_times


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("frontier=nowhere", "frontier=nowhere is no folder"),
        ("model=resnet18", r"model\.name=resnet18 has none yet"),
        ("samples=0", "samples=0 leaves nothing"),
        ("budget.drop=3", r"budget\.drop=3 is no share"),
        ("policy=speed", "policy='speed' is unknown"),
        ("energy.waiting=1", r"energy\.computing is missing beside energy\.waiting"),
        ("link.bandwidth=0", r"link\.bandwidth=0 with link\.rtt=0\.03 is no link"),
    ],
)
def test_mistakes_are_named(override, message):
    """Each is answered with the key and what would be right, before anything is measured."""
    with initialize_config_dir(config_dir(), version_base="1.3"):
        cfg = compose("plan", [override])
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        plan_from(cfg)


@pytest.mark.slow
def test_plan_without_arguments(run_command, tmp_path):
    """The zoo's frontier of the digits stands beside the pictures, every point of it of use."""
    assert "Finish on the device" in run_command("plan", f"hydra.run.dir={tmp_path}").stdout
    strategies = json.loads((tmp_path / "plan.json").read_text())["strategies"]
    assert {"device", "avif-10", "layer2-0", "layer2-1"} < {s["name"] for s in strategies}
    assert all(s["value"] > 0.7 for s in strategies if s["bundle"])
