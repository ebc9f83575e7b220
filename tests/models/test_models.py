"""Frozen networks by name."""

import dataclasses
import subprocess
import sys
import urllib.error
from typing import NamedTuple

import pytest
import torch
import torchvision
from safetensors.torch import save_file

from bottleneck import models, split_points
from bottleneck.models.checkpoints import read_state_dict, write_state_dict


def test_digits_network_is_good_enough_to_be_worth_splitting(digits_network):
    """The embedded network classifies at least 98 % of the 500 validation digits."""
    from bottleneck.data import Digits

    samples = Digits().subset("val")
    images = torch.stack([samples[i][0] for i in range(len(samples))])
    labels = torch.tensor([samples[i][1] for i in range(len(samples))])
    with torch.no_grad():
        accuracy = (digits_network(images).argmax(1) == labels).float().mean()
    assert accuracy >= 0.98


def test_normalisation_is_the_first_module():
    """The network takes uint8 pixels: scaled, normalised and classified as torchvision would."""
    torch.manual_seed(0)
    network = torchvision.models.resnet18(num_classes=4).eval()
    pixels = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    transform = torchvision.transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    with torch.no_grad():
        expected = network(transform(pixels / 255))
        torch.testing.assert_close(models.wrap(network)(pixels), expected, rtol=1e-4, atol=1e-4)


def test_split_points_carry_the_networks_own_names():
    """The wrapper around the network does not show in the names of split points."""
    names = [p.name for p in split_points(models.create("resnet18"), torch.zeros(1, 3, 64, 64))]
    assert names[:3] == ["input", "normalize", "conv1"]
    assert "layer4" in names
    assert "fc" not in names


def test_subset_of_the_logits_keeps_their_order():
    """`logits` keeps exactly the classes named, in the order named."""
    network = torchvision.models.resnet18(num_classes=9).eval()
    pixels = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        every, chosen = models.wrap(network)(pixels), models.wrap(network, logits=[7, 0, 3])(pixels)
    assert torch.equal(chosen, every[:, [7, 0, 3]])


@pytest.mark.parametrize(
    ("logits", "problem"),
    [
        ([], r"logits=\[\] must be classes"),
        ([-1], r"logits=\[-1\] must be classes .* from 0 on"),
        ([0.5], r"logits=\[0.5\] must be classes"),
        ([3, 0, 3], r"logits=\[3, 0, 3\] names a class twice"),
        ([0, 9], r"logits=\[0, 9\] go beyond the 9 classes of the network"),
    ],
)
def test_logits_that_a_network_does_not_have_are_named(logits, problem):
    """At once, or when the network first runs, where only that tells how many there are."""
    network = torchvision.models.resnet18(num_classes=9).eval()
    with pytest.raises(ValueError, match=problem):
        models.wrap(network, logits=logits)(torch.zeros(1, 3, 64, 64, dtype=torch.uint8))


class Named(NamedTuple):
    """What torchvision's Inception returns while it trains."""

    logits: torch.Tensor
    aux: torch.Tensor | None = None


@pytest.mark.parametrize("kind", [Named, dataclasses.make_dataclass("Fields", ["logits"]), dict])
def test_one_output_is_kept_whatever_holds_it(kind):
    """`output` names an entry of a dictionary, or a field of a named tuple or a dataclass."""

    class Network(torch.nn.Module):
        def forward(self, images):
            return kind(logits=images.mean((2, 3)))

    images = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    model = models.wrap(Network(), output="logits")
    assert torch.equal(model(images), model.normalize(images).mean((2, 3)))
    assert [point.name for point in split_points(model, images)] == ["input", "normalize"]


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_half_precision_checkpoints_of_either_format_are_loaded(tmp_path, suffix):
    """A checkpoint in safetensors or PyTorch format, stored in float16, becomes the network's weights."""
    network = torchvision.models.resnet18(num_classes=3)
    halves = {
        key: value.half() if value.is_floating_point() else value
        for key, value in network.state_dict().items()
    }
    path = tmp_path / f"weights{suffix}"
    save_file(halves, path) if suffix == ".safetensors" else torch.save({"state_dict": halves}, path)
    loaded = models.create("resnet18", weights=str(path), num_classes=3)
    torch.testing.assert_close(loaded.network.fc.weight, network.fc.weight.half().float())
    assert loaded.network.fc.weight.dtype == torch.float32


@pytest.mark.parametrize("dtype", [torch.half, torch.bfloat16, torch.double])
def test_networks_of_any_precision_take_pixels(dtype):
    """What a network of your own computes in, its normalisation hands on."""
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.ReLU(), torch.nn.Conv2d(4, 2, 1))
    model = models.wrap(network.to(dtype), side=8)
    pixels = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    assert model(pixels).dtype == dtype
    assert [point.name for point in split_points(model, pixels)] == ["input", "normalize", "0", "1"]


def test_a_wrapped_network_is_wrapped_as_the_one_inside(wrapping):
    """`wrap` takes the network out of what is parallel, averaged or compiled, so its names are its own."""
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 1), torch.nn.Conv2d(4, 2, 1))
    wrapper = wrapping(network)
    model = models.wrap(wrapper, side=8)
    assert list(model.network.state_dict()) == list(network.state_dict())
    assert [point.name for point in split_points(model, torch.zeros(1, 3, 8, 8, dtype=torch.uint8))] == [
        *("input", "normalize", "0"),
    ]


def test_names_from_data_parallel_are_the_networks_own(tmp_path):
    """A checkpoint that was saved from a `DataParallel` loads into the network inside."""
    network = models.create("resnet20_cifar").network
    torch.save({"state_dict": torch.nn.DataParallel(network).state_dict()}, tmp_path / "weights.th")
    loaded = models.create("resnet20_cifar", weights=str(tmp_path / "weights.th"))
    assert torch.equal(loaded.network.linear.weight, network.linear.weight)


def test_channels_are_put_into_the_networks_order():
    """With `order`, pixels, mean and deviation are those of the channels that the network takes first."""
    mean, std = [0.1, 0.2, 0.3], [0.5, 1.0, 2.0]
    pixels = torch.randint(0, 256, (2, 3, 4, 4), dtype=torch.uint8)
    swapped = models.wrap(torch.nn.Identity(), mean=mean, std=std, order=[2, 1, 0])(pixels)
    plain = models.wrap(torch.nn.Identity(), mean=mean[::-1], std=std[::-1])(pixels)
    assert torch.equal(swapped, plain.flip(1))


def test_wrong_checkpoint_names_its_keys(tmp_path):
    """A checkpoint of another network is refused with the keys that differ."""
    path = tmp_path / "other.safetensors"
    save_file({"conv9.weight": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match=r"(?s)does not fit ResNet.*conv1\.weight"):
        models.create("resnet18", weights=str(path))


@pytest.mark.parametrize(
    ("name", "weights", "error", "message"),
    [
        ("resnet51", None, ValueError, r"model\.name='resnet51'.*'resnet50'"),
        ("resnet18", "IMAGENET1K_V7", ValueError, r"model\.weights='IMAGENET1K_V7'.*IMAGENET1K_V1"),
        ("resnet18", "no/such.pth", FileNotFoundError, r"model\.weights=no/such\.pth: no such file"),
        ("digits_resnet", "no/such.pth", FileNotFoundError, r"model\.weights=no/such\.pth: no such file"),
    ],
)
def test_unknown_names_are_answered_with_known_ones(name, weights, error, message):
    """A wrong name, weights entry or path is named, with what would be right."""
    with pytest.raises(error, match=message):
        models.create(name, weights=weights)


def test_weights_that_cannot_be_downloaded_can_be_given(monkeypatch):
    """Without a network the message has the address, and the key that takes a file in its place."""

    def unreachable(*_, **__):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(torchvision.models._api, "load_state_dict_from_url", unreachable)
    with pytest.raises(ValueError, match=r"IMAGENET1K_V1 of resnet18 cannot .*https://.*model\.weights=PATH"):
        models.create("resnet18", weights="IMAGENET1K_V1")


def test_another_number_of_classes_is_named(tmp_path):
    """Weights for other classes, torchvision's or a file's, are answered with `model.num_classes`."""
    with pytest.raises(ValueError, match=r"model\.num_classes=10: .* tells 1000 classes apart"):
        models.create("resnet18", weights="IMAGENET1K_V1", num_classes=10)
    path = tmp_path / "seven.safetensors"
    save_file(torchvision.models.resnet18(num_classes=7).state_dict(), path)
    with pytest.raises(ValueError, match=r"has 7 classes, so set model\.num_classes=7"):
        models.create("resnet18", weights=str(path))


def test_missing_package_says_how_to_install_it(monkeypatch):
    """Without the optional package, the error carries the pip command."""
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "split-bottleneck\[efficientnet\]"'):
        models.create("efficientnet_lite0")


@pytest.mark.slow
def test_creating_a_network_imports_no_lightning():
    """A deployed device can make its network without the training stack."""
    code = (
        "import sys; from bottleneck import models;"
        "models.create('digits_resnet'); models.create('resnet18');"
        "assert not {'pytorch_lightning', 'lightning', 'hydra', 'optuna'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("network", "floor"), [("efficientnet_lite0", 0.95), ("resnet18", 0.75)], ids=["lite0", "resnet18"]
)
def test_frozen_networks_are_right_on_real_images(data_at_hand, network, floor):
    """With its packaged weights, normalisation and logits, each benchmark network classifies photographs."""
    from hydra import compose, initialize_config_dir
    from hydra.utils import instantiate

    from bottleneck.commands.config import config_dir

    if network == "efficientnet_lite0":
        pytest.importorskip("efficientnet_lite_pytorch", reason="extra `efficientnet` is not installed")
        experiment = ["experiment=imagenette"]
    else:
        weights = data_at_hand / "resnet18" / "resnet18_imagenette.safetensors"
        experiment = ["experiment=imagenette_resnet18", f"model.weights={weights}"]
    root = [f"data.root={data_at_hand / 'imagenette'}", "data.val_limit=40"]
    with initialize_config_dir(config_dir(), version_base="1.3"):
        cfg = compose("train", [*experiment, *root])
    model, samples = instantiate(cfg.model), instantiate(cfg.data).subset("val")
    images = torch.stack([samples[i][0] for i in range(len(samples))])
    labels = torch.tensor([samples[i][1] for i in range(len(samples))])
    with torch.no_grad():
        assert (model(images).argmax(1) == labels).float().mean() >= floor


@pytest.mark.parametrize("content", [b"", b"\x80\x02damaged", b"PK\x03\x04"])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_damaged_checkpoints_are_named(tmp_path, content, suffix):
    """A file that holds no weights is refused by its path, whatever its format."""
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"weights\{suffix} (cannot be read as weights|is damaged)"):
        models.create("resnet18", weights=str(path))


def test_a_flipped_bit_of_foreign_weights_is_noticed(tmp_path):
    """A bit that changed in a `.pth` is an error that names it; PyTorch's form before 1.6 is read as ever."""
    path, weights = tmp_path / "weights.pth", {"weight": torch.zeros(1000)}
    torch.save(weights, path, _use_new_zipfile_serialization=False)
    assert torch.equal(read_state_dict(path)["weight"], weights["weight"])
    torch.save(weights, path)
    assert torch.equal(read_state_dict(path)["weight"], weights["weight"])
    data = bytearray(path.read_bytes())
    data[data.index(bytes(2000)) + 999] ^= 4
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"weights\.pth is damaged"):
        read_state_dict(path)


def test_tied_and_channels_last_weights_survive_the_file(tmp_path):
    """Tensors that modules share, and those that lie channels last, are written and read back equal."""
    torch.manual_seed(0)

    def network():
        first, last = torch.nn.Conv2d(3, 4, 3), torch.nn.Linear(4, 4)
        other = torch.nn.Linear(4, 4)
        other.weight = last.weight
        return torch.nn.Sequential(first, last, other)

    written, read = network().to(memory_format=torch.channels_last), network()
    write_state_dict(written.state_dict(), tmp_path / "network.safetensors")
    models.load_checkpoint(read, str(tmp_path / "network.safetensors"))
    for one, other in zip(written.state_dict().values(), read.state_dict().values(), strict=True):
        assert torch.equal(one, other)
    assert read[1].weight is read[2].weight
