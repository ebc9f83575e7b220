"""Device and server: what was trained is what is deployed."""

import copy
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

import bottleneck
from bottleneck import codecs, models
from bottleneck.deploy.bundle import Bundle
from bottleneck.identity import behaviour, weights_identity
from bottleneck.splitting import split
from bottleneck.unit import BottleneckUnit


def test_device_and_server_compute_what_evaluation_does(
    bundle_folder, digits_network, digits_net, digits_images
):
    """From pixels to payload to output, both sides agree with the split network and the unit."""
    device, server = bottleneck.load(bundle_folder, digits_network)
    unit = device.bundle.unit
    with torch.no_grad():
        for image in digits_images:
            payload = device(image.numpy())
            symbols = unit.symbols(digits_net.head(image[None]))
            assert payload == device.bundle.codec.encode(symbols[0].numpy())
            expected = digits_net.tail(unit.reconstruct(symbols))
            assert expected.shape == (1, 10)
            torch.testing.assert_close(server(payload), expected)


@pytest.fixture
def one_thread_again():
    """Threads of torch's are the process's own; the next test has as many as this one."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def payloads_with(threads, device, images, **given):
    torch.set_num_threads(threads)
    return [device(image, **given) for image in images]


def test_payloads_of_trained_units_do_not_depend_on_threads(digits_images, one_thread_again):
    """Every point of the digits' frontiers sends the same bytes with one thread as with two."""
    for name in ("zoo:digits/default", "zoo:digits/early"):
        device, _ = bottleneck.load(name)
        for point in device.points:
            one, two = (payloads_with(n, device, digits_images, point=point.id) for n in (1, 2))
            assert one == two


def test_payloads_of_large_images_do_not_depend_on_threads(tmp_path, one_thread_again):
    """Nor do those of images that two threads share: all sums are made in one order."""
    torch.manual_seed(0)
    network = models.create("resnet18", weights=None).eval()
    net = split(network, "layer2", torch.zeros(1, 3, 224, 224, dtype=torch.uint8)).freeze()
    images = np.random.default_rng(0).integers(0, 256, (4, 3, 224, 224), dtype=np.uint8)
    unit = BottleneckUnit(128, 16, 2, 0.01, (28, 28)).eval()
    codec = codecs.create("range", shape=unit.latent_shape)
    with torch.no_grad():
        codec.fit(unit.symbols(net.head(torch.from_numpy(images))).numpy())
    Bundle(unit, codec, "layer2", weights_identity(network), (3, 224, 224)).save(tmp_path / "bundle")
    device, _ = bottleneck.load(tmp_path / "bundle", network)
    one, two = (payloads_with(n, device, images) for n in (1, 2))
    assert one == two
    assert len(set(one)) == len(images)
    assert min(map(len, one)) > 1000


def test_device_may_round_towards_zero(bundle_folder, digits_network, digits_images):
    """`offset` makes smaller payloads of the same images, which the server answers."""
    device, server = bottleneck.load(bundle_folder, digits_network)
    plain, shorter = (
        [device(image, offset=offset) for image in digits_images[:10]] for offset in (None, 0.2)
    )
    assert sum(map(len, shorter)) < sum(map(len, plain))
    assert server(shorter[0]).shape == (1, 10)
    with pytest.raises(ValueError, match=r"offset=0\.7 must be from 0"):
        device(digits_images[0], offset=0.7)


def test_images_are_taken_as_pil_numpy_and_torch(bundle_folder, digits_network, digits_images):
    """A PIL image, an array and a tensor of the same pixels give the same payload."""
    device, _ = bottleneck.load(bundle_folder, digits_network)
    picture = Image.fromarray(digits_images[3, 0].numpy())
    assert device(picture) == device(digits_images[3].numpy()) == device(digits_images[3])


def test_preprocessing_is_the_bundles(bundle_folder, digits_network):
    """A larger image is resized and cropped as the bundle says."""
    bundle = Bundle.read(bundle_folder)
    bundle.preprocessing = {"short_side": 8, "crop": 8}
    bundle.save(bundle_folder)
    device, server = bottleneck.load(bundle_folder, digits_network)
    assert server(device(Image.fromarray(np.zeros((20, 30), np.uint8)))).shape == (1, 10)


def test_image_of_another_size_is_refused(bundle_folder, digits_network):
    """Without preprocessing, an image of the wrong size is named with the right one."""
    device, _ = bottleneck.load(bundle_folder, digits_network)
    with pytest.raises(ValueError, match=r"\(1, 9, 8\) after preprocessing.*\(1, 8, 8\)"):
        device(np.zeros((1, 9, 8), np.uint8))


def test_other_network_is_refused(bundle_folder, digits_network):
    """A network with one changed weight is not the bundle's network."""
    other = copy.deepcopy(digits_network)
    with torch.no_grad():
        other.network.fc.bias[0] += 1
    with pytest.raises(ValueError, match="belongs to a network with weights"):
        bottleneck.load(bundle_folder, other)


def test_network_that_computes_something_else_is_refused(bundle_folder, digits_network):
    """Equal weights are not enough: the bundle knows what its network makes of an image."""
    known = Bundle.read(bundle_folder)
    known.behaviour = behaviour(digits_network, (1, 8, 8))
    bottleneck.load(bundle_folder, digits_network)
    known.save(bundle_folder)
    bottleneck.load(bundle_folder, digits_network)
    other = copy.deepcopy(digits_network)
    other.network.stem[2] = torch.nn.GELU()
    with pytest.raises(ValueError, match=r"computes something else.*the same weights.*number of heads"):
        bottleneck.load(bundle_folder, other)


def test_bundle_loads_on_a_wrapped_network(bundle_folder, digits_network, digits_images, wrapping, rewrite):
    """A compiled or parallel network is the one inside: its payloads, answers and refusals."""
    known = Bundle.read(bundle_folder)
    known.behaviour = behaviour(digits_network, (1, 8, 8))
    known.save(bundle_folder)
    model = wrapping(copy.deepcopy(digits_network).requires_grad_())
    (plain, answers), (device, server) = (bottleneck.load(bundle_folder, m) for m in (digits_network, model))
    payload = device(digits_images[0])
    assert payload == plain(digits_images[0])
    assert torch.equal(server(payload), answers(payload))
    rewrite(bundle_folder / "bundle.json", image_shape=[1, 400, 400])
    with pytest.raises(ValueError, match="times as large as the network's own"):
        bottleneck.load(bundle_folder, model)


@pytest.mark.parametrize("dtype", [torch.half, torch.bfloat16])
def test_bundle_loads_on_a_half_network(bundle_folder, digits_network, digits_images, dtype):
    """The same network in half precision takes the bundle, the unit in float32 within it."""
    known = Bundle.read(bundle_folder)
    known.behaviour = behaviour(digits_network, (1, 8, 8))
    known.save(bundle_folder)
    _, expected = bottleneck.load(bundle_folder, digits_network)
    device, server = bottleneck.load(bundle_folder, copy.deepcopy(digits_network).to(dtype))
    assert {weight.dtype for weight in device.bundle.unit.parameters()} == {torch.float32}
    payload = device(digits_images[0])
    output, wanted = server(payload), expected(payload)
    assert output.dtype == dtype
    torch.testing.assert_close(output.float(), wanted, rtol=0.02, atol=0.02 * wanted.abs().max().item())
    other = copy.deepcopy(digits_network).to(dtype)
    torch.nn.init.ones_(other.network.fc.weight)
    with pytest.raises(ValueError, match="computes something else"):
        bottleneck.load(bundle_folder, other)


def test_foreign_payload_is_refused(bundle_folder, digits_network):
    """Bytes that cannot be a payload do not reach the tail."""
    _, server = bottleneck.load(bundle_folder, digits_network)
    for payload in (b"", bytes(10_000)):
        with pytest.raises(ValueError, match="payload"):
            server(payload)


@pytest.mark.slow
def test_inference_imports_no_training_stack(bundle_folder):
    """Loading and using a bundle needs neither Lightning nor Hydra nor Optuna."""
    code = f"""
import sys
import numpy as np
import bottleneck
model = bottleneck.models.create("digits_resnet")
device, server = bottleneck.load({str(bundle_folder)!r}, model)
assert server(device(np.zeros((1, 8, 8), np.uint8))).shape == (1, 10)
stack = {{"pytorch_lightning", "lightning", "hydra", "omegaconf", "optuna", "sklearn", "matplotlib"}}
assert not stack & set(sys.modules), stack & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_lost_message_is_no_answer(digits_network, digits_net, tmp_path):
    """No bytes are refused by the server, while a sample of which nothing is to be said is one byte."""
    torch.manual_seed(0)
    unit = BottleneckUnit(64, 8, 2, 1e6, (4, 4)).eval()  # every symbol is 0
    codec = codecs.create("range", shape=unit.latent_shape)
    codec.fit(np.zeros((9, *unit.latent_shape), np.int32))
    identity = weights_identity(digits_network)
    Bundle(unit, codec, "layer2", identity, (1, 8, 8)).save(tmp_path / "bundle")
    device, server = bottleneck.load(tmp_path / "bundle", digits_network)
    payload = device(torch.zeros(1, 8, 8, dtype=torch.uint8))
    assert len(payload) == 1
    assert server(payload).shape == (1, 10)
    with pytest.raises(ValueError, match="empty payload is a lost message"):
        server(b"")


def test_streams_are_sessions(bundle_folder, digits_network, digits_net, digits_images):
    """With a codec that remembers frames, each side is one stream; a lost payload is asked for and mended."""
    bundle = Bundle.read(bundle_folder)
    with torch.no_grad():
        symbols = bundle.unit.symbols(digits_net.head(digits_images)).numpy()
    bundle.codec = codecs.create("stream", bundle.unit.latent_shape, key_every=100).fit(symbols)
    bundle.save(bundle_folder)
    device, server = bottleneck.load(bundle_folder, digits_network)
    other = server.session()
    first, second, third = (device(image.numpy()) for image in digits_images[:3])
    assert torch.equal(server(first), other(first))
    server(second)
    with pytest.raises(ValueError, match="key frame"):
        other(third)
    device.refresh()
    fourth = device(digits_images[3].numpy())
    assert torch.equal(other(fourth), server(fourth))
    assert device.session()(digits_images[3].numpy()) == fourth
