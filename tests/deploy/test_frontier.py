"""Variable bit rate: one frozen network, several points, switched from image to image."""

import dataclasses
import hashlib
import json
import random
import shutil

import pytest
import torch

import bottleneck
from bottleneck import codecs
from bottleneck.deploy.bundle import Bundle
from bottleneck.deploy.frontier import Point, read_bundles, with_hardness, write_frontier
from bottleneck.deploy.hardness import Hardness, grid_means
from bottleneck.models import weights_identity
from bottleneck.splitting import split
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


def test_verified_point_is_the_cheapest_whose_answer_is_the_networks(folder, digits_network, digits_images):
    """Point by point from the cheapest; the best one where none agrees; limits hold."""
    device, server = bottleneck.load(folder, digits_network)
    used = set()
    for image in digits_images:
        with torch.no_grad():
            own = digits_network(image[None]).argmax(1)
        agree = [
            point.id for point in device.points if server(device(image, point=point.id)).argmax(1).equal(own)
        ]
        payload = device(image, policy="verified")
        used.add(payload[0])
        assert payload[0] == (agree[0] if agree else 2)
        dearer = device(image, policy="verified", min_metric=0.93)[0]
        assert dearer == next((number for number in agree if number > 0), 2)
        assert device(image, policy="verified", max_bytes=len(device(image, point=0)))[0] == 0
    assert len(used) > 1
    with pytest.raises(ValueError, match="policy='cheap' is unknown"):
        device(digits_images[0], policy="cheap")
    with pytest.raises(ValueError, match="leave out max_bytes=, min_metric= and policy="):
        device(digits_images[0], policy="verified", point=1)


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
        ({"version": 3}, "has version 3; this release reads 1, 2"),
        ({"version": 1}, "does not vouch for its bundles|has version"),
        ({"points": []}, "has no points"),
        ({"points": [{}]}, "describes nothing that can be made"),
        ({"points": 7}, "describes nothing that can be made"),
    ],
)
def test_newer_and_empty_descriptions_are_refused(folder, rewrite, change, message):
    """frontier.json of a newer release, without points or without their keys is refused."""
    rewrite(folder / "frontier.json", **change)
    if "version" in change and change["version"] == 1:  # older releases vouched for nothing
        assert read_bundles(folder)[0]
        return
    with pytest.raises(ValueError, match=message):
        read_bundles(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": 256}, "has the id 256"),
        ({"id": -1}, "has the id -1"),
        ({"id": True}, "has the id True"),
        ({"id": 1}, r"one id to several points: \[1, 1, 2\]"),
        ({"bpp": float("nan")}, "no finite numbers"),
        ({"value": "0.9"}, "no finite numbers"),
        ({"bundle": "../elsewhere"}, "no folder's name"),
        ({"bundle": "/tmp"}, "no folder's name"),
        ({"bundle": ".."}, "no folder's name"),
        ({"bundle": "link"}, "lies elsewhere"),
        ({"bundle": "point-01"}, "has SHA-256"),
        ({"sha256": None}, "does not vouch"),
        ({"more": 1}, "describes nothing"),
    ],
)
def test_points_that_no_frontier_has_are_refused(folder, tmp_path_factory, rewrite, change, message):
    """Ids are bytes and differ, numbers are finite, bundles are the folder's own and the right ones."""
    (folder / "link").symlink_to(folder / "point-00" / ".." / "..")
    file = folder / "frontier.json"
    first, *others = json.loads(file.read_text())["points"]
    rewrite(file, points=[{**first, **change}, *others])
    with pytest.raises(ValueError, match=message):
        read_bundles(folder)


def test_no_byte_of_a_frontier_changes_unnoticed(folder):
    """Any single flipped bit of frontier.json, and of what it vouches for, is refused."""
    rng = random.Random(0)
    for name in ("frontier.json", "point-00/bundle.json", "point-01/unit.safetensors"):
        whole = (folder / name).read_bytes()
        for _ in range(40):
            changed = bytearray(whole)
            changed[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
            (folder / name).write_bytes(changed)
            with pytest.raises(ValueError, match=r"frontier\.json|bundle\.json|unit\.safetensors"):
                read_bundles(folder)
        (folder / name).write_bytes(whole)
    assert len(read_bundles(folder)[1]) == 3


@pytest.fixture
def sharing(folder):
    """The frontier with a fourth point, which has the weights of the first."""
    points, bundles = read_bundles(folder)
    bundles[0].save(folder / "point-03")
    write_frontier(folder, [*points, dataclasses.replace(points[2], id=9, bundle="point-03")], {})
    return folder


def test_equal_weights_are_one_file(sharing, digits_network, digits_images, tmp_path_factory):
    """Points of one unit at several rates share its weights, also alone and in a frontier written again."""
    (weights,) = (sharing / "weights").iterdir()
    assert sorted(file.parent.name for file in sharing.glob("point-*/*.safetensors")) == [
        "point-01",
        "point-02",
    ]
    device, _ = bottleneck.load(sharing, digits_network)
    first, fourth = (device(digits_images[0], point=number) for number in (0, 9))
    assert first[1:] == fourth[1:]
    assert bottleneck.load(sharing / "point-03", digits_network)[0](digits_images[0]) == fourth[1:]
    again = tmp_path_factory.mktemp("again") / "frontier"
    risk, spent = torch.zeros(4, 2), torch.tensor([[0.0, 9.0], [1.0, 2.0]])
    with_hardness(sharing, Hardness(torch.zeros(2, 8), torch.zeros(2), risk, torch.ones(4), spent), again)
    assert len(list(again.rglob("*.safetensors"))) == 1 + 2 + 1  # shared, own, and the hardness
    assert len(read_bundles(again)[1]) == 4
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x55")
    with pytest.raises(
        ValueError, match=r"weights/\w+\.safetensors is truncated or belongs to another bundle"
    ):
        read_bundles(sharing)


def test_a_point_that_has_left_its_frontier_says_what_it_lacks(sharing, tmp_path_factory):
    """Copied alone, a bundle whose weights are shared asks for the whole folder."""
    alone = tmp_path_factory.mktemp("alone") / "bundle"
    shutil.copytree(sharing / "point-00", alone)
    with pytest.raises(FileNotFoundError, match=r"unit\.safetensors is missing.*copy the frontier's folder"):
        bottleneck.load(alone)


def test_frontier_of_release_0_1_is_read(folder):
    """A frontier without checksums, as 0.1 wrote it, is read; it cannot be trusted by a digest."""
    file = folder / "frontier.json"
    content = json.loads(file.read_text())
    for key in ("checksum", "sha256"):
        content.pop(key, None)
        for point in content["points"]:
            point.pop(key, None)
    file.write_text(json.dumps({**content, "version": 1}, indent=1))
    assert [point.id for point in read_bundles(folder)[0]] == [0, 1, 2]
    with pytest.raises(ValueError, match="does not vouch for its bundles"):
        read_bundles(folder, hashlib.sha256(file.read_bytes()).hexdigest())


def test_digest_vouches_for_every_file(folder, rewrite, digits_network, digits_images):
    """With the digest of frontier.json, forged points and bundles are refused, with right checksums too."""
    file = folder / "frontier.json"
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    device, _ = bottleneck.load(folder, digits_network, digest)
    assert device(digits_images[0])
    rewrite(folder / "point-02" / "bundle.json", result={"value": 1.0})
    with pytest.raises(ValueError, match=r"point-02/bundle\.json has SHA-256"):
        bottleneck.load(folder, digits_network, digest)
    rewrite(file, metric="another")
    with pytest.raises(ValueError, match=r"frontier\.json has SHA-256 .* not the digest"):
        bottleneck.load(folder, digits_network, digest)


def test_more_points_than_a_byte_can_name_are_refused(tmp_path):
    """The id is one byte, so 257 points are too many."""
    points = [Point(number, "p", 1, 1, 1) for number in range(257)]
    with pytest.raises(ValueError, match="257 points cannot be named by one byte"):
        write_frontier(tmp_path, points, {})


@pytest.fixture
def knowing(folder, tmp_path_factory, digits_network, digits_net, digits_images):
    """The same frontier, which has learned that images of a large first mean deserve its second point."""
    with torch.no_grad():
        means = grid_means(digits_net.head(digits_images), digits_net.entry.layout)
    classes = torch.zeros(2, means.shape[1])
    classes[1, 0] = 1.0
    risk = torch.tensor([[1.0, 0.0], [1.0, -3.0], [1.0, -3.0]])
    sizes = torch.tensor([2.0, 4.0, 9.0])
    spent = torch.tensor([[0.0, 9.0], [0.05, 4.0], [10.0, 2.0]])
    into = tmp_path_factory.mktemp("knowing") / "frontier"
    with_hardness(folder, Hardness(classes, -means.mean() * torch.ones(2), risk, sizes, spent), into)
    return into


def test_adaptive_point_is_what_the_hardness_chooses(knowing, digits_network, digits_net, digits_images):
    """Image by image, as a payload of that point; a mean that allows more takes better points."""
    device, server = bottleneck.load(knowing, digits_network)
    with torch.no_grad():
        means = grid_means(digits_net.head(digits_images), digits_net.entry.layout)
    used = set()
    for mean in (2.0, 4.5, 9.0):
        chosen = device.hardness.choose(means, mean)
        for image, place in zip(digits_images[:8], chosen, strict=False):
            payload = device(image, policy="adaptive", mean_bytes=mean)
            assert payload == device(image, point=device.points[place].id)
            assert server(payload).shape == (1, 10)
            used.add(place)
    assert len(used) > 1


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"policy": "adaptive"}, "mean_bytes= go together"),
        ({"mean_bytes": 5.0}, "mean_bytes= go together"),
        ({"policy": "adaptive", "mean_bytes": 5.0, "max_bytes": 9}, "leave out max_bytes="),
        (
            {"policy": "adaptive", "mean_bytes": 1.0},
            "mean_bytes=1.0 is too few: the cheapest point takes 2.0",
        ),
    ],
)
def test_wishes_that_adaptive_cannot_keep_are_refused(knowing, digits_network, digits_images, wish, message):
    """By what has to go, or to be given."""
    device, _ = bottleneck.load(knowing, digits_network)
    with pytest.raises(ValueError, match=message):
        device(digits_images[0], **wish)


def test_a_frontier_that_knows_no_hard_images_says_so(folder, digits_network, digits_images):
    """With the command that teaches it."""
    device, _ = bottleneck.load(folder, digits_network)
    with pytest.raises(ValueError, match=r"evaluate\.py bundles=\[FRONTIER\] adaptive"):
        device(digits_images[0], policy="adaptive", mean_bytes=5.0)


def test_no_byte_of_the_hardness_changes_unnoticed(knowing, digits_network):
    """The frontier's description vouches for it, and so does its digest."""
    digest = hashlib.sha256((knowing / "frontier.json").read_bytes()).hexdigest()
    assert bottleneck.load(knowing, digits_network, digest=digest)[0].hardness is not None
    file = knowing / "hardness.safetensors"
    data = bytearray(file.read_bytes())
    data[-5] ^= 1
    file.write_bytes(data)
    with pytest.raises(ValueError, match=r"is not the one that frontier\.json names"):
        bottleneck.load(knowing, digits_network)
    file.unlink()
    with pytest.raises(FileNotFoundError):
        bottleneck.load(knowing, digits_network)


def _frontier(folder, network, images, *wanted):
    """A frontier of untrained points, each `(split point, step, codec)`."""
    points = []
    for number, (at, step, name) in enumerate(wanted):
        torch.manual_seed(number)
        with torch.no_grad():
            feature = split(network, at, images[:1]).freeze().head(images)
            unit = BottleneckUnit.from_features(feature, "CHW", latent_channels=4, stride=2, step=step).eval()
            symbols = unit.symbols(feature).numpy()
        codec = codecs.create(name, shape=unit.latent_shape).fit(symbols)
        bundle = Bundle(unit, codec, at, weights_identity(network), (1, 8, 8))
        bundle.save(folder / f"point-{number:02}")
        points.append(Point(number, f"point-{number:02}", 1.0 + number, 8.0 + number, 0.9 + 0.02 * number))
    write_frontier(folder, points, {"metric": "accuracy_top1"})
    return folder


@pytest.mark.parametrize("wish", [{"max_bytes": 9}, {"policy": "verified"}])
def test_what_was_tried_and_not_sent_is_nothing_to_build_on(tmp_path, digits_network, digits_images, wish):
    """Points with memory are encoded to be compared; the server can decode all that it is sent."""
    folder = _frontier(
        tmp_path, digits_network, digits_images, ("layer2", 0.5, "stream"), ("layer2", 0.05, "stream")
    )
    device, server = bottleneck.load(folder, digits_network)
    sent, used = 0, set()
    for image in digits_images:
        try:
            payload = device(image, **wish)
        except ValueError:  # nothing is small enough
            continue
        assert server(payload).shape == (1, 10)
        sent, used = sent + 1, used | {payload[0]}
    assert sent > 10
    assert used == {0, 1} or "max_bytes" in wish


def test_points_of_several_cuts_have_their_own_heads(tmp_path, digits_network, digits_images):
    """Whichever point is taken, its payload is what its own device makes of the image."""
    folder = _frontier(
        tmp_path, digits_network, digits_images, ("layer3", 0.5, "range"), ("layer2", 0.2, "range")
    )
    device, _ = bottleneck.load(folder, digits_network)
    for image in digits_images[:10]:
        for wish in ({}, {"max_bytes": 60}, {"min_metric": 0.9}, {"policy": "verified"}):
            payload = device(image, **wish)
            assert payload == device(image, point=payload[0])


def test_a_digest_of_other_letters_is_no_digest(folder, digits_network):
    """Refused as any other that is not the file's."""
    with pytest.raises(ValueError, match="not the digest"):
        bottleneck.load(folder, digits_network, digest="ü" * 64)
