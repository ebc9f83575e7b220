"""Libraries that only some codecs need: the package itself asks for NumPy alone."""

from __future__ import annotations

import importlib.util


class MissingLibraryError(ImportError):
    """A codec's library is not installed, or lacks the format; the message says what to install."""


def require(module: str, pip_name: str, codec: str) -> None:
    """Refuse a codec whose library is missing, when the codec is made rather than at the first sample.

    Args:
        module: Name to import, which this does not do yet.
        pip_name: What to install.
        codec: Registry name.

    Raises:
        MissingLibraryError: If the module cannot be found.
    """
    if importlib.util.find_spec(module) is None:
        raise missing(pip_name, codec)


def missing(pip_name: str, codec: str) -> MissingLibraryError:
    """The error of a codec whose library is not there."""
    return MissingLibraryError(
        f"codec {codec!r} needs a library that is not installed: pip install {pip_name!r}"
    )
