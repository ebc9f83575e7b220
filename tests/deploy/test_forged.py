"""Forged bundles: whatever a field says, reading it is a bundle or a `ValueError`, and costs no memory."""

import copy
import hashlib
import json
import time

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

import bottleneck
from bottleneck import codecs
from bottleneck.deploy.bundle import Bundle
from bottleneck.models import weights_identity
from bottleneck.unit import UNITS, build

ODD = [
    *(None, True, -1, 0, 1, 3, 2**40, 10**30, 1.5, float("nan"), float("inf"), "", "x", "\ud800", [], {}),
    *([1], [[]], {"a": 1}, [0, 0, 0], [1, 10**9, 10**9], [None] * 3, {"_target_": "os.system"}),
    *("os.system", "__class__", "../..", "bottleneck.models.create"),
]


def places(content, path=()):
    """Where a value stands in a description, keys and indices."""
    if path:
        yield path
    if isinstance(content, dict):
        for key in content:
            yield from places(content[key], (*path, key))
    elif isinstance(content, list) and content:
        yield from places(content[0], (*path, 0))


def with_value(content, path, value):
    forged = copy.deepcopy(content)
    inner = forged
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return forged


def test_every_field_may_be_anything(bundle_folder, rewrite, digits_network, digits_images):
    """Any odd value in any field, rightly sealed, is refused with the file's name or makes a bundle."""
    file = bundle_folder / "bundle.json"
    content = json.loads(file.read_text())
    made = refused = tried = 0
    for path in places(content):
        if path[0] in ("format", "version", "checksum", "id", "result", "model", "behaviour"):
            continue  # words for people, and what other tests are about
        for value in ODD:
            forged = with_value(content, path, value)
            rewrite(file, **forged)
            tried += 1
            try:
                bundle = Bundle.read(bundle_folder)
            except ValueError as error:
                refused += "bundle.json" in str(error) or "unit.safetensors" in str(error)
            else:
                made += bundle.unit.latent_shape == bundle.codec.shape
    assert tried > 500
    assert made + refused == tried
    assert made < 0.2 * tried


@pytest.mark.parametrize(
    "change",
    [
        {"channels": 20_000},
        {"channels": 9_000, "latent_channels": 9_000},
        {"size": [60_000, 60_000]},
        {"kind": "residual", "depth": 60_000},
        {"kind": "residual", "width": 60_000},
    ],
)
def test_unit_of_another_size_allocates_nothing(bundle_folder, rewrite, change, most_memory):
    """Sizes are compared with the weights before anything is made of them."""
    file = bundle_folder / "bundle.json"
    unit = json.loads(file.read_text())["unit"]
    if "kind" in change:
        unit = {key: value for key, value in unit.items() if key not in ("kernel", "geometry")}
    rewrite(file, unit={**unit, **change})

    def refused():
        with pytest.raises(ValueError, match=r"bundle\.json"):
            Bundle.read(bundle_folder)

    assert most_memory(refused)[1] < 50e6


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(bundle_folder, rewrite, value):
    """NaN and infinity in the weights are answered when they are read, not by a silent server."""
    file = bundle_folder / "unit.safetensors"
    state = load_file(file)
    name = sorted(name for name in state if state[name].is_floating_point())[0]
    state[name].view(-1)[0] = value
    save_file(state, file)
    rewrite(bundle_folder / "bundle.json", weights_sha256=hashlib.sha256(file.read_bytes()).hexdigest())
    with pytest.raises(ValueError, match=r"unit\.safetensors holds NaN or infinity"):
        Bundle.read(bundle_folder)


def test_every_kind_of_unit_passes(tmp_path):
    """What is checked against forgers lets every kind of unit through, as it was."""
    options = {
        "tokens": {"channels": 6, "latent_channels": 2, "stride": 1, "step": 0.5, "size": (2, 3)},
        "slim": {"channels": 3, "latent_channels": 2, "step": 0.5, "size": (8, 8), "out_channels": 6},
        "pooled": {"channels": 6, "latent_channels": 2, "step": 0.5, "size": (4, 4)},
    }
    default = {"channels": 6, "latent_channels": 2, "stride": 2, "step": 0.5, "size": (4, 4)}
    for kind in UNITS:
        unit = build({"kind": kind, **options.get(kind, default)}).eval()
        symbols = np.zeros(unit.latent_shape, np.int32)
        codec = codecs.create("range", shape=unit.latent_shape).fit([symbols])
        Bundle(unit, codec, "layer2", "0" * 64, (3, 8, 8)).save(tmp_path / kind)
        read = Bundle.read(tmp_path / kind)
        assert read.unit.options == unit.options
        assert weights_identity(read.unit) == weights_identity(unit)


@pytest.mark.parametrize("kind", ["pooled", "asymmetric"])
def test_a_step_for_each_of_many_channels_passes(kind, tmp_path):
    """A unit of one of several rates has a step for every channel, however many channels there are."""
    steps = [0.5 + 0.25 * channel for channel in range(24)]
    where = {"size": (4, 4)} if kind == "pooled" else {"size": (4, 4), "stride": 2}
    unit = build({"kind": kind, "channels": 32, "latent_channels": 24, "step": steps, **where}).eval()
    codec = codecs.create("range", shape=unit.latent_shape).fit([np.zeros(unit.latent_shape, np.int32)])
    Bundle(unit, codec, "layer2", "0" * 64, (3, 8, 8)).save(tmp_path / kind)
    assert Bundle.read(tmp_path / kind).unit.options["step"] == steps


def test_unit_between_other_halves_is_refused(bundle_folder, rewrite, digits_network):
    """A bundle that says it stands elsewhere in the same network is refused when it is loaded."""
    rewrite(bundle_folder / "bundle.json", split="layer1")
    with pytest.raises(ValueError, match=r"built for features of CHW \(64, 4, 4\)"):
        bottleneck.load(bundle_folder, digits_network)


def test_images_out_of_all_proportion_are_refused(bundle_folder, rewrite, digits_network):
    """Before the network is run on one, which would take gigabytes."""
    sizes = {"short_side": 4096, "crop": 4096}
    rewrite(bundle_folder / "bundle.json", image_shape=[1, 4096, 4096], preprocessing=sizes)
    begin = time.process_time()
    with pytest.raises(ValueError, match=r"images of \(1, 4096, 4096\), more than 64 times .* \(1, 8, 8\)"):
        bottleneck.load(bundle_folder, digits_network)
    assert time.process_time() - begin < 2


@pytest.mark.parametrize("value", [[10**400], [1e308 * 10], [None], ["1"], [True], {}, "x", []])
def test_behaviour_is_numbers(bundle_folder, rewrite, value):
    """Whole numbers have no end, and no float beyond it."""
    rewrite(bundle_folder / "bundle.json", behaviour=value)
    with pytest.raises(ValueError, match=r"bundle\.json: behaviour=.* is not finite numbers"):
        Bundle.read(bundle_folder)


@pytest.mark.parametrize("result", [{"payload_bytes": 1}, {"payload_bytes": [1], "value": "x"}, {"value": 1}])
def test_whatever_a_result_says_a_bundle_can_be_told(bundle_folder, rewrite, result):
    """Numbers for people are shown where they are numbers."""
    rewrite(bundle_folder / "bundle.json", result=result)
    assert "bytes per image" not in repr(Bundle.read(bundle_folder))


@pytest.mark.parametrize(
    "made",
    [
        *({}, {"name": 5}, {"name": ["x"]}, {"name": "digits_resnet", "weights": 5}),
        *({"name": "digits_resnet", "color": 1}, {"name": "resnet18", "weights": None, "num_classes": 10**9}),
    ],
)
def test_a_network_that_no_package_makes_is_refused(bundle_folder, rewrite, made):
    """In one sentence, with nothing allocated."""
    rewrite(bundle_folder / "bundle.json", model={"_target_": "bottleneck.models.create", **made})
    with pytest.raises(ValueError, match=r"made with|unknown|weights"):
        bottleneck.load(bundle_folder)


def test_digest_vouches_for_a_bundle(bundle_folder, digits_network, digits_images):
    """With the right SHA-256 of bundle.json a bundle is loaded; any other is refused, whatever is in it."""
    digest = hashlib.sha256((bundle_folder / "bundle.json").read_bytes()).hexdigest()
    device, _ = bottleneck.load(bundle_folder, digits_network, digest=digest)
    assert device(digits_images[0])
    with pytest.raises(ValueError, match=r"not the digest"):
        bottleneck.load(bundle_folder, digits_network, digest="0" * 64)


def test_deeply_nested_description_is_refused(bundle_folder):
    """JSON that would overflow the parser is an error of the file."""
    (bundle_folder / "bundle.json").write_text("[" * 200_000)
    with pytest.raises(ValueError, match=r"bundle\.json is truncated or no JSON"):
        Bundle.read(bundle_folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"preprocessing": {"letterbox": 9}},
        {"preprocessing": {"letterbox": 8, "crop": 8}},
        {"preprocessing": {"size": [8, 9]}},
        {"preprocessing": {"size": 8}},
        {"preprocessing": {"size": [8, 8], "short_side": 8}},
        {"preprocessing": {"size": [8, 8], "interpolation": "cubic"}},
        {"task": "single_stage"},
    ],
)
def test_images_are_prepared_to_the_images_size(bundle_folder, rewrite, changes):
    """To another, in two ways, in an unknown one, or without the letterbox of boxes: the file is refused."""
    rewrite(bundle_folder / "bundle.json", **changes)
    with pytest.raises(ValueError, match=r"bundle\.json: .*Export it again"):
        Bundle.read(bundle_folder)
