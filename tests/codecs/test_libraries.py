"""Missing libraries: said early, by the name that pip knows."""

import sys

import pytest

from bottleneck import codecs
from bottleneck.codecs.libraries import require


def test_installed_library_is_not_imported(monkeypatch):
    """Looking for a library does not load it."""
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    require("colorsys", "colorsys", "tv")
    assert "colorsys" not in sys.modules


@pytest.mark.parametrize(
    ("name", "module", "pip_name"),
    [
        ("jpeg", "PIL", "pillow>=11.3"),
        ("heic", "pillow_heif", "pillow-heif"),
        ("hevc", "av", "av"),
        ("zstd", "zstandard", "zstandard"),
    ],
)
def test_codec_without_its_library_says_what_to_install(monkeypatch, name, module, pip_name):
    """Creating the codec fails, as an ImportError, with the command that helps."""
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(codecs.MissingLibraryError, match=rf"codec '{name}' needs .*pip install '{pip_name}'"):
        codecs.create(name, (1, 8, 8))
    assert issubclass(codecs.MissingLibraryError, ImportError)
