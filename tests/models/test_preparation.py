"""How libraries prepare images, against the libraries themselves."""

import re

import numpy as np
import pytest
from PIL import Image

from bottleneck.models.pixels import Normalize
from bottleneck.models.preparation import preparation
from bottleneck.models.processors import normalization, preprocessing
from bottleneck.preprocess import preprocess

NOISE = Image.fromarray(np.random.default_rng(3).integers(0, 256, (300, 420, 3)).astype(np.uint8))
SQUARE = {"height": 64, "width": 64}


def levels_off(process, normalize, options):
    """How far our pixels are from the library's at worst, in grey levels."""
    ours = normalize(preprocess(**options)(NOISE)[None])[0]
    return ((process(NOISE) - ours) / normalize.scale).abs().max()


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [
        ("ViT", {"size": {"height": 48, "width": 64}}, {"size": [48, 64]}),
        ("ViT", {"size": SQUARE, "do_normalize": False}, {"size": [64, 64]}),
        ("ViT", {"size": SQUARE, "do_rescale": False}, {"size": [64, 64]}),
        ("ViT", {"size": SQUARE, "resample": 0}, {"size": [64, 64], "interpolation": "nearest"}),
        ("Beit", {"size": SQUARE}, {"size": [64, 64], "interpolation": "bicubic"}),
        (
            "DeiT",
            {"size": {"height": 72, "width": 76}, "crop_size": SQUARE},
            {"size": [72, 76], "crop": 64, "interpolation": "bicubic"},
        ),
        (
            "ConvNext",
            {"size": {"shortest_edge": 224}, "resample": 2},
            {"short_side": 256, "crop": 224},
        ),
        ("Levit", {}, {"short_side": 256, "crop": 224, "interpolation": "bicubic"}),
        (
            "MobileViT",
            {"size": {"shortest_edge": 72}, "crop_size": SQUARE},
            {"short_side": 72, "crop": 64, "interpolation": "bicubic"},
        ),
        (
            "EfficientNet",
            {"size": SQUARE, "rescale_factor": 1 / 127.5, "rescale_offset": True},
            {"size": [64, 64], "interpolation": "bicubic"},
        ),
    ],
)
def test_processors_of_huggingface_are_ours(name, settings, expected):
    """Sizes, crops, interpolation, scale, offset and order of channels are the processor's, to a level."""
    transformers = pytest.importorskip("transformers", reason="extra `huggingface` is not installed")
    processor = getattr(transformers, f"{name}ImageProcessor")(**settings)
    mean, std, order = normalization(processor)
    assert (order is not None) == (name == "MobileViT")
    normalize = Normalize(mean, std, order=order)
    found = preprocessing(processor, normalize, None)
    assert found == expected

    def process(image):
        return processor(images=image, return_tensors="pt")["pixel_values"][0]

    assert levels_off(process, normalize, found) < 1.5


def test_a_familys_processor_is_for_the_networks_own_size():
    """Where a network brings no processor, its family's is taken, at the network's size."""
    transformers = pytest.importorskip("transformers", reason="extra `huggingface` is not installed")
    for processor, expected in (
        (transformers.ViTImageProcessor(), {"size": [32, 32]}),
        (transformers.LevitImageProcessor(), {"short_side": 37, "crop": 32, "interpolation": "bicubic"}),
    ):
        mean, std, order = normalization(processor)
        assert preprocessing(processor, Normalize(mean, std, order=order), 32) == expected


@pytest.mark.parametrize(
    ("name", "settings", "reason"),
    [
        ("Donut", {"size": SQUARE}, "it keeps 64×64|off by"),
        ("TextNet", {"size": {"shortest_edge": 64}}, "size of tensor"),
        ("MobileViT", {"size": {"shortest_edge": 56}, "crop_size": SQUARE}, r"data\.crop=64 does not fit"),
        ("PPLCNet", {}, "normalisation is off by"),
        ("ImageGPT", {}, "Clusters must be provided"),
    ],
)
def test_what_no_data_set_does_is_said(name, settings, reason, caplog):
    """A processor that pads, keeps any aspect ratio, or knows other pixels, is named with the reason."""
    transformers = pytest.importorskip("transformers", reason="extra `huggingface` is not installed")
    processor = getattr(transformers, f"{name}ImageProcessor")(**settings)
    mean, std, order = normalization(processor)
    assert preprocessing(processor, Normalize(mean, std, order=order), None) is None
    (record,) = caplog.records
    assert f"{name}ImageProcessor prepares images in a way that data sets do not follow" in record.message
    assert re.search(reason, record.message)


@pytest.mark.parametrize(
    ("mode", "crop_pct", "interpolation", "expected"),
    [
        ("center", 0.9, "bicubic", {"short_side": 71, "crop": 64, "interpolation": "bicubic"}),
        ("center", 0.875, "bilinear", {"short_side": 73, "crop": 64}),
        ("squash", 1.0, "bicubic", {"size": [64, 64], "interpolation": "bicubic"}),
        ("squash", 0.9, "bilinear", {"size": [71, 71], "crop": 64}),
        ("border", 1.0, "bicubic", None),
    ],
)
def test_transforms_of_timm_are_ours(mode, crop_pct, interpolation, expected):
    """What timm crops, squashes and interpolates is bit for bit the same; borders are refused."""
    timm = pytest.importorskip("timm", reason="extra `timm` is not installed")
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    process = timm.data.create_transform(
        (3, 64, 64), interpolation=interpolation, mean=mean, std=std, crop_pct=crop_pct, crop_mode=mode
    )
    normalize = Normalize(mean, std)
    found = preparation(process, normalize, interpolation, "timm")
    assert found == expected
    assert found is None or levels_off(process, normalize, found) < 0.01
