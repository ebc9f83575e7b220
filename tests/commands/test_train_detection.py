"""`python train.py`, `evaluate.py` and the search on detection: scenes, and COCO's own format."""

import json

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from PIL import Image
from safetensors.torch import save_file

import bottleneck
from bottleneck import models
from bottleneck.commands.config import config_dir
from bottleneck.commands.evaluate import evaluate
from bottleneck.commands.search import search_from
from bottleneck.commands.setup import cut_of, point_of, recipe_of
from bottleneck.commands.train import train_and_measure
from bottleneck.identity import tensor_digests
from bottleneck.models.embedded import EMBEDDED
from bottleneck.training import train

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Lightning's advice is not ours to follow
QUIET = ("device=cpu", "trainer.enable_progress_bar=false", "suite.feature=null", "also_codecs=[]")
COCO = (
    "experiment=faster_rcnn_c3",
    "model.weights=null",
    "+model.min_size=64",
    "+model.max_size=96",
    "data.holdout=0.2",
    "data.val_limit=2",
    "trainer.max_epochs=1",
)


def composed(name, *overrides):
    with initialize_config_dir(config_dir(), version_base="1.3"):
        return compose(name, [*QUIET, *overrides])


@pytest.fixture
def untrained(tmp_path):
    """Weights of an embedded detector that never saw a scene: it finds nothing, but at once."""
    torch.manual_seed(0)
    path = tmp_path / "untrained.safetensors"
    save_file(EMBEDDED["scenes_detector"]().network.state_dict(), path)
    return str(path)


SCENES = ("task=detection", "data.train_scenes=12", "data.val_scenes=4", "trainer.max_epochs=1")


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("rate=none", "codec=affine", "also_codecs=[range]"),
        ("unit=depthwise", "objective=pyramid"),
        ("unit=depthwise", "objective=task"),
        ("data.side=[64,80]",),
        ("unit=depthwise", "split=[layer1,layer2]", "data.side=[64,80]"),
    ],
)
def test_scenes_run_end_to_end(untrained, tmp_path, overrides):
    """Slim or not, one map or two, whatever the objective, in one size or many: trained and deployed."""
    cfg = composed("train", *SCENES, f"model.weights={untrained}", "data.batch_size=4", *overrides)
    rows = train_and_measure(cfg, tmp_path / "run")
    assert [row.method for row in rows][:2] == ["frozen", "bottleneck"]
    assert set(rows[1].metrics) == {"map", "map50", "mask_map", "mask_map50"}
    assert rows[1].payload_bytes >= 12  # the sizes; an untrained unit may have nothing to add
    low, high = rows[1].drop_interval
    assert low <= rows[1].drop <= high
    model = models.create("scenes_detector", untrained)
    device, server = bottleneck.load(tmp_path / "run" / "bundle", model)
    image, _ = instantiate(cfg.data).subset("val")[0]
    (found,) = server(device(image))
    assert {"boxes", "labels", "scores", "masks"} == set(found)
    assert found["masks"].shape[2:] == image.shape[1:]


@pytest.mark.slow
def test_slim_training_leaves_the_detector_alone_and_its_loss_falls(untrained, tmp_path):
    """Everything frozen stays bit-identical, statistics included, while the squared error falls."""
    longer = ("rate=none", "codec=affine", "data.batch_size=4", "trainer.max_epochs=25")
    cfg = composed("train", *SCENES, *longer, f"model.weights={untrained}")
    point = point_of(cfg)
    cut = cut_of(cfg, point.kind)
    before = tensor_digests(cut.model)
    given, _ = next(iter(cut.features.batches("train")))

    def error(unit):
        with torch.no_grad():
            return (unit.eval()(given).feature - cut.net.at_cut(given)).square().mean().item()

    untrained = error(cut.new_unit(point))
    channel = train(cut, point, recipe_of(cfg), enable_checkpointing=False, limit_val_batches=0)
    assert tensor_digests(cut.model) == before
    assert error(channel.unit) < untrained / 2


@pytest.mark.slow
def test_coco_run_evaluates_and_deploys(coco_folder, tmp_path):
    """Faster R-CNN with a slim first layer goes from COCO's files to boxes from a photograph's payload."""
    torch.manual_seed(0)
    checkpoint = tmp_path / "detector.safetensors"
    options = {"min_size": 64, "max_size": 96, "num_classes": 91}
    model = models.create("fasterrcnn_resnet50_fpn", **options)
    save_file(model.network.state_dict(), checkpoint)
    overrides = [*COCO, f"data.root={coco_folder}", f"model.weights={checkpoint}", f"cache.dir={tmp_path}"]
    rows = train_and_measure(composed("train", *overrides), tmp_path / "run")
    assert (rows[0].dataset, rows[1].split, rows[1].n) == ("coco", "layer1", 2)
    # 90×120 and 120×90 become 64×85 and 85×64, padded to 64×96: a latent of 3×20×28 and two headers.
    assert rows[1].payload_bytes == 12 + 5 + 3 * 20 * 28
    assert rows[1].bpp == pytest.approx(8 * rows[1].payload_bytes / (64 * 85))

    device, server = bottleneck.load(tmp_path / "run" / "bundle", model)
    picture = Image.open(coco_folder / "val2017" / "000000000002.jpg")
    payload = device(picture)
    assert len(payload) == rows[1].payload_bytes
    assert set(server(payload)[0]) == {"boxes", "labels", "scores"}

    bundles = f"bundles=[{tmp_path}/run/bundle]"
    again = evaluate(
        composed("evaluate", *overrides, bundles, "suite.feature={rle-4:{name:rle,bits:4}}"), tmp_path
    )
    assert [row.method.split(":")[0] for row in again] == ["frozen", "rle-4", "bundle"]
    assert again[2].payload_bytes == rows[1].payload_bytes
    assert again[2].value == rows[1].value


@pytest.mark.slow
def test_search_on_detection_writes_a_frontier_that_runs(untrained, tmp_path):
    """A study of two trials on scenes ends in a frontier whose payloads give boxes."""
    points = search_from(
        composed(
            "search",
            *SCENES,
            f"model.weights={untrained}",
            f"study.folder={tmp_path}/study",
            "study.n_trials=2",
            "suite.feature={rle-4:{name:rle,bits:4}}",  # a study compares with something untrained
            "data.holdout=0.3",
            "data.batch_size=4",
        )
    )
    assert points
    content = json.loads((tmp_path / "study" / "frontier" / "frontier.json").read_text())
    assert content["metric"] == "map"
    model = models.create("scenes_detector", untrained)
    device, server = bottleneck.load(tmp_path / "study" / "frontier", model)
    assert "boxes" in server(device(torch.zeros(3, 64, 64, dtype=torch.uint8)))[0]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_default_run_keeps_its_promise(cache_dir, tmp_path):
    """The embedded detector has a mAP of at least 0.4, and the default bottleneck keeps 0.9 of it."""
    few = ["data.val_limit=200", "suite.feature=null", "also_codecs=[]"]
    rows = train_and_measure(composed("train", "task=detection", *few), tmp_path)
    assert rows[0].value >= 0.4
    assert rows[1].value >= 0.9 * rows[0].value
