"""PyTorch's files are zip archives with a checksum of each entry, which PyTorch itself does not compare."""

from pathlib import Path
from zipfile import ZipFile

_START = b"PK\x03\x04"


def require_whole(path: Path) -> None:
    """Refuse a zip archive in which anything has changed; a file of another kind is left to its reader.

    Args:
        path: The file, such as a checkpoint. It is read once, at the speed of CRC-32.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is truncated, or an entry is not what its checksum says.
    """
    with path.open("rb") as file:
        if file.read(len(_START)) != _START:
            return
    try:
        with ZipFile(path) as archive:
            broken = archive.testzip()
    except Exception as error:  # a damaged directory has many: of numbers, of encodings, of methods
        raise ValueError(_damaged(path, str(error))) from error
    if broken is not None:
        raise ValueError(_damaged(path, f"{broken} is not what was written"))


def _damaged(path: Path, what: str) -> str:
    return f"{path} is damaged ({what}). Copy it again from where it came, or take another checkpoint."
