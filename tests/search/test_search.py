"""`bottleneck search`, end to end on the digits."""

import datetime
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import optuna
import pytest
from hydra import compose, initialize_config_dir
from optuna.exceptions import StorageInternalError
from optuna.storages.journal import _storage
from optuna.trial import TrialState
from PIL import Image
from sqlalchemy.exc import OperationalError

import bottleneck
from bottleneck.commands import search as command
from bottleneck.commands.config import config_dir
from bottleneck.commands.search import search_from
from bottleneck.deploy.frontier import read_bundles
from bottleneck.search import leases, study
from bottleneck.search.frontiers import save_frontier
from bottleneck.search.places import Outcome, fate, settle
from bottleneck.search.progress import Progress
from bottleneck.search.storage import answering, open_storage
from bottleneck.search.trials import Constraints

pytestmark = pytest.mark.filterwarnings(
    "ignore::UserWarning"
)  # Lightning's advice is not ours to follow here

SHORT = (
    "device=cpu",
    "trainer.max_epochs=2",
    "trainer.enable_progress_bar=false",
    "data.train_limit=200",
    "data.val_limit=100",
    "space.log10_alpha=[0.5, 1.5]",
    "space.step=[0.1, 0.5]",  # two epochs leave larger steps nothing but zeros
)


def composed(folder, *overrides):
    with initialize_config_dir(config_dir(), version_base="1.3"):
        where = [f"study.folder={folder}", f"study.storage={storage_of(folder)}"]
        return compose("search", [*SHORT, *where, *overrides])


def storage_of(folder):
    """Journal URLs are relative to the working folder with three slashes, absolute with four."""
    return f"journal:///{folder}/study.journal"


def trials_of(folder):
    return [json.loads(line) for line in (folder / "trials.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, cache_dir):
    """A finished study of five trials, shared by the tests below."""
    folder = tmp_path_factory.mktemp("study")
    search_from(composed(folder, "study.n_trials=5", "study.pruning.after=null"))
    return folder


def test_study_ends_in_a_frontier_that_runs(folder, digits_network, digits_images):
    """Every point of the written frontier is loaded and used; bpp rises and the picture is there."""
    description = json.loads((folder / "frontier" / "frontier.json").read_text())
    rates = [point["bpp"] for point in description["points"]]
    assert rates == sorted(rates)
    assert {"id", "bpp", "payload_bytes", "value"} <= set(description["points"][0])
    device, server = bottleneck.load(folder / "frontier", digits_network)
    for point in device.points:
        payload = device(digits_images[0], point=point.id)
        assert payload[0] == point.id
        assert server(payload).shape == (1, 10)
    with Image.open(folder / "frontier.png") as picture:
        assert picture.width > 500


def test_report_shows_every_finished_trial(folder, report_content):
    """Frontier points with their id's byte, all other finished trials, and the untrained methods."""
    carried = report_content(folder / "report.html")
    points = json.loads((folder / "frontier" / "frontier.json").read_text())["points"]
    shown = [mark["payload_bytes"] for mark in carried["marks"] if mark["kind"] == "frontier"]
    assert sorted(shown) == [point["payload_bytes"] for point in points]
    on_frontier = {point["settings"]["trial"] for point in points}
    others = {t["number"] for t in trials_of(folder) if t["state"] == "COMPLETE"} - on_frontier
    kinds = Counter(mark["kind"] for mark in carried["marks"])
    assert (kinds["frontier"], kinds["trial"]) == (len(points), len(others))
    untrained = {mark["name"] for mark in carried["marks"] if mark["kind"] == "untrained"}
    assert {"feature-float32", "rle-2", "tiled-png-16"} <= untrained
    assert "finished trials; there are" in carried["importances"]["note"]


@pytest.mark.skipif(not os.path.exists("/proc/self"), reason="this system has no /proc")
@pytest.mark.parametrize("key", ["folder", "artifacts"])
def test_place_where_nothing_can_be_written_is_found_before_a_trial(tmp_path, monkeypatch, key):
    """A study whose frontier or units could not be kept trains nothing for nothing."""
    monkeypatch.setattr(study.Bench, "prepare", lambda *_: pytest.fail("a trial was prepared"))
    with pytest.raises(OSError, match=r"/proc/none cannot be written .* Name another place"):
        search_from(composed(tmp_path, f"study.{key}=/proc/none"))


def test_objectives_have_names(folder):
    """Other programs that open the study, such as optuna-dashboard, find what its objectives are."""
    study = optuna.load_study(study_name=None, storage=open_storage(storage_of(folder)))
    assert study.metric_names == ["bpp", "accuracy_top1"]


def test_frontier_is_chosen_on_select_and_reported_on_val(folder):
    """No finished trial beats a chosen one on the selection samples; the stated numbers are those of val."""
    trials = {t["number"]: t for t in trials_of(folder)}
    points = json.loads((folder / "frontier" / "frontier.json").read_text())["points"]
    for point in points:
        trial = trials[point["settings"]["trial"]]
        assert point["value"] == trial["val"]["value"]
        assert point["payload_bytes"] == trial["val"]["payload_bytes"] + 1
        rate, value = trial["values"]
        assert not any(
            r <= rate and v >= value and (r, v) != (rate, value)
            for r, v in (t["values"] for t in trials.values())
        )


def test_same_command_continues_to_the_total(folder):
    """Seven trials in total after five were done means two more, and the first five stay as they were."""
    before = trials_of(folder)
    search_from(composed(folder, "study.n_trials=7", "study.pruning.after=null"))
    after = trials_of(folder)
    assert [t["params"] for t in after[:5]] == [t["params"] for t in before]
    assert len(after) == 7
    assert len({json.dumps(t["params"]) for t in after}) == 7


def test_summary_alone_trains_nothing(folder):
    """`study.n_trials=0` writes the frontier of what is there."""
    count = len(trials_of(folder))
    (folder / "frontier" / "frontier.json").unlink()
    points = search_from(composed(folder, "study.n_trials=0"))
    assert points
    assert len(trials_of(folder)) == count
    assert (folder / "frontier" / "frontier.json").exists()


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ("trainer.max_epochs=3", "max_epochs"),
        ("cutmix=0.5", "cutmix"),
        ("data.batch_size=16", "batch_size"),
        ("loss=prefix", "loss"),
    ],
)
def test_other_settings_do_not_mix_into_a_study(folder, changed, key):
    """The same study with another training is refused, naming what differs."""
    with pytest.raises(ValueError, match=rf"other settings: \['{key}'\] differ"):
        search_from(composed(folder, changed))


@pytest.fixture
def copied(folder, tmp_path):
    """A copy of the finished study: its folder, and the study."""
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    return tmp_path, optuna.load_study(study_name=None, storage=open_storage(storage_of(tmp_path)))


def test_another_limit_holds_for_the_trials_of_before(copied):
    """A summary under new constraints keeps every point off the frontier that breaks one."""
    folder, _ = copied
    sizes = {t["number"]: t["select"]["payload_bytes"] for t in trials_of(folder) if t["values"]}
    before = search_from(composed(folder, "study.n_trials=0"))
    limit = max(sizes[point.settings["trial"]] for point in before) - 0.01
    points = search_from(composed(folder, "study.n_trials=0", f"study.constraints.max_bytes={limit}"))
    assert all(sizes[point.settings["trial"]] <= limit for point in points)


@pytest.mark.slow
def test_trials_that_another_program_adds_are_no_points(copied):
    """A finished trial without rows and bundle, say of optuna-dashboard, stops nothing and shows nowhere."""
    folder, study = copied
    before = search_from(composed(folder, "study.n_trials=0"))
    study.add_trial(optuna.trial.create_trial(values=(0.0, 1.0)))
    assert search_from(composed(folder, "study.n_trials=0")) == before
    assert trials_of(folder)[-1]["fate"] == "finished"


def flip(file):
    """Change a digit of a description, or a bit of weights."""
    content = bytearray(file.read_bytes())
    at = content.rfind(b"1")
    content[at] = ord("7")
    file.write_bytes(content)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("name", ["bundle.json", "unit.safetensors"])
@pytest.mark.parametrize("damage", [flip, Path.unlink])
def test_damaged_unit_spoils_no_other_point(copied, caplog, name, damage):
    """A trial whose unit was changed or removed is left out and named; the rest of the frontier stands."""
    folder, _ = copied
    before = search_from(composed(folder, "study.n_trials=0"))
    lost = before[0].settings["trial"]
    artifact = trials_of(folder)[lost]["bundle"][name]
    damage(folder / "artifacts" / artifact)
    points = search_from(composed(folder, "study.n_trials=0"))
    assert f"trial {lost} is left out of the frontier" in caplog.text
    assert artifact in caplog.text
    assert lost not in [point.settings["trial"] for point in points]
    assert read_bundles(folder / "frontier")[0] == points
    known = {trial.settings["trial"] for trial in before} - {lost}
    assert known <= {point.settings["trial"] for point in points}


@pytest.mark.slow
def test_emptied_storage_is_said(copied, caplog):
    """Where a study was, and its storage knows of none, a new one begins, with one warning."""
    folder, _ = copied
    (folder / "study.journal").write_bytes(b"")
    search_from(composed(folder, "study.n_trials=1"))
    search_from(composed(folder, "study.n_trials=1"))
    assert caplog.text.count("study.name=digits_resnet-layer2 is not in study.storage, although") == 1
    assert len(trials_of(folder)) == 1


def test_command_waits_for_the_last_trials_of_others(copied, monkeypatch):
    """Whoever holds them may die, or die before writing: all end with a frontier of the whole study."""
    folder, known = copied
    monkeypatch.setattr(study, "_LOOK_S", 0.05)
    place = len(known.trials)
    known.enqueue_trial({}, user_attrs={"place": place, "failures": 0, leases.KEY: leases.lease()})
    trial, done = known.ask(), known.trials[0]
    outcome = Outcome(TrialState.COMPLETE, {**done.user_attrs, "place": place}, tuple(done.values))
    other, held = threading.Timer(1.0, settle, (known, trial, outcome)), study.held

    def begun(*given):
        if other.ident is None:
            other.start()
        return held(*given)

    monkeypatch.setattr(study, "held", begun)
    search_from(composed(folder, f"study.n_trials={place + 1}"))
    other.join()
    assert trials_of(folder)[-1]["fate"] == "finished"


def test_several_devices_are_several_commands(tmp_path):
    """A trial that Lightning would spread over devices is refused with what to do instead."""
    with pytest.raises(ValueError, match=r"trainer\.devices=2.*one command for each GPU"):
        search_from(composed(tmp_path, "trainer.devices=2"))


def test_study_needs_something_to_compare_with(tmp_path):
    """Without any untrained method a study has no hypervolume, and says so before it trains."""
    with pytest.raises(ValueError, match=r"suite.feature is empty.*suite=features"):
        search_from(composed(tmp_path, "suite.feature=null"))


@pytest.mark.slow
def test_constraints_keep_trials_off_the_frontier(tmp_path):
    """With a byte budget that only small latents keep, the frontier has only trials within it."""
    search_from(composed(tmp_path, "study.n_trials=4", "study.constraints.max_bytes=6"))
    points = json.loads((tmp_path / "frontier" / "frontier.json").read_text())["points"]
    sizes = [t["select"]["payload_bytes"] for t in trials_of(tmp_path) if t["state"] == "COMPLETE"]
    assert max(sizes) > 6, "a budget that everything keeps would prove nothing"
    trials = {t["number"]: t for t in trials_of(tmp_path)}
    assert all(trials[p["settings"]["trial"]]["select"]["payload_bytes"] <= 6 for p in points)


def test_units_that_send_nothing_stay_off_the_frontier(tmp_path):
    """A latent that is always zero ends its trial early, with what ails it, and makes no point."""
    assert search_from(composed(tmp_path, "space.step=4.0", "study.n_trials=1")) == []
    (trial,) = trials_of(tmp_path)
    assert trial["fate"] == "stopped early"
    assert "sends nothing, every latent is zero: lower unit.step" in trial["ailment"]
    assert not (tmp_path / "frontier").exists()


@pytest.mark.sampled(1)
@pytest.mark.parametrize("rate", ["1e10", "1e20"])
def test_units_that_diverge_end_early_and_are_no_failures(tmp_path, caplog, rate):
    """Whether or not their symbols can be made: no artifact is kept, and the cure is the learning rate."""
    pinned = ("space.latent_channels=4", "space.stride=1", "space.step=2.5", "study.pruning.after=null")
    short = ("trainer.max_epochs=1", f"optimizer.lr={rate}", "study.n_trials=1", "study.max_failures=0")
    assert search_from(composed(tmp_path, *pinned, *short)) == []
    (trial,) = trials_of(tmp_path)
    assert trial["fate"] == "stopped early"
    assert "diverged" in trial["ailment"]
    assert "lower the optimizer's lr (optimizer.lr)" in trial["ailment"]
    assert not list((tmp_path / "artifacts").glob("*"))
    assert "damaged or gone" not in caplog.text


@pytest.mark.slow
def test_identical_points_are_trained_once(tmp_path):
    """In a space of one point, the second trial is recorded as the first one's twin."""
    pinned = ("space.latent_channels=4", "space.stride=2", "space.step=0.1", "space.log10_alpha=1.0")
    search_from(composed(tmp_path, *pinned, "study.n_trials=2"))
    first, second = trials_of(tmp_path)
    assert (first["state"], second["state"], second["twin"]) == ("COMPLETE", "PRUNED", 0)


def lost(*_, **__):
    """What Optuna makes of a database that went away."""
    gone = OperationalError("select", None, Exception("server closed the connection\nunexpectedly"))
    raise StorageInternalError("invalid data in the commit") from gone


def test_lost_storage_costs_no_trial(tmp_path, monkeypatch):
    """A database that goes away ends the command with a sentence; the trial was merely interrupted."""
    storage = open_storage(storage_of(tmp_path))
    known = optuna.create_study(study_name="s", storage=storage, directions=["minimize", "maximize"])
    monkeypatch.setattr(study, "run_trial", lost)
    with (
        pytest.raises(OSError, match=r"storage failed: server closed the conn.* goes on"),
        answering(),
    ):
        study._run(known, known.ask(), None, None)
    assert [fate(trial) for trial in known.trials] == ["interrupted"]


def test_clock_that_is_set_meanwhile_is_no_ones_duration(tmp_path, monkeypatch):
    """How long a trial took does not depend on the system's clock, which goes an hour back while it runs."""
    storage = open_storage(storage_of(tmp_path))
    known = optuna.create_study(study_name="s", storage=storage, directions=["minimize", "maximize"])
    trial = known.ask()

    class Back(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return super().now(tz) - datetime.timedelta(hours=1)

    def pruned(*_):
        monkeypatch.setattr(_storage, "datetime", Back)
        time.sleep(0.02)
        return Outcome(TrialState.PRUNED, {"twin": 0})

    monkeypatch.setattr(study, "run_trial", pruned)
    study._run(known, trial, None, Progress(known, 1))
    save_frontier(known, None, tmp_path, Constraints())
    (row,) = trials_of(tmp_path)
    assert known.trials[0].duration.total_seconds() < 0
    assert 0.02 <= row["seconds"] < 60


@pytest.fixture
def workers(tmp_path, monkeypatch):
    """Workers that end as a line of shell says, one after the other."""

    def prepared(*lines):
        real, left = subprocess.Popen, iter(lines)
        monkeypatch.setattr(
            subprocess, "Popen", lambda *_, **options: real(["sh", "-c", next(left)], **options)
        )
        overrides = SimpleNamespace(task=["study.workers=2"])
        told = SimpleNamespace(overrides=overrides, runtime=SimpleNamespace(output_dir=str(tmp_path)))
        monkeypatch.setattr(command, "HydraConfig", SimpleNamespace(get=lambda: told))
        command._run_workers(len(lines))

    return prepared


def test_killed_worker_costs_the_study_nothing(workers, caplog, monkeypatch):
    """Where memory ran out for one, the others do all, and a line says what happened and what to lower."""
    monkeypatch.setattr(command.log, "disabled", False)
    workers("kill -9 $$", "true")
    assert "worker 0 was killed" in caplog.text
    assert "where memory runs out (lower study.workers" in caplog.text


def test_dead_worker_is_seen_to_be_dead_at_once(workers, caplog, monkeypatch):
    """Its number is free while another one still works, which so knows that its trial is lost."""
    monkeypatch.setattr(command.log, "disabled", False)
    workers('sleep 1; ! cat /proc/[0-9]*/stat | grep " Z $PPID "', "kill -9 $$")
    assert "worker 1 was killed" in caplog.text
    assert "worker 0 failed" not in caplog.text


def test_study_without_workers_is_an_error(workers):
    """Where none is left, the command says how each ended, and how to go on."""
    with pytest.raises(
        ChildProcessError,
        match=r"worker 0 was killed.*; worker 1 failed\. Logs are in .*The same command goes on",
    ):
        workers("kill -9 $$", "exit 3")


@pytest.mark.slow
def test_worker_ends_as_soon_as_its_pipe_does():
    """Whatever has become of the command that started it, nothing of either is left behind."""
    code = (
        "import subprocess, time; from bottleneck.commands.search import _end_with_command\n"
        "_end_with_command(); print(subprocess.Popen(['sleep', '600']).pid, flush=True); time.sleep(600)"
    )
    worker = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    helper = int(worker.stdout.readline())
    assert worker.poll() is None
    worker.stdin.close()
    assert worker.wait(30) == -signal.SIGKILL
    worker.stdout.close()
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(helper)], capture_output=True, check=False).stdout
    assert not state or state.startswith(b"Z")


def start(folder, *overrides):
    """The command itself, in a process of its own."""
    arguments = [*SHORT, f"study.folder={folder}", f"study.storage={storage_of(folder)}", *overrides]
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "bottleneck", "search", *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


@pytest.mark.slow
def test_workers_share_one_study_and_survive_a_kill(tmp_path):
    """Three commands on one study, one of them killed: exactly n trials finish, none of them twice."""
    workers = [start(tmp_path, "study.n_trials=9") for _ in range(3)]
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        study = optuna.create_study(
            study_name="digits_resnet-layer2",
            storage=open_storage(storage_of(tmp_path)),
            directions=["minimize", "maximize"],
            load_if_exists=True,
        )
        leases = {t.user_attrs["lease"]["pid"] for t in study.trials if "lease" in t.user_attrs}
        if workers[1].pid in leases and len(study.trials) >= 2:
            break
        time.sleep(0.1)
    os.killpg(workers[1].pid, signal.SIGKILL)
    assert [worker.wait() for worker in workers] == [0, -signal.SIGKILL, 0]
    assert (
        start(tmp_path, "study.n_trials=9").wait() == 0
    )  # a resumed command finds what the kill left behind

    trials = trials_of(tmp_path)
    finished = [t for t in trials if t["state"] in ("COMPLETE", "PRUNED")]
    lost = [t for t in trials if t["fate"] in ("interrupted", "failed")]
    assert len(finished) == 9
    assert len(lost) <= 1
    assert not [t for t in trials if t["state"] in ("RUNNING", "WAITING")]
    assert max(Counter(json.dumps(t["params"]) for t in finished).values()) == 1


@pytest.mark.slow
def test_local_workers_are_started_by_one_command(tmp_path):
    """`study.workers=2` runs the trials in two processes and shows the frontier at the end."""
    worker = start(tmp_path, "study.n_trials=4", "study.workers=2")
    assert worker.wait() == 0
    trials = [t for t in trials_of(tmp_path) if t["state"] in ("COMPLETE", "PRUNED")]
    assert len(trials) == 4
    assert len({t["lease"]["pid"] for t in trials}) == 2
    assert (tmp_path / "frontier" / "frontier.json").exists()
