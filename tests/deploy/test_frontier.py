"""Variable bit rate: one frozen network, several points, switched from image to image."""

import json

import pytest
import torch

import bottleneck
from bottleneck import codecs
from bottleneck.deploy.bundle import Bundle
from bottleneck.deploy.frontier import Point, read_frontier, write_frontier
from bottleneck.models import weights_identity
from bottleneck.unit import BottleneckUnit


@pytest.fixture
def folder(tmp_path, digits_network, digits_net, digits_images):
    """Three untrained points of rising rate and stated metric."""
    points = []
    network = weights_identity(digits_network)
    for number, step in enumerate((2.0, 0.2, 0.02)):
        torch.manual_seed(number)
        unit = BottleneckUnit(64, 4, 2, step, (4, 4)).eval()
        codec = codecs.create("huffman", shape=unit.latent_shape)
        with torch.no_grad():
            symbols = unit.symbols(digits_net.head(digits_images)).numpy()
        codec.fit(symbols)
        size = 1 + sum(len(codec.encode(s)) for s in symbols) / len(symbols)
        name = f"point-{number:02}"
        Bundle(unit, codec, "layer2", network, (1, 8, 8)).save(tmp_path / name)
        points.append(Point(number, name, 8 * size / 64, size, 0.9 + 0.04 * number, {"step": step}))
    write_frontier(tmp_path, points, {"metric": "accuracy_top1"})
    return tmp_path


def test_each_point_is_its_bundle_behind_one_byte(folder, digits_network, digits_images):
    """A point's payload is its id and then the bundle's own payload, and the server answers the same."""
    device, server = bottleneck.load(folder, digits_network)
    for point in device.points:
        alone, answer = bottleneck.load(folder / point.bundle, digits_network)
        for image in digits_images[:5]:
            payload = device(image, point=point.id)
            assert payload == bytes([point.id]) + alone(image)
            assert torch.equal(server(payload), answer(alone(image)))
            assert device(image, point=point.id, offset=0.3)[1:] == alone(image, offset=0.3)


def test_best_point_is_the_default(folder, digits_network, digits_images):
    """Without a wish, the point of the highest metric is used."""
    device, _ = bottleneck.load(folder, digits_network)
    assert device(digits_images[0])[0] == 2


def test_byte_budget_is_kept_for_every_single_image(folder, digits_network, digits_images):
    """`max_bytes` uses the best point whose payload for this image fits, never a larger one."""
    device, _ = bottleneck.load(folder, digits_network)
    used = set()
    for image in digits_images:
        sizes = {point.id: len(device(image, point=point.id)) for point in device.points}
        for budget in range(min(sizes.values()), max(sizes.values()) + 1):
            payload = device(image, max_bytes=budget)
            assert len(payload) <= budget
            assert payload[0] == max(number for number, size in sizes.items() if size <= budget)
            used.add(payload[0])
    assert used == {0, 1, 2}


def test_metric_floor_uses_the_cheapest_point_that_reaches_it(folder, digits_network, digits_images):
    """`min_metric` pays no more than it must."""
    device, _ = bottleneck.load(folder, digits_network)
    assert [device(digits_images[0], min_metric=m)[0] for m in (0.5, 0.9, 0.93, 0.98)] == [0, 0, 1, 2]


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"point": 7}, r"point=7 is not on this frontier\. It has \[0, 1, 2\]"),
        ({"max_bytes": 1}, r"max_bytes=1 is too few for this image: its smallest payload has \d+ bytes"),
        ({"min_metric": 0.99}, r"min_metric=0\.99 is not reached; the best point has 0\.98"),
        ({"point": 1, "max_bytes": 9}, "leave out max_bytes="),
    ],
)
def test_wishes_that_cannot_be_met_say_what_could(folder, digits_network, digits_images, wish, message):
    """An impossible wish is refused with the nearest possible one."""
    device, _ = bottleneck.load(folder, digits_network)
    with pytest.raises(ValueError, match=message):
        device(digits_images[0], **wish)


@pytest.mark.parametrize(("payload", "message"), [(b"", "payload is empty"), (b"\x09abc", "names point 9")])
def test_payload_of_no_point_is_refused(folder, digits_network, payload, message):
    """The server says which points it knows."""
    _, server = bottleneck.load(folder, digits_network)
    with pytest.raises(ValueError, match=message):
        server(payload)


def test_points_share_one_copy_of_the_network(folder, digits_network):
    """Holding a frontier holds the frozen network once: switching loads no backbone weight."""
    device, server = bottleneck.load(folder, digits_network)
    heads = {id(side._net.head) for side in device.devices.values()}
    tails = {id(side._net.tail) for side in server._servers.values()}
    assert len(heads) == len(tails) == 1
    held = {id(p) for tail in (s._net.tail for s in server._servers.values()) for p in tail.parameters()}
    assert held < {id(p) for p in digits_network.parameters()}


def test_missing_unit_is_named(folder, digits_network):
    """A frontier without one of its units says which file is missing."""
    (folder / "point-01" / "unit.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"point-01/unit\.safetensors is missing"):
        bottleneck.load(folder, digits_network)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "frontier 2, not"),
        ({"points": []}, "has no points"),
        ({"points": [{}]}, "cannot be read"),
    ],
)
def test_damaged_newer_and_empty_descriptions_are_refused(folder, change, message):
    """frontier.json of a newer release, without points or without their keys is refused."""
    file = folder / "frontier.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(ValueError, match=message):
        read_frontier(folder)


def test_more_points_than_a_byte_can_name_are_refused(tmp_path):
    """The id is one byte, so 257 points are too many."""
    points = [Point(number, "p", 1, 1, 1) for number in range(257)]
    with pytest.raises(ValueError, match="257 points cannot be named by one byte"):
        write_frontier(tmp_path, points, {})
