"""`bottleneck analyze`: samples of any network and data, answers as lines, JSON and pictures."""

import json
import sys

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir

from bottleneck.analyze import figures
from bottleneck.analyze.samples import Samples
from bottleneck.commands import main
from bottleneck.commands.analyze import answer
from bottleneck.commands.config import config_dir
from bottleneck.commands.setup import cut_of
from bottleneck.tasks import Classification


def composed(*overrides):
    with initialize_config_dir(config_dir(), version_base="1.3"):
        return compose("analyze", list(overrides))


def samples_of(*overrides):
    cfg = composed("device=cpu", *overrides)
    return Samples.of(cut_of(cfg), cfg.samples, cfg.subset)


@pytest.fixture(scope="module")
def samples(digits_network):
    return samples_of("samples=40")


def test_command_writes_a_json_file_and_a_picture_for_each_question(
    tmp_path, digits_network, monkeypatch, capsys
):
    """All questions, of the digits, asked from the command line."""
    monkeypatch.setattr(sys, "argv", ["bottleneck", "analyze", "samples=12", f"hydra.run.dir={tmp_path}/out"])
    main()
    told = capsys.readouterr().out
    for question in figures.DRAW:
        assert f"\n{question}: " in told
        assert json.loads((tmp_path / "out" / f"{question}.json").read_text())
        assert (tmp_path / "out" / f"{question}.png").stat().st_size > 20_000
    assert "synthetic" in json.loads((tmp_path / "out" / "differences.json").read_text())["frames"]


def test_samples_are_spread_over_all_classes(samples):
    """A few images stand for the whole subset, with labels, features and what becomes of them."""
    assert samples.features.shape == (40, 64, 4, 4)
    assert samples.features.dtype == np.float32
    assert len(samples.targets.unique()) == 10
    assert samples.metric(samples.features) > 0.9
    assert samples.metric(np.zeros_like(samples.features)) < 0.4
    assert "digits_resnet at layer2, digits, n = 40" in samples.title


def test_more_samples_than_there_are_means_all(digits_network):
    """Beyond the subset's size nothing is drawn twice."""
    assert len(samples_of("samples=10000", "data.val_limit=30").images) == 30


@pytest.mark.slow
def test_pixels_can_be_analysed_too(digits_network):
    """At the split point `input` the questions are those of the image, gradients included."""
    cfg = composed("samples=12", "split=input")
    pixels = samples_of("samples=12", "split=input")
    assert pixels.features.shape == (12, 1, 8, 8)
    for question in figures.DRAW:
        answer(question, pixels, cfg)


def test_static_scene_repeats_itself(samples):
    """Without a pan, the frame before is the same, and so is every output."""
    found = answer("differences", samples, composed("differences.pan=0"))
    assert found.same_output == 1
    assert max(found.directions["time"].entropy) == 0
    moved = answer("differences", samples, composed("differences.pan=1"))
    assert min(moved.directions["time"].entropy) > 0


def test_features_without_positions_are_refused(digits_network):
    """A feature that is no map is refused with its layout and where to look."""
    with pytest.raises(ValueError, match=r"split=encoder\.dropout has a feature of layout LC.*CHW or HWC"):
        samples_of("model=digits_vit", "split=encoder.dropout")


def test_answers_that_are_boxes_are_refused():
    """Where an image is judged by boxes and labels, the tasks whose answers can be analysed are named."""
    with pytest.raises(ValueError, match=r"boxes and labels.*task=classification or task=segmentation"):
        samples_of("task=detection")


def test_channels_last_features_are_turned_for_the_questions_and_back_for_the_tail(cache_dir):
    """For HWC, features are asked as (C, H, W), and the tail still gets what the head gave."""
    turned = samples_of("model=digits_swin", "split=features.1", "samples=20")
    assert turned.features.shape == (20, 48, 4, 4)
    assert turned.metric(turned.features) > 0.8
    assert turned.metric(turned.features.swapaxes(2, 3).copy()) < turned.metric(turned.features)


def test_kind_of_the_configured_unit_does_not_matter(digits_network):
    """Where a unit would replace the module at the split point, the feature behind it is what is analysed."""
    plain = samples_of("samples=60", "split=layer1")
    slim = samples_of("samples=60", "split=layer1", "unit=slim")
    assert slim.metric(slim.features) == plain.metric(plain.features) > 0.95
    cfg = composed("quantization.levels=[16]", "quantization.sigmas=[3.0]", "unit=slim")
    assert answer("quantization", slim, cfg).baseline == plain.metric(plain.features)


def test_impossible_questions_are_refused(samples):
    """An unknown analysis names the known ones, and nothing cannot be analysed."""
    with pytest.raises(ValueError, match=r"analyses: 'colour' is unknown.*'coefficients'.*'similarity'"):
        answer("colour", samples, composed())
    with pytest.raises(ValueError, match=r"samples=0 leaves nothing"):
        samples_of("samples=0")


@pytest.mark.sampled(2)
@pytest.mark.parametrize("question", sorted(figures.DRAW))
def test_single_and_constant_images_are_drawn(question, tmp_path):
    """One image, one channel, no variation: an answer and a picture, without a warning."""
    plain = Samples(
        title="constant",
        images=torch.zeros(1, 1, 3, 3, dtype=torch.uint8),
        targets=torch.tensor([0]),
        training=torch.zeros(1, 1, 3, 3, dtype=torch.uint8),
        head=lambda images: torch.ones(len(images), 1, 3, 3),
        tail=lambda maps: maps.flatten(1)[:, :2],
        task=Classification(2),
    )
    found = answer(question, plain, composed())
    figures.DRAW[question](found, plain.title, tmp_path / "picture.png")
    assert found.summary
    assert (tmp_path / "picture.png").stat().st_size > 5000
