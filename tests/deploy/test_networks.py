"""The network that a bundle belongs to is made where a package brings it along, and asked for elsewhere."""

import numpy as np
import pytest

import bottleneck
from bottleneck.deploy.bundle import Bundle
from bottleneck.deploy.networks import check_network, named_network


@pytest.fixture
def made(bundle_folder):
    """A bundle whose network is named as training names it."""
    bundle = Bundle.read(bundle_folder)
    bundle.model = {"_target_": "bottleneck.models.create", "name": "digits_resnet", "weights": None}
    bundle.save(bundle_folder)
    return bundle_folder


def test_a_bundle_makes_the_network_that_it_names(made, digits_network):
    """Where the network comes with the package nothing else is needed; the answers are the same."""
    image = np.full((1, 8, 8), 7, np.uint8)
    device, server = bottleneck.load(made)
    other, _ = bottleneck.load(made, digits_network)
    assert device(image) == other(image)
    assert server(device(image)).shape == (1, 10)


def test_a_network_that_nobody_brings_along_has_to_be_given(bundle_folder):
    """A bundle that names none, code of its own or a file elsewhere asks for the network."""
    bundle = Bundle.read(bundle_folder)
    for model in (
        {},
        {"_target_": "os.system", "command": "true"},
        {"_target_": "bottleneck.models.create", "name": "digits_resnet", "weights": "/there/my.safetensors"},
    ):
        bundle.model = model
        with pytest.raises(
            ValueError, match=r"Give it: .*bottleneck\.load\(path, .*, or model=\.\.\. as for"
        ):
            named_network(bundle)


@pytest.mark.parametrize(
    ("name", "whose", "call"),
    [
        ("resnet20_cifar/layer1", "akamaster/", "'resnet20_cifar', weights=PATH, num_classes=10"),
        (
            "squeezenet1_1/features.7",
            "forresti/",
            "'squeezenet1_1', weights=PATH, .*logits=.0, 217, .*, mean=",
        ),
        ("yolox_nano/dark3", "Megvii's", "'yolox_nano', weights=PATH, num_classes=80"),
    ],
)
def test_weights_that_nobody_brings_along_are_named(name, whose, call):
    """Without them an entry says whose they are, as its card does, and the call that takes them."""
    (entry,) = [each for each in bottleneck.zoo() if each.name == f"zoo:{name}"]
    assert f"Needs weights that are not here: {whose}" in str(entry)
    wanted = rf"not here: {whose}.*bottleneck\.load\(path, bottleneck\.models\.create\({call}.*\)\)"
    with pytest.raises(ValueError, match=wanted):
        bottleneck.load(entry.name)


def test_what_made_a_network_is_told_in_short(bundle_folder, digits_network):
    """An argument without end does not fill the message, which reads like the call."""
    bundle = Bundle.read(bundle_folder)
    bundle.model, bundle.network = (
        {"_target_": "a.b", "name": "c", "weights": None, "rows": [1] * 999},
        "0" * 64,
    )
    with pytest.raises(ValueError, match=r"made with a\.b\('c', rows=\[1, 1, [1, ]+…\)") as told:
        check_network(bundle, digits_network)
    assert len(str(told.value)) < 500


def test_what_is_loaded_reads_like_a_sentence(made):
    """Device, server and bundle say what they are, not where they lie in memory."""
    device, server = bottleneck.load(made)
    told = repr(device.bundle)
    assert told.startswith("bundle ")
    assert told.endswith("depthwise unit behind layer2 of digits_resnet, through range")
    assert (repr(device), repr(server)) == (f"Device of {told}", f"Server of {told}")
