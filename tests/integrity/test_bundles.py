"""A bundle's description, as whoever reads it alone finds it."""

import json

import pytest

from bottleneck.integrity import bundles


@pytest.mark.parametrize(("content", "version"), [({"id": "a"}, 1), ({"id": "a", "tail_sha256": "b"}, 2)])
def test_what_is_written_is_read(tmp_path, content, version):
    """The content comes back, a changed byte does not; a tail of its own has the version that says so."""
    bundles.write(tmp_path, content)
    assert bundles.read(tmp_path).items() >= content.items()
    file = tmp_path / bundles.FILE
    assert json.loads(file.read_text())["version"] == version
    file.write_text(file.read_text().replace('"a"', '"c"'))
    with pytest.raises(ValueError, match="was changed after it was written"):
        bundles.read(tmp_path)
