"""`bottleneck profile` prints and draws every split point."""

import json

import pytest
import torch
from torchvision import models as zoo

from bottleneck.show.split_points import profile_table, verdict
from bottleneck.splitting import split_points


@pytest.mark.slow
def test_command_prints_the_table_and_draws_the_picture(run_command, tmp_path):
    """The paper's four cuts of ResNet-50 stand in the table; the data and the picture in the run's folder."""
    done = run_command("profile", "model=resnet50", f"hydra.run.dir={tmp_path}/out")
    assert done.returncode == 0, done.stderr
    for cut, share in (
        ("layer3.4", "74.82"),
        ("layer4.0", "89.27"),
        ("layer4.1", "94.61"),
        ("layer4.2", "99.95"),
    ):
        assert any({cut, share} <= set(line.split()) for line in done.stdout.splitlines())
    points = [json.loads(line) for line in (tmp_path / "out" / "profile.jsonl").read_text().splitlines()]
    assert points[0]["name"] == "input"
    assert (tmp_path / "out" / "profile.png").stat().st_size > 20_000


def test_table_has_one_line_per_split_point():
    """Every split point is one line with its shape."""
    points = split_points(zoo.squeezenet1_1(), torch.zeros(1, 3, 64, 64))
    lines = profile_table(points).splitlines()
    assert len(lines) == 2 + len(points)
    assert all("×".join(map(str, p.shape)) in line for p, line in zip(points, lines[2:], strict=True))


@pytest.mark.slow
def test_command_says_that_a_detector_has_no_useful_split(run_command, tmp_path):
    """Behind an R-CNN's branches all that must be sent is named, and no cut is useful."""
    small = ["input_shape=[3,64,64]", "model.weights=null", "+model.min_size=64", "+model.max_size=96"]
    options = [*small, f"hydra.run.dir={tmp_path}/out"]
    done = run_command("profile", "model=fasterrcnn_resnet50_fpn", *options)
    assert done.returncode == 0, done.stderr
    assert "Useful natural split: none" in done.stdout
    assert "layer1 + layer2 + layer3 + layer4" in done.stdout
    stages = [json.loads(line) for line in (tmp_path / "out" / "stages.jsonl").read_text().splitlines()]
    assert [stage["name"] for stage in stages][-3:] == ["fpn", "rpn", "roi_heads"]
    assert (tmp_path / "out" / "stages.png").stat().st_size > 20_000


def test_verdict_names_the_earliest_useful_cut():
    """For a classifier the verdict is the first closed cut that is smaller than the input."""
    points = split_points(zoo.resnet18(), torch.zeros(1, 3, 224, 224))
    assert "layer2.0 is the earliest closed cut" in verdict(points)
