"""Starting commands: help that helps, and mistakes that are answered in a line."""

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from bottleneck.commands import COMMANDS, main
from bottleneck.commands.config import config_dir
from bottleneck.commands.help import help_of

ROOT = Path(__file__).resolve().parent.parent.parent


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bottleneck", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


def test_commands_are_listed():
    """Without a command, each is shown with a line on what it does."""
    done = run()
    assert done.returncode == 0
    assert all(f"  {name}" in done.stdout and text in done.stdout for name, text in COMMANDS.items())


def test_mistyped_command_is_answered_with_the_nearest():
    """A command that does not exist ends in one line and exit code 1."""
    done = run("serach")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "Did you mean 'search'?" in done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_help_says_what_how_and_which_keys(command):
    """What the command does comes first, then two examples, then the keys that matter with their meaning."""
    lines = help_of(command, COMMANDS[command]).splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[0] == COMMANDS[command]
    assert all(line.startswith(f"  bottleneck {command}") for line in lines[2:4])
    keys = lines[lines.index("Keys that matter:") + 1 :]
    keys = re.split(r"\n(?=  \S)", "\n".join(keys[: keys.index("")]))  # a long meaning takes several lines
    assert len(keys) >= 2
    assert all(len(line.split(None, 1)[1]) > 15 for line in keys), "each key has its meaning"


def test_parsers_that_check_every_help_are_got_along_with(monkeypatch, tmp_path, capsys):
    """As Python 3.14's does: one help of Hydra's is no text. Other parsers are checked again afterwards."""
    add = argparse.ArgumentParser.add_argument

    def check(self, action):
        assert isinstance(action.help, str | None), "badly formed help string"

    def added(self, *names, **options):
        action = add(self, *names, **options)
        self._check_help(action)
        return action

    monkeypatch.setattr(argparse.ArgumentParser, "_check_help", check, raising=False)
    monkeypatch.setattr(argparse.ArgumentParser, "add_argument", added)
    monkeypatch.setattr(sys, "argv", ["bottleneck", "choose", "max_bytes=8"])
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    monkeypatch.chdir(tmp_path)
    main()
    assert "Point 3: " in capsys.readouterr().out
    assert argparse.ArgumentParser._check_help is check


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_is_printed_before_anything_heavy_is_loaded(flag):
    """`--help` of a command is that text."""
    done = run("train", flag)
    assert done.stdout.startswith(COMMANDS["train"])


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("mistake", "answer"),
    [
        ("unit.stpe=4", "unit.step"),
        ("alhpa=1", "alpha"),
        ("step=4", "unit.step"),
        ("unit=slimm", "slim"),
        ("trainer.max_epoch=4", "trainer.max_epochs"),
        ("unit.step=[", "unit.step=["),
    ],
)
def test_slip_of_the_pen_is_answered_at_once(mistake, answer):
    """A misspelt key or choice is one line with the nearest one, before torch would have been imported."""
    start = time.monotonic()
    done = run("train", mistake)
    assert done.returncode == 1
    assert done.stderr.startswith("bottleneck train: "), done.stderr
    assert done.stderr.count("\n") == 1
    assert answer in done.stderr
    assert time.monotonic() - start < 10  # a second on a machine that does nothing else


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (("train", "alpha=-1"), "alpha=-1"),
    ],
)
def test_mistakes_of_the_user_end_in_one_line(arguments, answer, digits_network, tmp_path):
    """What the package itself refuses is a sentence on stderr and exit code 1, not a traceback."""
    done = run(*arguments, f"hydra.run.dir={tmp_path}")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "Error executing job" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"bottleneck {arguments[0]}: ")
    assert answer in last


@pytest.mark.sampled(12)
@pytest.mark.filterwarnings("ignore")  # as in a process of its own
@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (("train", "unit.step=abc"), "unit.step=abc must be a number, such as 1.0."),
        (("evaluate", "bundles=[nowhere]"), "nowhere"),
        (("train", "split=layer9"), "Similar names"),
        (("train", "codec.name=huffmann"), "huffman"),
        (("export",), "bundle="),
        (("train", "data.holdout=2"), "data.holdout=2"),
        (("train", "trainer.precision=bf16-true"), "bf16-mixed"),
        (("train", "seed=abc"), "seed=abc must be a whole number, such as 0."),
        (("train", "data.batch_size=1.5"), "data.batch_size=1.5 must be a whole number"),
        (("train", "split=3"), "split='3' is no split point"),
        (("train", "ckpt_path=nowhere"), "ckpt_path=nowhere is no file"),
        (("train", "trainer.devices=abc"), "trainer="),
        (("analyze", "analyses=foo"), "'foo' is unknown"),
        (("evaluate", "pictures=-1"), "pictures=-1 is no number of images"),
        (("analyze", "analyses=[fourier]", "fourier.fractions=0.5", "samples=4"), "must be a list"),
        (("choose", "max_bytes=abc"), "max_bytes=abc is no number"),
        (("choose", "kbit_s=nan"), "kbit_s=nan"),
        (("choose", "frontier=[a,b]"), "frontier"),
        (("serve", "frontier=[]"), "frontier="),
        (("serve", "frontier=3"), "3 is no path"),
        (("serve", "page.port=-1", "port=0"), "page.port=-1"),
        (("train", "suite=null"), "suite=null chooses nothing. Choose one of baselines, carra, cohen"),
        (("train", "suite.feature=nothing"), "suite.feature=nothing must be a mapping, of feature-float32"),
        (("train", "model.weights=3"), "model.weights=3 must be a path"),
        (("train", "cache.max_gb=-1"), "cache.max_gb=-1 must be a number of GB of at least 0"),
        (("train", "data.num_workers=-1"), "data.num_workers=-1 is no number of processes"),
        (("train", "data=imagefolder"), "data.root has no value. Give data.root=..."),
        (("train", "cutmix=0.5", "device=null"), "device=None is unknown. Use auto, cpu or cuda."),
        (("train", "average=0.5", "cache.max_gb=abc"), "cache.max_gb=abc must be a number of GB"),
        (("train", "trainer.max_epochs=1", "cache.dir=3"), "cache.dir=3 must be a path."),
        (("train", "cutmix=abc"), "cutmix=abc must be a number, such as 0.0."),
        (("train", "optimizer._target_=nope"), "optimizer cannot be made: Error loading 'nope'"),
        (("train", "suite.feature=null", "+data.foo=1"), "+data.foo=1 is of a wrong kind (ImageData"),
        (("train", "loss._target_=torch.nn.Linear"), "loss._target_=torch.nn.Linear is of a wrong kind"),
        (("train", "ckpt_path=PATH"), "is no checkpoint of a training. Give RUN/checkpoints/last.ckpt."),
        (("train", "trainer.max_epochs=null"), "trainer.max_epochs=null never ends"),
        (("train", "scheduler.warm_up=2"), "scheduler.warm_up=2 must be a share of the steps"),
        (("train", "scheduler=steps", "scheduler.milestones=[2]"), "scheduler.milestones=[2] must be shares"),
        (("train", "rate=density", "target_bytes=inf"), "target_bytes=inf must be finite and at least 1"),
        (("train", "objective=features", "objective.layers=3"), "objective.layers=3 must be a list"),
        (("train", "objective=sum", "objective.weights=3"), "objective.weights=3 must be a mapping"),
        (("evaluate", "seed=-1"), "seed=-1 must be a whole number from 0 to 4294967295."),
        (
            ("evaluate", "suite=loss", "suite.loss.models=[]"),
            "suite.loss.models=[] leaves nothing to measure",
        ),
        (("evaluate", "suite=loss", "suite.loss.seed=-1"), "suite.loss.seed=-1 must be a whole number"),
        (("evaluate", "cascade.sure=abc", "suite=pictures"), "cascade.sure=abc is no probability"),
        (("profile", "input_shape=[1,-8,8]"), "input_shape=[1, -8, 8] must be [C, H, W]"),
        (("profile", "depth=0"), "depth=0 is no level of modules"),
        (
            ("export", "bundle=zoo:digits/early", "target=null"),
            "target=None is unknown. Choose onnx or torch.",
        ),
        (("plan", "device_times=/nope"), "device_times=/nope is no file."),
        (("plan", "link.outage=[10,20]"), "there is no key link.outage."),
        (("stream", "link.trace=null"), "there is no key link.trace."),
        (("search", "study.constraints.min_value=abc"), "study.constraints.min_value=abc must be a number"),
        (("search", "study.pruning.after=2"), "study.pruning.after=2 must be a share"),
        (("search", "space.step=null"), "space.step=(None,): give [lowest, highest]"),
        (("search", "space.stride=[abc]"), "space.stride=[abc] must be a list of numbers, such as ["),
        (("search", "study.storage=journal:///PATH"), "that file is no journal, and stays as it is."),
        (
            ("serve", "page.port=1.5", "port=0"),
            "page.port=1.5 must be a whole number, such as 8050.",
        ),
        (("serve", "keep=1.5", "port=0"), "keep=1.5 must be a whole number, such as 16."),
        (("plan", "samples=2.5"), "samples=2.5 must be a whole number, such as 200."),
        (("train", "open_cut=abc"), "open_cut=abc must be true or false."),
        (("train", "warm_start=3"), "warm_start=3 must be a mapping, of objective, epochs, alpha."),
        (("stream", "crc=1"), "crc=1 must be true or false."),
        (("demo", "link.loss=abc"), "link.loss=abc must be a number, such as 0.0."),
    ],
)
def test_values_of_the_wrong_kind_end_in_one_line(arguments, answer, tmp_path, monkeypatch, capsys):
    """A word for a number, one value for a list, a number that is none: key and cure, whoever stumbled."""
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    (tmp_path / "notes.md").write_text("# Notes that are somebody's own\n")
    arguments = [argument.replace("PATH", str(tmp_path / "notes.md")) for argument in arguments]
    monkeypatch.setattr(sys, "argv", ["bottleneck", *arguments, f"hydra.run.dir={tmp_path}"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith(f"bottleneck {arguments[0]}: ")
    assert answer in last
    assert (tmp_path / "notes.md").read_text() == "# Notes that are somebody's own\n"
    if "is of a wrong kind" in last:
        assert "Traceback" in (tmp_path / "error.txt").read_text()


@pytest.mark.slow
def test_full_errors_can_be_had(tmp_path):
    """`HYDRA_FULL_ERROR=1` brings the traceback back."""
    done = run("export", f"hydra.run.dir={tmp_path}", HYDRA_FULL_ERROR="1")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "ValueError: bundle=" in done.stderr


def test_nothing_heavy_is_loaded_before_the_configuration_is_read():
    """Starting a command imports neither torch nor Lightning nor Optuna."""
    code = (
        "import sys; from bottleneck import commands; import bottleneck.commands.errors\n"
        "assert not {'torch', 'pytorch_lightning', 'optuna', 'numpy', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("script", ["train.py", "evaluate.py"])
def test_scripts_of_the_checkout_start_the_same_commands(script):
    """The two scripts at the top are nothing but a name."""
    done = subprocess.run(
        [sys.executable, ROOT / script, "--help"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.startswith(COMMANDS[script.removesuffix(".py")])


def test_every_key_with_a_meaning_is_a_key():
    """Comments of the configuration stand behind keys that exist."""
    base = yaml.safe_load((Path(config_dir()) / "base.yaml").read_text("utf-8"))
    assert {"split", "alpha", "subset", "also_codecs", "device", "seed"} <= set(base)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder into which nothing but a wheel of the checkout was installed."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip"]
    subprocess.run([*pip, "wheel", "--no-deps", "-q", "-w", folder, ROOT], check=True)
    (wheel,) = folder.glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "-q", "--target", folder / "site", wheel], check=True)
    return folder / "site"


def run_installed(site: Path, *arguments: str) -> str:
    """What the wheel's console script prints; it runs where the checkout is not seen."""
    done = subprocess.run(
        [site / "bin" / "bottleneck", *arguments],
        cwd=site.parent,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_wheel_has_every_file(installed):
    """Code, embedded networks, the zoo, the page and every configuration are in the wheel."""

    def files_in(folder: Path) -> set[Path]:
        found = {file.relative_to(folder) for file in folder.rglob("*") if file.is_file()}
        return {file for file in found if "__pycache__" not in file.parts and file.name[0] != "."}  # locks

    wanted = files_in(ROOT / "bottleneck") | {Path("conf") / file for file in files_in(ROOT / "conf")}
    assert wanted == files_in(installed / "bottleneck")


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_wheel_alone_composes_every_command(command, installed):
    """The console script's commands find their configuration without the checkout."""
    assert yaml.safe_load(run_installed(installed, command, "--cfg", "job"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (("train", "trainer.max_epochs=1", "also_codecs=[]"), r"^bottleneck +layer2 "),
        (("profile",), r"^layer2 "),
        (("choose",), r"^Point \d+: 0\.9"),
        (
            ("evaluate", "bundles=[zoo:digits/early]", "also_codecs=[]", "data.val_limit=20"),
            r"^bundle:\w+ +layer1 ",
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_wheel_alone_can_do_everything(arguments, answer, installed, tmp_path):
    """What comes with the wheel is enough to train, to profile, and to choose and measure points."""
    printed = run_installed(installed, *arguments, f"hydra.run.dir={tmp_path}")
    assert re.search(answer, printed, re.MULTILINE), printed
