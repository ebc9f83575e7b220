"""Files are whole or not there."""

import pytest

from bottleneck.files import replace_file


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
