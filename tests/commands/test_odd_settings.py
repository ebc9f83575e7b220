"""Settings at and beyond their limits: a sentence that names the key, or a sane result."""

import json
import logging

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from PIL import Image
from torchvision.models import squeezenet1_1

from bottleneck.commands.config import config_dir
from bottleneck.commands.train import train_and_measure as train

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # Lightning's advice is not ours to follow

SHORT = (
    "device=cpu",
    "trainer.enable_progress_bar=false",
    "trainer.max_epochs=1",
    "data.val_limit=40",
    "data.train_limit=64",
    "suite.feature=null",
    "suite.input=null",
    "also_codecs=[]",
)


def composed(*overrides):
    with initialize_config_dir(config_dir(), version_base="1.3"):
        return compose("train", [*SHORT, *overrides])


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        ("unit.step=0", "unit.step=0 is no quantization step"),
        ("unit.step=nan", "unit.step=nan is no quantization step"),
        ("unit.step=1e-30", "unit.step=1e-30 is far too small"),
        ("alpha=nan", "alpha=nan must be a number"),
        ("unit.latent_channels=0", "unit.latent_channels=0 must be a whole number"),
        ("unit.latent_channels=2.5", "unit.latent_channels=2.5 must be a whole number"),
        ("unit.stride=0", "unit.stride=0 must be a whole number"),
        ("data.train_limit=1", "no batch of two training samples"),
        ("seed=-1", "seed=-1 must be a whole number from 0"),
        ("seed=99999999999", "seed=99999999999 must be a whole number"),
        ("optimizer.lr=1e10", "Training diverged"),
        ("split=[]", "split='' is no split point"),
        ("subset=foo", "no subset 'foo'"),
    ],
)
def test_training_beyond_the_limits_a_sentence_names_the_key(overrides, problem, tmp_path):
    """No raw error of a library, and nothing is trained for nothing."""
    with pytest.raises(ValueError, match=problem):
        train(composed(*overrides.split()), tmp_path)


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    "overrides",
    [
        "unit.step=1e30",
        "alpha=0",
        "alpha=1e30",
        "unit.latent_channels=100",
        "unit.stride=100",
        "data.val_limit=1",
        "data.batch_size=100000",
        "trainer.max_epochs=0",
        "optimizer.lr=0",
        "rate=density target_bytes=1",
        "rate=density target_bytes=1e9",
    ],
)
def test_training_at_the_limits_there_is_a_sane_result(overrides, tmp_path, caplog):
    """Bytes are counted and the metric is one; a unit that is of no use is called so."""
    with caplog.at_level(logging.WARNING):
        rows = train(composed(*overrides.split()), tmp_path)
    own = next(row for row in rows if row.kind == "trained")
    assert own.payload_bytes >= 1
    assert 0 <= own.value <= 1
    assert own.n > 30 or "val_limit=1" in overrides
    if own.value <= 0.1 and own.n > 30:
        assert "of no use" in caplog.text


FEW = ("device=cpu", "data.val_limit=40", "data.train_limit=64")
COMMANDS = {
    "search": (
        *("device=cpu", "trainer.max_epochs=1", "data.val_limit=40", "data.train_limit=200"),
        *("suite=features", "study.folder=PATH/study", "study.n_trials=1"),
    ),
    "evaluate": FEW,
    "analyze": (*FEW, "samples=4", "analyses=[coefficients]"),
    "plan": (*FEW, "samples=2"),
    "serve": ("device=cpu", "port=0", "page.port=null"),
    "stream": ("device=cpu", "server=localhost:9"),
    "demo": ("device=cpu", "page.port=null", "page.open=false"),
}


@pytest.fixture
def run(run_command, tmp_path):
    """Runs a command on little data; its exit code and what it said, errors last."""

    def given(command, overrides):
        words = [*COMMANDS.get(command, ()), *overrides.split(), "hydra.run.dir=PATH/run"]
        done = run_command(command, *(word.replace("PATH", str(tmp_path)) for word in words))
        return done.returncode, f"{done.stdout}\n{done.stderr}".strip()

    return given


@pytest.mark.sampled(12)
@pytest.mark.parametrize(
    ("command", "overrides", "problem"),
    [
        ("search", "study.n_trials=-1", "study.n_trials=-1 must be a whole number of at least 0"),
        ("search", "study.max_failures=-1", "study.max_failures=-1 must be a whole number of at least 0"),
        ("search", "study.workers=0", "study.workers=0 is no number of processes"),
        ("search", "study.seed=-1", "study.seed=-1 must be a whole number from 0"),
        ("search", "sampler=nsga2 sampler.sampler.population_size=0", "sampler.sampler.population_size=0. "),
        ("search", "trainer.max_epochs=-1", "trainer.max_epochs=-1 never ends"),
        ("search", "study.name=null", "study.name=None names no study"),
        ("search", "space.stride=[100]", "space.stride=(100,): none is smaller than the feature map (4, 4)"),
        ("search", "space.step=-1", "space.step=(-1.0, -1.0): a quantization step must be positive"),
        ("search", "space.step=0", "space.step=(0.0, 0.0): a quantization step must be positive"),
        ("search", "space.latent_channels=[0]", "space.latent_channels=(0,): give positive whole numbers"),
        ("search", "space.log10_alpha=1000", "space.log10_alpha=(1000,): alpha = 10^L is too large"),
        ("search", "study.constraints.max_bytes=nan", "study.constraints.max_bytes=nan must be a number"),
        ("evaluate", "suite=loss suite.loss.rates=[]", "suite.loss.rates=[] leaves nothing to measure"),
        ("evaluate", "suite=loss suite.loss.copies=0", "suite.loss.copies=0: a packet is sent at least once"),
        ("evaluate", "suite=loss suite.loss.copies=1000000000", "sent at least once, at most 100"),
        ("evaluate", "bundles=[zoo:digits/default] offsets=[0.7]", "offset=0.7 must be from 0"),
        ("evaluate", "adaptive.mean_bytes=[-1]", "adaptive.mean_bytes=-1 is no number of bytes"),
        ("evaluate", "data.val_limit=0", "data.val_limit=0 is no number of samples"),
        ("evaluate", "subset=select data.holdout=0", "subset=select is empty. Set data.holdout"),
        ("analyze", "samples=0", "samples=0 leaves nothing to analyse"),
        ("analyze", "samples=null", "samples=null gives no value where one is needed"),
        ("analyze", "analyses=[]", "analyses=[] asks nothing"),
        ("analyze", "analyses=[fourier] fourier.fractions=[a]", "fractions=[a] must be a list of numbers"),
        ("analyze", "analyses=[motion] motion.pixels=[1.5]", "motion.pixels=[1.5] is no way to move images"),
        ("analyze", "analyses=[quantization] quantization.drop=nan", "quantization.drop=nan is no share"),
        ("analyze", "analyses=[differences] differences.pan=8", "differences.pan=8 is no way to move images"),
        ("analyze", "analyses=[sizes] sizes.bins=1000000000000", "sizes.bins=1000000000000 give no bins"),
        ("analyze", "analyses=[relevance] relevance.top=0", "relevance.top=0 is no share"),
        ("profile", "tensors=0", "tensors=0 must be from 1"),
        ("choose", "max_bytes=1e-30", "No point keeps to max_bytes=1e-30"),
        ("choose", "kbit_s=0", "kbit_s=0 must be above 0"),
        ("plan", "samples=0", "samples=0 leaves nothing to measure"),
        ("plan", "link.bandwidth=0", "link.bandwidth=0 with link.rtt=0.03 is no link"),
        ("plan", "budget.drop=2", "budget.drop=2 is no share of a metric"),
        ("plan", "energy.computing=-1", "energy.computing=-1 is no energy"),
        ("serve", "batch.wait_ms=nan", "batch.wait_ms=nan make no batch"),
        ("serve", "limits.devices=0", "limits.devices=0 lets nothing through"),
        ("serve", "batch.wait_ms=1e30", "batch.wait_ms=1e+30 make no batch"),
        ("serve", "limits.message=0", "limits.message=0 lets nothing through"),
        ("serve", "limits.message=100000000000", "limits.message=100000000000 is more than gRPC carries"),
        ("serve", "token=[]", "token=[] cannot be sent"),
        ("serve", f"tls.certificate={__file__} tls.key={__file__}", "are no certificate in PEM"),
        ("serve", "datagrams.deadline=0", "datagrams.deadline=0 lets nothing through"),
        ("serve", "limits.grace=-1", "limits.grace=-1 is no time"),
        ("stream", "fps=1e-30", "fps=1e-30 is no pace"),
        ("stream", "fps=a", "fps=a is no pace"),
        ("stream", "timeout=1e30", "timeout=1e+30 is no time to wait"),
        (
            "stream",
            "transport=datagram datagrams.copies=0",
            "datagrams.copies=0: a datagram is sent at least",
        ),
        ("stream", "timeout=nan policy=accuracy", "timeout=nan is no time to wait"),
        ("stream", "plan=[]", "plan=[] must be a path"),
        ("stream", "cascade.sure=0.8 cascade.then.name=range", "codec 'range' codes no pictures"),
        ("stream", f"tls.authority={__file__}", "is no certificate in PEM"),
        ("stream", "link.rtt=-1", "link.rtt=-1 is no link"),
        ("demo", "slower=1e30", "slower=1e+30 makes no slower device"),
        ("demo", "link.loss=1", "link.loss=1 is no link"),
        ("export", "bundle=zoo:digits/early folder=5", "folder=5 must be a path"),
        ("export", "bundle=zoo:digits/early", "early is a frontier. Give one of its points"),
    ],
)
def test_beyond_the_limits_a_sentence_names_the_key(command, overrides, problem, run):
    """Of every command: one line, exit code 1, and no traceback."""
    code, said = run(command, overrides)
    assert code == 1
    last = said.splitlines()[-1]
    assert last.startswith(f"bottleneck {command}: ")
    assert problem in last


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("command", "overrides", "answer"),
    [
        ("search", "space.step=1e30", "No trial has been finished within the constraints"),
        ("search", "study.constraints.min_value=2 space.step=0.1", "No trial has been finished within"),
        ("evaluate", "data.val_limit=1 suite=features", "Written to"),
        ("analyze", "samples=1000000000 analyses=[coefficients]", "Written to"),
        ("analyze", "samples=1 analyses=[coefficients,differences,fourier,similarity]", "Written to"),
        ("choose", "kbit_s=1e-30", "Point 5: "),
        ("choose", "max_ms=1e30", "Point 5: "),
        ("plan", "samples=1 suite.input=null link.bandwidth=1e-30", "Written to"),
    ],
)
def test_at_the_limits_there_is_a_sane_result(command, overrides, answer, run, tmp_path):
    """Of every command: what was asked for is done, and what it writes is JSON."""
    code, said = run(command, overrides)
    assert code == 0, said
    assert answer in said
    for file in (tmp_path / "run").glob("*.json"):
        json.loads(file.read_text(), parse_constant=lambda name: pytest.fail(f"a file has {name}"))


@pytest.fixture
def images(tmp_path):
    """Makes folders of small photographs; returns what chooses them, and a network for so many classes."""

    def made(classes, train, val, equal=False):
        rng = np.random.default_rng(0)
        for label in range(classes):
            for part, count in (("train", train), ("val", val)):
                folder = tmp_path / "images" / part / f"class{label}"
                folder.mkdir(parents=True)
                for number in range(count):
                    pixels = np.zeros((34, 34, 3)) if equal else rng.integers(0, 256, (34, 34, 3))
                    Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
        return (
            "device=cpu data=imagefolder data.root=PATH/images data.short_side=34 data.crop=32 "
            "data.holdout=0 model=torchvision model.name=squeezenet1_1 model.weights=null "
            f"model.num_classes={classes} split=features.4 "
        )

    return made


ONE_EPOCH = "trainer.max_epochs=1 suite.feature=null suite.input=null also_codecs=[]"
STUDY = "study.name=few space.latent_channels=[2] space.stride=[1] data.holdout=0.5"
EACH = [("train", ONE_EPOCH), ("evaluate", "suite=features"), ("analyze", "analyses=[coefficients,fourier]")]
REFUSING = [*EACH, ("search", STUDY), ("plan", "frontier=PATH")]


@pytest.mark.sampled(2)
@pytest.mark.parametrize(("command", "overrides"), REFUSING)
def test_one_class_is_refused(command, overrides, images, run):
    """Whatever is answered would be right."""
    code, said = run(command, images(1, 4, 2) + overrides)
    assert code == 1
    assert "The data set has 1 class, and any answer is right" in said.splitlines()[-1]


@pytest.mark.sampled(2)
@pytest.mark.parametrize(("command", "overrides"), REFUSING)
def test_empty_val_is_refused(command, overrides, images, run):
    """What has no image is named, with its folder."""
    code, said = run(command, images(2, 4, 0) + overrides)
    assert code == 1
    assert "images/val for: class0, class1. Add images" in said.splitlines()[-1]


@pytest.mark.sampled(2)
@pytest.mark.parametrize(("command", "overrides"), EACH)
@pytest.mark.parametrize(("train", "val", "equal"), [(1, 1, False), (4, 2, True)])
def test_one_image_and_equal_images_have_a_sane_result(command, overrides, train, val, equal, images, run):
    """A class with one image, and images that differ in nothing, are measured like others."""
    code, said = run(command, images(2, train, val, equal) + overrides)
    assert code == 0, said
    assert "Written to" in said
    assert "nan" not in said


def test_a_study_has_images_to_rank_on_and_images_to_learn_from(images, run):
    """Where it has none, a line says which key gives it some, however many trials may fail."""
    few = images(2, 1, 1) + STUDY
    code, said = run("search", f"{few} data.holdout=0")
    assert (code, "No images are held out" in said.splitlines()[-1]) == (1, True)
    code, said = run("search", f"{few} study.max_failures=0")
    assert code == 1
    assert "no batch of two training samples or more" in said.splitlines()[-1]
    assert "1 trials failed, study.max_failures=0" in said.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.parametrize(("train", "val", "equal"), [(1, 1, False), (4, 2, True)])
def test_one_image_and_equal_images_are_planned_with_and_streamed(train, val, equal, images, run, tmp_path):
    """A plan of the unit that was trained on them, and a device that sends them, alone as it is."""
    torch.save(squeezenet1_1(num_classes=2).state_dict(), tmp_path / "weights.pth")
    few = f"{images(2, train, val, equal)} model.weights=PATH/weights.pth"
    network = few[few.index("model=") : few.index("split=")] + "model.weights=PATH/weights.pth"
    for command, overrides, written in (
        ("train", f"{few} {ONE_EPOCH}", "bundle/"),
        ("plan", f"{few} split=input frontier=PATH/run/bundle", "plan.json"),
        ("stream", f"{network} frontier=PATH/run/bundle source=PATH/images/val", "frames.jsonl"),
    ):
        code, said = run(command, overrides)
        assert code == 0, said
        assert written in said
        assert "nan" not in said


@pytest.mark.slow
def test_a_study_of_equal_images_ends_in_words(images, run):
    """Nothing can be learned from them: no trial is of use, and that is said."""
    code, said = run("search", images(2, 6, 2, True) + STUDY)
    assert code == 0, said
    assert "No trial has been finished within the constraints" in said
