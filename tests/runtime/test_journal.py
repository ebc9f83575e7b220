"""What became of every frame, for pages, metrics and files."""

import json
import resource

import pytest

from bottleneck.runtime import journal
from bottleneck.runtime.journal import JsonLines, Record


@pytest.fixture
def disk():
    """Gives files of this process no more than so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda most: resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("room", [0, 700, 1000])
def test_full_disk_ends_the_file_and_not_the_frames(tmp_path, disk, caplog, monkeypatch, room):
    """Lines are whole as far as there was room, one warning says what happened, and nothing is raised."""
    monkeypatch.setattr(journal.log, "disabled", False)  # Hydra silences loggers that are older than it
    lines = JsonLines(tmp_path / "frames.jsonl")
    disk(room)
    for number in range(20):
        lines(Record(number))
    lines.close()
    disk(resource.RLIM_INFINITY)
    written = [json.loads(line) for line in (tmp_path / "frames.jsonl").read_text().splitlines()]
    assert [record["id"] for record in written] == list(range(len(written)))
    assert len(written) < 20
    assert bool(written) == bool(room)
    (warning,) = caplog.records
    assert "frames.jsonl is not written any further" in warning.getMessage()
