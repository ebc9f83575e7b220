"""Files and folders are whole or not there."""

import contextlib
import ctypes
import multiprocessing
import os
import random
import shutil
import signal
import stat
import time
from pathlib import Path

import pytest

from bottleneck import files
from bottleneck.files import read_folder, replace_file, replace_folder, writable


def write(path, text, n_files=8):
    """A folder whose files all say the same."""
    with replace_folder(path, "*.txt") as fresh:
        for number in range(n_files):
            (fresh / f"{number}.txt").write_text(text)


def read(path):
    """What a folder says; an error where its files do not agree, or are missing."""
    (said,) = {(path / f"{number}.txt").read_text() for number in range(8)}
    return said


@pytest.fixture
def no_exchange(monkeypatch):
    """An operating system that does not exchange folders, as macOS."""
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())


@pytest.fixture(params=["exchanged", "moved"])
def disk(request):
    """Disks that exchange two folders in one step, and those that do not."""
    if request.param == "moved":
        request.getfixturevalue("no_exchange")
    elif not hasattr(ctypes.CDLL(None), "renameat2"):
        pytest.skip("this system does not exchange folders")


def test_file_appears_with_its_content(tmp_path):
    """The file is there after the block, with nothing beside it."""
    with replace_file(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
        assert not (tmp_path / "a.txt").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_failed_writer_leaves_the_old_file(tmp_path):
    """An error while writing keeps the old content and leaves no rubbish."""
    (tmp_path / "a.txt").write_text("old")

    def write() -> None:
        with replace_file(tmp_path / "a.txt") as temporary:
            temporary.write_text("ne")
            raise OSError("disk full")

    with pytest.raises(OSError, match="full"):
        write()
    assert (tmp_path / "a.txt").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_writers_with_one_number_do_not_write_into_each_other(tmp_path):
    """In two containers that share a folder both may be process 1: each writes a file of its own."""
    with replace_file(tmp_path / "a.txt") as one, replace_file(tmp_path / "a.txt") as other:
        one.write_text("one")
        other.write_text("other")
        assert one.read_text() == "one"
    assert (tmp_path / "a.txt").read_text() == "one"


def test_what_a_killed_writer_left_is_removed_after_a_day(tmp_path):
    """What another one writes just now stays, and so does everything with another name."""
    paths = []
    for _ in range(2):
        with contextlib.suppress(OSError), replace_file(tmp_path / "a.txt") as temporary:
            temporary.write_text("half")
            paths.append(temporary)
            temporary.with_name(temporary.name).rename(tmp_path / "kept")
            raise OSError
        (tmp_path / "kept").rename(paths[-1])
    kept = tmp_path / ".2023.a.txt"
    kept.touch()
    for path in (paths[0], kept):
        os.utime(path, (0, 0))
    with replace_file(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
    assert set(tmp_path.iterdir()) == {tmp_path / "a.txt", paths[1], kept}


def test_folder_is_written_again_after_a_kill_between_two_moves(tmp_path, no_exchange):
    """Where folders cannot be exchanged, the old one may have been left aside."""
    write(tmp_path / "out", "old")
    shutil.copytree(tmp_path / "out", files._aside(tmp_path / "out"))
    write(tmp_path / "out", "new")
    assert read(tmp_path / "out") == "new"
    assert [entry.name for entry in tmp_path.iterdir() if entry.is_dir()] == ["out"]


def test_folder_is_replaced_as_a_whole(tmp_path, disk):
    """Until the block ends the old folder is there, then the new one; names of the old one alone are gone."""
    write(tmp_path / "out", "old", 9)
    with replace_folder(tmp_path / "out", "*.txt") as fresh:
        (fresh / "0.txt").write_text("new")
        assert read(tmp_path / "out") == "old"
    assert [entry.name for entry in (tmp_path / "out").iterdir()] == ["0.txt"]
    assert [entry.name for entry in tmp_path.iterdir() if entry.is_dir()] == ["out"]


def test_failed_writer_leaves_the_old_folder(tmp_path, disk):
    """An error while writing keeps all of the old folder."""
    write(tmp_path / "out", "old")

    def write_half() -> None:
        with replace_folder(tmp_path / "out", "*.txt") as fresh:
            (fresh / "0.txt").write_text("ne")
            raise OSError("disk full")

    with pytest.raises(OSError, match="full"):
        write_half()
    assert read(tmp_path / "out") == "old"
    assert [entry.name for entry in tmp_path.iterdir() if entry.is_dir()] == ["out"]


def test_what_is_not_ours_stays(tmp_path, disk):
    """Files that somebody else has put into a folder survive its replacement."""
    write(tmp_path / "out", "old")
    (tmp_path / "out" / "notes.md").write_text("mine")
    (tmp_path / "out" / "more").mkdir()
    write(tmp_path / "out", "new")
    assert read(tmp_path / "out") == "new"
    assert (tmp_path / "out" / "notes.md").read_text() == "mine"
    assert (tmp_path / "out" / "more").is_dir()


def test_a_file_in_the_place_of_a_folder_stays(tmp_path):
    """A folder that would replace somebody's file is refused before anything is written."""
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(NotADirectoryError, match="notes is a file"), replace_folder(tmp_path / "notes"):
        pass
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("notes", "mine")]


def test_modes_follow_the_umask(tmp_path):
    """Who may read what was written is the user's to say, for folders and files alike."""
    before = os.umask(0o027)
    try:
        write(tmp_path / "out", "new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o750
    assert stat.S_IMODE((tmp_path / "out" / "0.txt").stat().st_mode) == 0o640


def write_for_ever(path, exchange):
    files._exchange = files._exchange if exchange else lambda one, other: False
    for number in range(10**9):
        write(path, f"{number}" * 2000)


@pytest.mark.parametrize("exchange", [True, False])
def test_killed_writers_and_readers_meanwhile(tmp_path, exchange):
    """Whenever a writer is killed, and at every moment before, a reader sees one whole state."""
    rng, path = random.Random(0), tmp_path / "out"
    write(path, "first")
    for _ in range(8):
        writer = multiprocessing.get_context("fork").Process(target=write_for_ever, args=(path, exchange))
        writer.start()
        until = time.monotonic() + rng.uniform(0.02, 0.1)
        while time.monotonic() < until:
            assert read_folder(path, read)
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        assert read_folder(path, read)
    write(path, "last")
    assert read(path) == "last"
    assert [entry.name for entry in tmp_path.iterdir() if entry.is_dir()] == ["out"]


def test_error_of_a_folder_that_stays_is_the_readers(tmp_path):
    """Only where the folder was replaced meanwhile is it read again."""
    write(tmp_path / "out", "old")
    calls = []

    def fail(path):
        calls.append(path)
        raise ValueError("damaged")

    with pytest.raises(ValueError, match="damaged"):
        read_folder(tmp_path / "out", fail)
    assert len(calls) == 1
    with pytest.raises(FileNotFoundError):
        read_folder(tmp_path / "none", read)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="this system has no /proc")
@pytest.mark.timeout(30)
@pytest.mark.parametrize("place", ["/proc/none", "/proc/none/below", "/dev/null/below"])
def test_place_where_nothing_can_be_made_is_a_sentence(place):
    """A lock would wait there for ever: `/proc` is a folder, and says of new files that there is none."""
    sentence = r"(/proc|/dev/null)\S* cannot be written \(.*\)\. Name another place\."
    with pytest.raises(OSError, match=sentence):
        writable(Path(place))
    with pytest.raises(OSError, match=sentence), replace_folder(Path(place)):
        pass
