"""Every file in conf/ composes and makes what it says."""

import importlib
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.errors import ConfigCompositionException
from hydra.utils import get_class, get_method, instantiate
from omegaconf import OmegaConf

from bottleneck import codecs
from bottleneck.commands.config import config_dir
from bottleneck.commands.setup import point_of, recipe_of

CONF = Path(config_dir())
GROUPS = sorted(
    (file.parent.name, file.stem)
    for file in CONF.glob("*/[a-z]*.yaml")  # a leading underscore: what others of the group share
    if file.parent.name != "experiment"
)
EXPERIMENTS = sorted(file.stem for file in CONF.glob("experiment/*.yaml"))


def composed(name="train", *overrides):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose(name, list(overrides))


@pytest.mark.parametrize("name", sorted(f.stem for f in CONF.glob("*.yaml")))
def test_every_command_composes_without_arguments(name):
    """Each command's configuration is complete as it stands."""
    OmegaConf.to_container(composed(name), resolve=True, throw_on_missing=True)


@pytest.mark.sampled(30)
@pytest.mark.parametrize(("group", "option"), GROUPS)
def test_every_option_composes_and_names_something_real(group, option):
    """Each file of each group composes into a command that has the group, and its targets exist."""
    cfg = composed("plan" if group == "link" else "search", f"{group}={option}")[group]
    targets = [cfg["_target_"]] if "_target_" in cfg and not OmegaConf.is_missing(cfg, "_target_") else []
    for target in targets:
        try:
            get_method(target)
        except ValueError:
            get_class(target)


@pytest.mark.parametrize("option", sorted(o for g, o in GROUPS if g == "suite"))
def test_suites_make_codecs_for_every_image_and_feature(option):
    """Each method of each suite is a codec for digits and for photographs alike."""
    suite = composed("evaluate", f"suite={option}").suite
    for at, shapes in {"feature": [(64, 4, 4), (320, 7, 7)], "input": [(1, 8, 8), (3, 224, 224)]}.items():
        for settings in (suite[at] or {}).values():
            for options in [settings] if "name" in settings else settings.values():
                for shape in shapes:
                    assert codecs.create(shape=shape, **options).shape == shape


@pytest.mark.sampled(4)
@pytest.mark.parametrize("option", sorted(o for g, o in GROUPS if g == "data"))
def test_data_configurations_make_data_sets_without_the_data(option, tmp_path):
    """Each data set is made from its configuration with every option known, before any file is touched."""
    rooted = OmegaConf.is_missing(composed("train", f"data={option}").data, "root")
    overrides = [f"data.root={tmp_path}"] if rooted else []
    cfg = composed("train", f"data={option}", "data.batch_size=5", *overrides)
    data = instantiate(cfg.data)
    assert len(data.image_shape) == 3
    assert data.batch_size == 5


@pytest.mark.sampled(6)
@pytest.mark.parametrize(
    "option",
    sorted(o for g, o in GROUPS if g == "model"),
)
def test_model_configurations_make_networks(option):
    """Each network is made from its configuration, with random weights where it has to be downloaded."""
    if option == "efficientnet_lite0":
        pytest.importorskip("efficientnet_lite_pytorch", reason="extra `efficientnet` is not installed")
    package = {"timm": "timm", "huggingface": "transformers"}.get(option)
    if package is not None:
        pytest.importorskip(package, reason=f"extra `{option}` is not installed")
    overrides = {
        "timm": ["model.name=mobilenetv3_small_050"],
        "huggingface": [
            "model.name=vit",
            "model.config={hidden_size:16,num_hidden_layers:1,intermediate_size:16,num_attention_heads:2}",
        ],
        "torchvision": ["model.name=squeezenet1_1"],
        "custom": ["model.network._target_=torchvision.models.squeezenet1_1"],
    }
    network = instantiate(
        composed("train", f"model={option}", *overrides.get(option, [])).model, weights=None
    )
    assert not network.training
    assert network.input_shape[0] in (1, 3)


@pytest.mark.sampled(16)
@pytest.mark.parametrize("experiment", EXPERIMENTS)
@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_experiments_compose_for_every_command(experiment, command, tmp_path):
    """Each experiment is complete once the data's folder and the checkpoint are named."""
    overrides = [f"experiment={experiment}", f"data.root={tmp_path}"]
    cfg = composed(command, *overrides)
    if OmegaConf.is_missing(cfg.model, "weights"):
        cfg = composed(command, *overrides, "model.weights=w.safetensors")
    OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    "experiment",
    [
        "espnet",
        "imagenette",
        "imagenette_early",
        "imagenette_mid",
        "imagenette_resnet18_mid",
        "resnet20_cifar",
        "resnet50_early",
        "squeezenet",
        "yolox_nano",
    ],
)
def test_drop_that_is_asked_for_takes_the_place_of_an_experiments_bytes(experiment, tmp_path):
    """`target_drop=0.01` alone aims at one point, judged on held-out images; both by the user are refused."""
    where = [f"experiment={experiment}", f"data.root={tmp_path}", "model.weights=w.safetensors"]
    plain, asked = composed("train", *where), composed("train", *where, "target_drop=0.01")
    assert (plain.target_bytes > 0, plain.data.holdout) == (True, 0)
    point = point_of(asked)
    assert (point.target_bytes, point.target_drop, asked.data.holdout) == (None, 0.01, 0.1)
    assert composed("train", *where, "target_bytes=300").target_bytes == 300
    with pytest.raises(ValueError, match=r"target_bytes=300 and target_drop=0\.01 exclude each other"):
        point_of(composed("train", *where, "target_bytes=300", "target_drop=0.01"))


@pytest.mark.parametrize(
    ("number", "split"), [(1, "layer4.2"), (2, "layer4.1"), (3, "layer4.0"), (4, "layer3.4")]
)
def test_paper_experiments_are_the_papers_split_points(number, split, tmp_path):
    """`resnet50_s1` to `_s4` cut ResNet-50 where the paper's table does, on ImageNet at 224."""
    cfg = composed("train", f"experiment=resnet50_s{number}", f"data.root={tmp_path}")
    assert (cfg.split, cfg.model.name) == (split, "resnet50")
    assert instantiate(cfg.data).preprocessing == {"short_side": 256, "crop": 224}


@pytest.mark.parametrize(
    ("number", "split"),
    [
        ("1", "classifier.0.convs.1"),
        ("1_closed", "classifier.0.project"),
        ("2", "backbone.layer4"),
        ("3", "backbone.layer4.1"),
        ("4", "backbone.layer3"),
    ],
)
def test_papers_segmentation_experiments(number, split, tmp_path):
    """`deeplabv3_s1` to `_s4` cut DeepLabV3 where the paper does, on COCO at 513; the first alone is open."""
    cfg = composed("train", f"experiment=deeplabv3_s{number}", f"data.root={tmp_path}")
    assert (cfg.split, cfg.model.name) == (split, "deeplabv3_resnet50")
    assert instantiate(cfg.data).preprocessing == {"short_side": 513, "crop": 513}
    assert cfg.open_cut == (number == "1")


def test_task_brings_network_and_data_that_may_be_overridden():
    """`task=segmentation` is complete by itself; what the command line says still counts."""
    cfg = composed("train", "task=segmentation")
    assert (cfg.model.name, cfg.data._target_) == ("scenes_segmenter", "bottleneck.data.SemanticScenes")
    cfg = composed("train", "task=segmentation", "data=digits", "alpha=7")
    assert (cfg.data._target_, cfg.alpha) == ("bottleneck.data.Digits", 7)


@pytest.mark.parametrize("override", ["unit.latent_chanels=3", "aplha=1", "data.rot=x"])
def test_typing_slips_fail_at_composition(override):
    """A mistyped key is an error before anything is trained."""
    with pytest.raises(ConfigCompositionException):
        composed("train", override)


def test_installed_configuration_is_found(monkeypatch, tmp_path):
    """In a wheel, conf/ lies inside the package; the helper finds it there."""
    folder = importlib.import_module("bottleneck.commands.folder")
    (tmp_path / "bottleneck" / "conf").mkdir(parents=True)
    monkeypatch.setattr(folder, "__file__", str(tmp_path / "bottleneck" / "commands" / "folder.py"))
    assert folder.config_dir() == str(tmp_path / "bottleneck" / "conf")


@pytest.mark.parametrize(
    ("able", "precision"),
    [({}, "32-true"), ({"avx512_bf16": True}, "32-true"), ({"amx_bf16": True}, "bf16-mixed")],
)
@pytest.mark.parametrize("device", ["auto", "cpu", "cuda"])
def test_precision_is_what_the_processor_is_fast_in(monkeypatch, device, able, precision):
    """Without AMX a step in bfloat16 would take longer, up to fourteen times, so float32 it is there."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)  # nobody needs one to be told so
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    assert composed("train", "experiment=imagenette_mid", f"device={device}").trainer.precision == precision


def test_precision_that_is_slow_is_told(monkeypatch, caplog):
    """Who asks for bfloat16 on a processor without it is told of float32; who has it is not."""
    asked = composed("train", "trainer.precision=bf16-mixed", "device=cpu")
    for able, told in (({"amx_bf16": True}, ""), ({}, "takes longer than 32-true here")):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda able=able: able)
        recipe_of(asked)
        assert told in caplog.text
        assert bool(told) == bool(caplog.text)
