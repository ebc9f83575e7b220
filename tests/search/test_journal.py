"""A journal survives killed writers, full disks and forgotten locks."""

import multiprocessing
import os
import resource
import signal
import time

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from bottleneck.search.journal import Journal


def study_in(path):
    return optuna.create_study(study_name="s", storage=JournalStorage(Journal(path)), load_if_exists=True)


def finish(study, value):
    study.tell(study.ask(), value)


@pytest.fixture
def path(tmp_path):
    study = study_in(tmp_path / "s.journal")
    for value in range(3):
        finish(study, value)
    return tmp_path / "s.journal"


@pytest.mark.parametrize(
    "tail",
    [
        *(b'{"op_code":5,"wor', b"\0" * 4096, b'{"op_code":5', b"5\n", b"{}\n", b'{"op_cods":5}\n'),
        *(b'{"op_code": 5\n{"op_code"\n', b"\xff\n"),
    ],
)
def test_unfinished_tail_is_cut_off_kept_and_said(path, tail, caplog):
    """After half a line, zeros or rubbish at the end, the study is what it was and goes on."""
    whole = path.read_bytes()
    path.write_bytes(whole + tail)
    study = study_in(path)
    assert [trial.value for trial in study.trials] == [0, 1, 2]
    assert f"{len(tail)} bytes" in caplog.text
    assert path.with_name("s.journal.cut").read_bytes() == tail
    finish(study, 3)
    assert [trial.value for trial in study_in(path).trials] == [0, 1, 2, 3]


def test_flipped_digit_is_never_read(path):
    """A line that is still JSON but not what was written is damaged, whichever digit it is."""
    content = path.read_bytes()
    digits = [at for at, byte in enumerate(content) if byte in b"0123456789"]
    assert len(digits) > 300
    for at in digits:
        path.write_bytes(content[:at] + (b"1" if content[at] == ord("0") else b"0") + content[at + 1 :])
        Journal(path)
        assert path.read_bytes() == content[: content.rfind(b"\n", 0, at) + 1]


def test_flipped_digit_is_not_read_by_a_running_worker(path):
    """A worker that reads on ends with a sentence, before it has believed the line."""
    study = study_in(path)
    content = path.read_bytes()
    finish(study_in(path), 3)
    line = path.read_bytes()[len(content) :]
    path.write_bytes(content + line.replace(b'"values":[3.0]', b'"values":[8.0]'))
    with pytest.raises(OSError, match=r"s\.journal has a damaged line \(its checksum.*End every command"):
        study.get_trials()
    assert [trial.value for trial in study_in(path).trials] == [0, 1, 2, None]


def test_rubbish_is_not_read_by_a_running_worker(path):
    """A line that is no JSON, and that others have written behind, ends in the same sentence."""
    study = study_in(path)
    with path.open("ab") as file:
        file.write(b"{}}\n{}\n")
    with pytest.raises(OSError, match=r"s\.journal has a damaged line .*End every command"):
        study.get_trials()


def test_lines_without_a_checksum_are_read(path):
    """What a release before checksums, or another program, has written is gone on with."""
    other = optuna.load_study(study_name="s", storage=JournalStorage(JournalFileBackend(str(path))))
    assert [trial.value for trial in other.trials] == [0, 1, 2]
    finish(other, 3)
    finish(study_in(path), 4)
    assert [trial.value for trial in other.trials] == [0, 1, 2, 3, 4]


def test_lines_behind_a_damaged_one_are_counted(path, caplog):
    """They build on it, so they go with it: the message says how many, and the file beside has them all."""
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:-3], b"{}\n", *lines[-2:]]))
    study_in(path)
    assert "a damaged line and 2 behind it" in caplog.text
    assert path.with_name("s.journal.cut").read_bytes() == b"".join([b"{}\n", *lines[-2:]])


def test_last_line_without_its_newline_is_no_line(path):
    """What was not written to its end is not there, and what comes next is not glued to it."""
    os.truncate(path, path.stat().st_size - 1)
    finish(study_in(path), 9)
    assert study_in(path).trials[-1].value == 9


def test_half_a_line_of_another_process_is_cut_off_by_a_running_one(path):
    """A worker that goes on writes behind the last whole line, whoever was killed meanwhile."""
    study = study_in(path)
    with path.open("ab") as file:
        file.write(b'{"op_code":5,"wor')
    finish(study, 3)
    assert [trial.value for trial in study_in(path).trials] == [0, 1, 2, 3]


@pytest.mark.parametrize("content", [b"", b"\0" * 100])
def test_emptied_journal_is_a_new_study(path, content):
    """Where nothing is left, a study begins."""
    path.write_bytes(content)
    finish(study_in(path), 7)
    assert [trial.value for trial in study_in(path).trials] == [7]


def test_running_worker_does_not_write_into_an_emptied_journal(path):
    """Lines that mean nothing without the lost ones are refused, with what happened."""
    study = study_in(path)
    finish(study, 3)
    os.truncate(path, 0)
    with pytest.raises(OSError, match=r"has lost \d+ bytes"):
        study.ask()
    assert not path.stat().st_size


def write_until_full(path, room):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # an error, as on a full disk
    study = study_in(path)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + room, resource.RLIM_INFINITY))
    try:
        for value in range(100):
            finish(study, value)
    except OSError:
        return
    raise AssertionError("the disk was never full")


@pytest.mark.parametrize("room", [1, 300, 777])
def test_full_disk_costs_what_was_being_written(path, room):
    """A write that fails half-way ruins nothing: the study opens and goes on when there is room."""
    worker = multiprocessing.get_context("spawn").Process(target=write_until_full, args=(path, room))
    worker.start()
    worker.join()
    assert worker.exitcode == 0
    study = study_in(path)
    assert [trial.value for trial in study.trials][:3] == [0, 1, 2]
    finish(study, 3)
    assert study_in(path).trials[-1].value == 3


def hold_the_lock(path, held):
    journal = Journal(path)
    with journal._alone:
        held.set()
        time.sleep(600)


def test_lock_of_a_killed_worker_is_free_at_once(path):
    """Whoever dies in the middle of a write keeps nobody waiting."""
    context = multiprocessing.get_context("spawn")
    held = context.Event()
    worker = context.Process(target=hold_the_lock, args=(path, held))
    worker.start()
    assert held.wait(60)
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    before = time.monotonic()
    finish(study_in(path), 3)
    assert time.monotonic() - before < 2
