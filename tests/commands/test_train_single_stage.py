"""`python train.py task=single_stage`, `evaluate.py`, and both halves wherever they run."""

import dataclasses

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from PIL import Image
from safetensors.torch import save_file

import bottleneck
from bottleneck import models
from bottleneck.codecs.image_sizes import Letterboxed
from bottleneck.commands.config import config_dir
from bottleneck.commands.evaluate import evaluate
from bottleneck.commands.setup import cut_of
from bottleneck.commands.train import train_and_measure
from bottleneck.deploy.bundle import Bundle
from bottleneck.deploy.export import export
from bottleneck.identity import tensor_digests
from bottleneck.models.suppression import objects_of
from bottleneck.runtime.datagrams.packing import Packing
from bottleneck.runtime.device.exports import exports_in
from bottleneck.runtime.device.torch_half import TorchHalf
from bottleneck.runtime.serving.sessions import Session
from bottleneck.runtime.serving.tails import Tails
from bottleneck.runtime.serving.worker import Coded, Worker

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Lightning's advice is not ours to follow
QUIET = (
    "task=single_stage",
    "device=cpu",
    "trainer.enable_progress_bar=false",
    "suite.feature=null",
    "also_codecs=[]",
)
SMALL = ("data.letterbox=64", "data.batch_size=2", "warm_start.epochs=0", "trainer.max_epochs=1")


def composed(name, *overrides):
    with initialize_config_dir(config_dir(), version_base="1.3"):
        return compose(name, [*QUIET, *overrides])


def weights(folder, **options):
    """Random weights, as a file."""
    torch.manual_seed(0)
    path = folder / "yolox.safetensors"
    save_file(models.create("yolox_nano", **options).network.state_dict(), path)
    return str(path)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, coco_folder):
    """A run on the little COCO folder: its overrides, its rows, its bundle's folder and the network."""
    folder = tmp_path_factory.mktemp("single_stage")
    overrides = (*SMALL, f"data.root={coco_folder}", f"model.weights={weights(folder)}", "data.holdout=0.3")
    rows = train_and_measure(composed("train", *overrides), folder / "run")
    network = models.create("yolox_nano", weights=str(folder / "yolox.safetensors"))
    return overrides, rows, folder / "run" / "bundle", network


@pytest.fixture(scope="module")
def photograph(coco_folder):
    return Image.open(coco_folder / "val2017" / "000000000002.jpg").convert("RGB")


@pytest.mark.slow
def test_from_files_of_coco_to_boxes_in_a_photographs_pixels(trained, photograph):
    """Trained, judged and bundled; the server's boxes are those of the network on what crossed, rescaled."""
    _, rows, folder, network = trained
    assert [row.method for row in rows] == ["frozen", "bottleneck"]
    assert (rows[1].dataset, rows[1].split, rows[1].n, rows[1].task) == ("coco", "dark3", 7, "single_stage")
    assert set(rows[1].metrics) == {"map", "map50"}
    assert rows[1].payload_bytes > 4  # the size of the image is counted
    device, server = bottleneck.load(folder, network)
    payload = device(photograph)
    assert Letterboxed.unpack(payload[:4], 64) == (120, 90, 64)
    (found,) = server(payload)
    assert {"boxes", "labels", "scores"} == set(found)
    assert (found["boxes"].amax(0) <= torch.tensor([90.0, 120, 90, 120])).all()
    assert torch.equal(
        found["boxes"], objects_of(server.output(payload)[0], Letterboxed(120, 90, 64))["boxes"]
    )
    array = torch.from_numpy(np.asarray(photograph).transpose(2, 0, 1).copy())
    assert device(array) == payload
    server.warm_up()
    with pytest.raises(ValueError, match="truncated"):
        server(payload[:3])


@pytest.mark.slow
def test_evaluation_measures_the_bundle_and_every_kind_of_codec(trained, tmp_path):
    """A bundle's row is what it was after training; codecs of feature and image stand beside it."""
    overrides, rows, folder, _ = trained
    suite = ("suite.feature={rle-4:{name:rle,bits:4}}", "suite.input={png:{name:png}}")
    given = (*overrides, f"bundles=[{folder}]", *suite, "pictures=2")
    again = evaluate(composed("evaluate", *given), tmp_path)
    assert [row.method.split(":")[0] for row in again] == ["frozen", "bundle", "rle-4", "png"]
    assert (again[1].value, again[1].payload_bytes) == (rows[1].value, rows[1].payload_bytes)
    assert again[3].value == again[0].value  # nothing is lost
    assert (tmp_path / "answers.jpg").is_file()


@pytest.mark.sampled(1)
@pytest.mark.parametrize(
    "overrides",
    [
        ("objective=logits",),
        ("objective=features", "objective.layers=[dark4,n3]", "rate=l1", "unit=depthwise"),
        ("objective=distillation", "unit=residual", "rate=none", "codec=affine"),
        ("objective=matching", "split=dark2", "cache.enabled=false", "codec=huffman"),
    ],
)
def test_objectives_units_and_codecs_run_on_scenes(tmp_path, overrides):
    """Every objective but labels trains a unit, with features from the cache or live; the network stays."""
    scenes = ("data=scenes_detection", "data.train_scenes=8", "data.val_scenes=2")
    path = f"model.weights={weights(tmp_path, num_classes=10)}"
    cfg = composed("train", *SMALL, *scenes, path, "model.num_classes=10", *overrides)
    before = tensor_digests(cut_of(cfg).model)
    rows = train_and_measure(cfg, tmp_path / "run")
    assert rows[1].kind == "trained"
    assert tensor_digests(cut_of(cfg).model) == before
    _, server = bottleneck.load(
        tmp_path / "run" / "bundle", models.create("yolox_nano", path.split("=")[1], num_classes=10)
    )
    assert server.bundle.letterbox == 64


@pytest.mark.slow
@pytest.mark.parametrize(
    "where",
    [
        ("target_drop=0.1",),
        ("split=[dark3,dark4,dark5]", "unit.stride=[4,2,1]", "unit.latent_channels=[4,6,8]"),
    ],
)
def test_the_experiment_trains_at_one_tensor_and_at_three(coco_folder, tmp_path, where):
    """Matching first, then rows and what they are made of, on two views; towards bytes, or towards a drop."""
    given = (f"data.root={coco_folder}", f"model.weights={weights(tmp_path)}", "warm_start.epochs=1")
    overrides = (*SMALL[:2], *given, "trainer.max_epochs=1", "data.views=2", "unit.width=16", *where)
    cfg = composed("train", "experiment=yolox_nano", *overrides)
    _, row = train_and_measure(cfg, tmp_path / "run")
    assert row.split == ("dark3" if len(where) == 1 else "dark3+dark4+dark5")
    _, server = bottleneck.load(
        tmp_path / "run" / "bundle", models.create("yolox_nano", weights=str(tmp_path / "yolox.safetensors"))
    )
    assert server.bundle.letterbox == 64


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("objective=task",), r"objective=task: .*objective=logits"),
        (("data.letterbox=null",), r"data\.letterbox"),
        (("model.num_classes=10",), r"rows of 95 values.*model\.num_classes"),
        (("data.letterbox=40",), r"data\.letterbox"),
    ],
)
def test_mistakes_are_named_with_their_cure(coco_folder, tmp_path, overrides, message):
    """Labels, data that are not letterboxed, other classes, a side that the strides do not divide."""
    options = {"num_classes": 10} if "model.num_classes=10" in overrides else {}
    given = (f"data.root={coco_folder}", f"model.weights={weights(tmp_path, **options)}")
    with pytest.raises(ValueError, match=message):
        train_and_measure(composed("train", *SMALL, *given, *overrides), tmp_path / "run")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the exporter's own
def test_exported_halves_do_what_the_loaded_ones_do(trained, photograph, tmp_path):
    """ONNX and `torch.export`: the same payloads, and the same objects from them, without PyTorch as well."""
    pytest.importorskip("onnxruntime")
    from bottleneck.runtime.device.graphs import GraphHalf

    _, _, folder, network = trained
    _, server = bottleneck.load(folder, network)
    half = TorchHalf([folder], network)
    export(folder, network, folder / "onnx")
    packing = Packing(mtu=100)
    graphs = GraphHalf([folder], packing=packing)
    assert exports_in(folder)[0].about["letterbox"] == 64
    (route,) = half.routes
    payload = half.payload(photograph, route)
    ours, theirs = (server.received(sent)[0] for sent in (payload, graphs.payload(photograph, route)))
    assert (ours - theirs).abs().mean() < 0.01 * ours.abs().mean()  # a value on a border may round either way
    for each in (graphs, TorchHalf([folder], network, packing=packing)):
        assert each.packets(payload, route) == [payload]  # no piece of it is of use alone
    alone = graphs.alone(photograph)["objects"]
    (found,) = server(graphs.payload(photograph, route))
    np.testing.assert_allclose([o["score"] for o in alone[:5]], found["scores"][:5], rtol=1e-3)
    np.testing.assert_allclose([o["box"] for o in alone[:1]], found["boxes"][:1], rtol=1e-3, atol=0.05)

    export(folder, network, tmp_path, target="torch")
    bundle = Bundle.read(folder)
    program = torch.export.load(tmp_path / "server.pt2").module()
    symbols = bundle.codec.decode(payload[4:])[None]
    output = program(coded=torch.from_numpy(symbols))
    torch.testing.assert_close(output, server.output(payload), rtol=1e-3, atol=1e-3)


def test_running_server_answers_payloads_and_pictures_in_the_images_pixels(trained, photograph):
    """A worker's objects are the loaded server's; a picture that is sent instead has the size as well."""
    _, _, folder, network = trained
    tails = Tails([folder], network)
    worker = Worker(tails)
    half = TorchHalf([folder], network)
    (route,) = half.routes
    payload = half.payload(photograph, route)
    point, _ = tails.number({"bundle": Bundle.read(folder).id})
    (outcome,) = worker([Coded(point, [payload], Session())])
    (found,) = bottleneck.load(folder, network)[1](payload)
    objects = outcome.answer["objects"]
    assert len(objects) == len(found["scores"])
    np.testing.assert_allclose([o["box"] for o in objects[:3]], found["boxes"][:3], rtol=1e-4, atol=1e-2)

    picture = dataclasses.replace(route, name="png", codec={"name": "png"}, bundle=None)
    number, _ = tails.number({"codec": {"name": "png"}})
    (outcome,) = worker([Coded(number, [half.payload(photograph, picture)], Session())])
    assert outcome.answer == half.alone(photograph)
    (outcome,) = worker([Coded(number, [b"ab"], Session())])
    assert "truncated" in outcome.refusal[1]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_published_weights_keep_their_precision(data_at_hand, tmp_path):
    """YOLOX-Nano on the 104 photographs at hand: AP 0.330, as an implementation beside ours measures it."""
    folder = data_at_hand / "coco"
    given = (f"data.root={folder}", f"model.weights={folder}/yolox_nano.safetensors", f"cache.dir={tmp_path}")
    frozen = cut_of(composed("evaluate", *given, "data.batch_size=8")).frozen()
    assert frozen.n == 104
    assert frozen.value == pytest.approx(0.3302, abs=0.005)
