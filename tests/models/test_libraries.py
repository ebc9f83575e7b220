"""Networks of timm and Hugging Face by name: preprocessing, weights, cuts, and the whole way once."""

import sys

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from bottleneck import codecs, load, models, split, split_points
from bottleneck.deploy.bundle import Bundle
from bottleneck.identity import behaviour, weights_identity
from bottleneck.unit import unit_class

TINY = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
TINY_VIT = {**TINY, "image_size": 32, "patch_size": 8}


@pytest.fixture
def vit():
    pytest.importorskip("transformers", reason="extra `huggingface` is not installed")
    torch.manual_seed(0)
    return models.from_huggingface("vit", num_classes=3, config=TINY_VIT)


@pytest.fixture
def timm():
    return pytest.importorskip("timm", reason="extra `timm` is not installed")


def test_timm_brings_its_normalisation_and_size(timm):
    """Mean, deviation, side, crop, interpolation and classes are those that timm knows of the network."""
    network = models.from_timm("mobilenetv3_small_050", num_classes=7)
    known = timm.data.resolve_model_data_config(network.network)
    pixels = torch.full((1, 3, 224, 224), 128, dtype=torch.uint8)
    mean, std = (torch.tensor(known[key]).reshape(1, 3, 1, 1) for key in ("mean", "std"))
    torch.testing.assert_close(network.normalize(pixels), (pixels / 255 - mean) / std, rtol=1e-4, atol=1e-4)
    assert network.input_shape == known["input_size"]
    assert network.preprocessing == {"short_side": 256, "crop": 224, "interpolation": "bicubic"}
    assert network(pixels).shape == (1, 7)


def test_checkpoints_are_loaded_into_libraries_networks(timm, vit, tmp_path):
    """A checkpoint of one's own replaces the random weights."""
    for number, (network, again) in enumerate(
        (
            (vit, lambda path: models.from_huggingface("vit", path, num_classes=3, config=TINY_VIT)),
            (
                models.from_timm("test_vit", num_classes=3),
                lambda path: models.from_timm("test_vit", path, num_classes=3),
            ),
        )
    ):
        path = str(tmp_path / f"{number}.safetensors")
        save_file(network.network.state_dict(), path)
        assert weights_identity(again(path)) == weights_identity(network)


def test_folder_of_huggingface_is_read_by_its_own_code(vit, tmp_path):
    """`save_pretrained` writes what `model.name=PATH model.weights=pretrained` reads, processor included."""
    import transformers

    folder = tmp_path / "mine"
    vit.network.save_pretrained(folder)
    size = {"height": 32, "width": 32}
    transformers.ViTImageProcessor(
        image_mean=[0.1] * 3, image_std=[0.2] * 3, size=size, resample=3
    ).save_pretrained(folder)
    again = models.from_huggingface(str(folder), "pretrained")
    assert weights_identity(again.network) == weights_identity(vit.network)
    pixels = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    torch.testing.assert_close(again.normalize(pixels), torch.full((1, 3, 32, 32), -0.5))
    assert again.input_shape == (3, 32, 32)
    assert again.preprocessing == {"size": [32, 32], "interpolation": "bicubic"}
    assert vit.preprocessing == {"size": [32, 32]}


def test_transformer_of_huggingface_is_cut_between_blocks(vit):
    """Its split points carry its own names and are token sequences."""
    points = {p.name: p for p in split_points(vit, torch.zeros(1, 3, 32, 32, dtype=torch.uint8))}
    assert {"normalize", "vit.embeddings", "vit.layers.0", "vit.layers.1"} <= set(points)
    assert points["vit.layers.0"].layout == "LC"
    assert points["vit.layers.0"].shape == (17, 16)
    assert points["vit.layers.0"].seen == "torch.export"


@pytest.mark.slow
def test_segmenters_logits_are_enlarged_to_the_image():
    """A segmenter returns logits for every pixel, and its halves do so for batches of any size."""
    pytest.importorskip("transformers", reason="extra `huggingface` is not installed")
    torch.manual_seed(0)
    small = {
        "depths": [1, 1, 1, 1],
        "hidden_sizes": [8, 8, 16, 16],
        "num_attention_heads": [1, 1, 2, 2],
        "decoder_hidden_size": 16,
    }
    network = models.from_huggingface("segformer", num_classes=4, config=small, segments=True)
    images = torch.randint(0, 256, (3, 3, 64, 64), dtype=torch.uint8)
    at = next(p.name for p in split_points(network, images[:1]) if p.macs > 0)
    net = split(network, at, images[:1])
    with torch.no_grad():
        expected = network(images)
        assert expected.shape == (3, 4, 64, 64)
        torch.testing.assert_close(net(images), expected)


@pytest.mark.parametrize(
    ("make", "name", "weights", "message"),
    [
        (models.from_timm, "convnext_tinny", None, r"model\.name='convnext_tinny'.*'convnext_tiny'"),
        (
            models.from_timm,
            "test_vit",
            "imagenet",
            r"model\.weights='imagenet': use pretrained for timm's own",
        ),
        (models.from_huggingface, "vitt", None, r"model\.name='vitt' is no folder.*'vit'"),
        (models.from_huggingface, "vit", "pretrained", r"'vit' is a family without weights"),
        (models.from_huggingface, "bert", None, r"nothing of transformers' 'bert' classifies images"),
    ],
)
def test_wrong_names_are_answered_with_right_ones(make, name, weights, message):
    """A name or weights that the library does not know are refused with what it knows."""
    pytest.importorskip("timm" if make is models.from_timm else "transformers", reason="extra not installed")
    with pytest.raises(ValueError, match=message):
        make(name, weights)


@pytest.mark.parametrize(("extra", "module"), [("timm", "timm"), ("huggingface", "transformers")])
def test_missing_library_says_how_to_install_it(monkeypatch, extra, module):
    """Without the extra, the error carries the pip command."""
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ModuleNotFoundError, match=rf'pip install "split-bottleneck\[{extra}\]"'):
        getattr(models, f"from_{extra}")("any")


def networks():
    """A CNN and two transformers: how each is made, its cut, and the unit that stands there."""
    return [
        ("timm", lambda: models.from_timm("test_efficientnet", num_classes=3), "blocks.2", "depthwise"),
        ("timm", lambda: models.from_timm("test_vit", num_classes=3), "blocks.1", "tokens"),
        (
            "transformers",
            lambda: models.from_huggingface("vit", None, num_classes=3, config=TINY_VIT),
            "vit.layers.0",
            "tokens",
        ),
    ]


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    ("package", "make", "at", "kind"), networks(), ids=["timm-cnn", "timm-vit", "hf-vit"]
)
def test_whole_way_of_a_librarys_network(package, make, at, kind, tmp_path):
    """Split, a unit trained through the tail, coded, saved, loaded, and run on both sides."""
    pytest.importorskip(package, reason="extra not installed")
    torch.manual_seed(0)
    network = make()
    channels, side, _ = network.input_shape
    images = torch.randint(0, 256, (4, channels, side, side), dtype=torch.uint8)
    net = split(network, at, images[:1]).freeze()
    with torch.no_grad():
        feature, expected = net.head(images), network(images)
        torch.testing.assert_close(net.tail(feature), expected, rtol=1e-4, atol=1e-5)
    unit = unit_class(kind).from_features(feature, net.point.layout, latent_channels=4, stride=1, step=0.05)
    optimizer = torch.optim.Adam(unit.parameters(), 1e-2)
    losses = []
    for _ in range(6):
        loss = nn.functional.mse_loss(net.tail(unit(feature).feature), expected)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    unit.eval()
    codec = codecs.create("range", shape=unit.latent_shape)
    codec.fit(unit.symbols(feature).numpy())
    shape = (channels, side, side)
    identity = weights_identity(network)
    Bundle(unit, codec, at, identity, shape, behaviour=behaviour(network, shape)).save(tmp_path / "bundle")
    device, server = load(tmp_path / "bundle", network)
    with torch.no_grad():
        torch.testing.assert_close(
            server(device(images[0])), net.tail(unit(feature[:1]).feature), rtol=1e-3, atol=1e-4
        )
