"""Asked to end, a command leaves nothing behind and says how to go on."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time

import optuna
import pytest

from bottleneck.commands.stopping import Stopped, stoppable
from bottleneck.search.places import fate
from bottleneck.search.storage import open_storage

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.mark.parametrize("number", SIGNALS)
def test_signal_ends_a_command_in_order(number, capsys):
    """What is open is closed on the way out; the code names the signal, one line says how to go on."""
    closed, before = [], signal.signal(number, signal.SIG_DFL)  # whoever started the tests may ignore it

    def command():
        with stoppable("search"), contextlib.ExitStack() as stack:
            stack.callback(closed.append, True)
            try:
                os.kill(os.getpid(), number)
                time.sleep(10)
            except Stopped as stopped:
                stopped.cure = "The same command goes on."
                raise

    try:
        with pytest.raises(Stopped) as stopped:
            command()
        assert signal.getsignal(number) == signal.SIG_DFL
    finally:
        signal.signal(number, before)
    assert (stopped.value.code, closed) == (128 + number, [True])
    said = capsys.readouterr().err.strip()
    assert said.startswith(f"bottleneck search: stopped by {number.name}. The same command goes on")


def test_ignored_hangup_stays_ignored():
    """Under `nohup` a command outlives its terminal."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stoppable("train"):
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.fixture
def ended():
    """What a test has started ends with it, whatever it found."""
    with contextlib.ExitStack() as stack:
        yield stack


def trials(folder):
    storage = open_storage(f"journal:///{folder}/study.journal")
    return optuna.load_study(study_name="digits_resnet-layer2", storage=storage).trials


@pytest.fixture
def searching(tmp_path, ended):
    """A search in the middle of two trials, and the processes that hold them."""
    storage = f"journal:///{tmp_path}/study.journal"
    options = ["trainer.max_epochs=2000", "study.workers=2", "study.pruning.after=null", "device=cpu"]
    where = [f"study.folder={tmp_path}", f"study.storage={storage}", "trainer.enable_progress_bar=false"]

    def ready():  # whoever started the tests may ignore them
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)

    command = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "bottleneck", "search", *options, *where],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=ready,
    )
    ended.callback(command.kill)
    held, deadline = set(), time.monotonic() + 240
    while len(held) < 2 and time.monotonic() < deadline:
        time.sleep(0.5)
        if (tmp_path / "study.journal").exists():
            try:
                held = {t.user_attrs["lease"]["pid"] for t in trials(tmp_path) if fate(t) == "running"}
            except KeyError:  # no study yet
                continue
    assert len(held) == 2
    for pid in held:
        ended.callback(_kill, pid)
    time.sleep(3)  # into the training
    return command, held


@pytest.mark.slow
@pytest.mark.parametrize("number", SIGNALS)
def test_workers_leave_within_five_seconds(searching, tmp_path, number):
    """A signal to the command ends its workers too: no orphan, no trial left running, no traceback."""
    command, held = searching
    before = time.monotonic()
    command.send_signal(number)
    said = command.communicate(timeout=30)[1].strip().splitlines()
    assert time.monotonic() - before < 5 * others()
    assert command.returncode == 128 + number
    assert said[-1].startswith(f"bottleneck search: stopped by {number.name}. The same command goes on")
    assert "Traceback" not in "\n".join(said)
    for pid in held:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert {fate(trial) for trial in trials(tmp_path)} == {"interrupted"}


@pytest.mark.slow
@pytest.mark.parametrize("pause", [None, 0, 0.001])
def test_workers_do_not_outlive_a_command_that_has_no_time_to_end_them(searching, pause):
    """Killed, or told a second time to end while it ends them: they see that it is gone, and go too."""
    command, held = searching
    if pause is None:
        command.kill()
    else:
        command.send_signal(signal.SIGTERM)
        time.sleep(pause)
        command.send_signal(signal.SIGHUP)
    command.communicate(timeout=30)
    deadline = time.monotonic() + 5 * others()
    while (left := running(held)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not left


def running(pids):
    """Those of the processes that run; the dead are on the list until somebody asks how they ended."""
    told = subprocess.run(
        ["ps", "-o", "stat=", "-p", ",".join(map(str, pids))], capture_output=True, text=True, check=False
    )
    return [state for state in told.stdout.split() if not state.startswith("Z")]


def others():
    """Processes that a core has to serve."""
    return max(1, os.getloadavg()[0] / (os.cpu_count() or 1))


@pytest.mark.slow
def test_a_stopped_training_names_its_checkpoint(tmp_path, ended):
    """The line can be pasted: the folder's name is in it."""
    short = ["trainer.max_epochs=4000", "data.train_limit=100", "device=cpu", f"hydra.run.dir={tmp_path}"]
    command = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "bottleneck", "train", *short],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    ended.callback(command.kill)
    last, deadline = tmp_path / "checkpoints" / "last.ckpt", time.monotonic() + 240
    while not last.exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    command.send_signal(signal.SIGINT)
    said = command.communicate(timeout=60)[1].strip().splitlines()[-1]
    assert said.endswith(f"The same command with ckpt_path={last} goes on after its last whole epoch.")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_stream_says_what_became_of_its_frames(number, tmp_path, ended):
    """The usual end of a camera: a summary and the path of the frames, and no traceback."""
    endless = ["server=localhost:9", "timeout=0.5", "frames=1000000", "fps=20", f"hydra.run.dir={tmp_path}"]
    command = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "bottleneck", "stream", *endless],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    ended.callback(command.kill)
    frames, deadline = tmp_path / "frames.jsonl", time.monotonic() + 240
    while not (frames.exists() and frames.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.2)
    command.send_signal(number)
    said, errors = command.communicate(timeout=60)
    assert command.returncode == 128 + number
    assert re.search(rf"\d+ frames: .*device.*\n\nWritten to {tmp_path}: frames\.jsonl\n$", said)
    assert errors.strip().splitlines()[-1] == f"bottleneck stream: stopped by {number.name}."
    assert "Traceback" not in errors


def _kill(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
