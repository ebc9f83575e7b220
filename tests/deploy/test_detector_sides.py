"""Device and server of detectors: the server knows nothing of an image but its payload."""

import pytest
import torch

import bottleneck
from bottleneck import codecs, models
from bottleneck.codecs.image_sizes import ImageSizes
from bottleneck.deploy.bundle import Bundle
from bottleneck.models import weights_identity
from bottleneck.splitting import split
from bottleneck.unit import BottleneckUnit, SlimUnit

SIDES = [(64, 96), (96, 64), (50, 70)]


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    sizes = {"min_size": 64, "max_size": 128, "num_classes": 5, "box_score_thresh": 0.1}
    return models.create("fasterrcnn_resnet50_fpn", **sizes, box_detections_per_img=5)


@pytest.fixture(scope="module")
def images():
    generator = torch.Generator().manual_seed(1)
    return [torch.randint(0, 256, (3, *side), generator=generator, dtype=torch.uint8) for side in SIDES]


def bundle_of(network, images, folder, kind, codec, at="layer1"):
    """An untrained unit, its codec fitted on the first image."""
    torch.manual_seed(0)
    replace = kind == "slim"
    net = split(network, at, images[0][None], replace=replace)
    with torch.no_grad():
        entry = net.head(images[0][None])
    size = tuple(entry.shape[2:])
    unit = SlimUnit(64, 3, 0.01, size, 256) if replace else BottleneckUnit(entry.shape[1], 4, 2, 0.05, size)
    coder = codecs.create(codec, shape=unit.latent_shape)
    if codec == "range":
        coder.fit(unit.eval().symbols(entry).numpy())
    identity = weights_identity(network)
    Bundle(unit.eval(), coder, at, identity, (3, *SIDES[0])).save(folder)
    return net, unit


@pytest.mark.parametrize(
    ("kind", "codec", "at"),
    [
        ("slim", "range", "layer1"),
        pytest.param("slim", "affine", "layer1", marks=pytest.mark.slow),
        pytest.param("depthwise", "range", "layer1", marks=pytest.mark.slow),
        pytest.param("depthwise", "range", "layer2", marks=pytest.mark.slow),  # two maps, sent as one
    ],
)
def test_boxes_from_payloads_of_images_of_any_size(network, images, tmp_path, kind, codec, at):
    """Sizes travel with the payload, so images of other sizes than the bundle's give what the parts give."""
    net, unit = bundle_of(network, images, tmp_path, kind, codec, at)
    device, server = bottleneck.load(tmp_path, network)
    for image, side in zip(images, SIDES, strict=True):
        payload = device(image)
        assert ImageSizes.unpack(payload[:12]).original == (side,)
        found = server(payload)
        with torch.no_grad():
            sizes = net.sizes(image[None])
            latent = unit.encode(net.head(image[None]))
            if codec == "affine":
                array = device.bundle.codec.reshaped(latent.shape[1:])
                latent = torch.from_numpy(array.decode(array.encode(latent[0].numpy())))[None]
            else:
                latent = unit.quantizer(latent)
            expected = net.tail(unit.decode(latent), sizes)
        assert len(found) == 1
        assert len(found[0]["boxes"]) == 5
        for key, value in expected[0].items():
            torch.testing.assert_close(found[0][key], value)


@pytest.mark.slow
def test_damaged_sizes_are_refused(network, images, tmp_path):
    """Payloads that are cut short, or whose sizes are impossible or immense, are answered, not computed."""
    bundle_of(network, images, tmp_path, "slim", "affine")
    device, server = bottleneck.load(tmp_path, network)
    payload = device(images[0])
    immense = ImageSizes((32_000, 32_000), ((64, 96),), ((64, 96),)).pack()
    odd = ImageSizes((65, 96), ((64, 96),), ((64, 96),)).pack()
    for damaged, message in (
        (payload[:11], "truncated"),
        (payload[:-1], "truncated"),
        (bytes(12) + payload[12:], "damaged"),
        (immense + payload[12:], "more than 8192"),
        (odd + payload[12:], "padded to"),
    ):
        with pytest.raises(ValueError, match=message):
            server(damaged)
