"""A frontier's description, as both sides read it."""

import pytest

from bottleneck.integrity import frontiers


def test_what_is_written_is_read(tmp_path):
    """The content comes back, and a changed byte does not."""
    frontiers.write(tmp_path, {"points": [{"id": 3}]})
    assert frontiers.read(tmp_path)["points"] == [{"id": 3}]
    file = tmp_path / frontiers.FILE
    file.write_text(file.read_text().replace("3", "4"))
    with pytest.raises(ValueError, match="was changed after it was written"):
        frontiers.read(tmp_path)


@pytest.mark.parametrize(
    ("name", "problem"),
    [("..", "no folder's name"), ("a/b", "no folder's name"), (7, "no folder's name"), ("link", "elsewhere")],
)
def test_bundles_lie_inside_of_their_frontier(tmp_path, name, problem):
    """A name that leads out is refused with its point; one that stays is a folder there."""
    (tmp_path / "frontier").mkdir()
    (tmp_path / "frontier" / "link").symlink_to(tmp_path)
    assert frontiers.member(tmp_path / "frontier", 2, "point-2") == tmp_path / "frontier" / "point-2"
    with pytest.raises(ValueError, match=f"point 2 .*{problem}"):
        frontiers.member(tmp_path / "frontier", 2, name)
