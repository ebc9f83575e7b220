"""Descriptions: the JSON beside a bundle's weights, a frontier's bundles and exported graphs, and a plan.

Each has a format, a version and a checksum, and is written in one way: no byte of it changes unnoticed. A
checksum is no signature, since who can write the file can write its checksum: what came over an untrusted way
is compared with a digest that did not.
"""

import contextlib
import hashlib
import hmac
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bottleneck.files import replace_text

_MOST_BYTES = 1 << 28  # a description does not fill the memory


def write(file: Path, format: str, version: int, content: dict[str, Any]) -> None:
    """Write a description.

    Args:
        file: Where.
        format: What it describes.
        version: Of its fields.
        content: JSON-able.
    """
    everything = {"format": format, "version": version, **content}
    replace_text(file, _text({**everything, "checksum": _checksum(everything)}))


def read(
    file: Path, format: str, versions: Sequence[int], digest: str | None = None, unsealed: Sequence[int] = ()
) -> tuple[dict[str, Any], str]:
    """Read a description.

    Args:
        file: Where.
        format: What it has to describe.
        versions: That this release reads.
        digest: SHA-256 of the file, hexadecimal, from somebody who is trusted; `None`: the file is trusted.
        unsealed: Those of the versions that had no checksum.

    Returns:
        Its content, and its SHA-256.

    Raises:
        FileNotFoundError: If it is missing.
        ValueError: If it is not the digest's, truncated, changed, foreign, or of a newer version.
    """
    if not file.is_file():
        raise FileNotFoundError(
            f"{file} is missing, so {file.parent} is no {format}. Give the folder of one, or export it again."
        )
    if file.stat().st_size > _MOST_BYTES:
        raise ValueError(f"{file} has {file.stat().st_size:,} bytes, more than any description.")
    data = file.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if digest is not None and not hmac.compare_digest(found.encode(), digest.lower().encode()):
        raise ValueError(
            f"{file} has SHA-256 {found}, not the digest {digest}: it is not what was asked for."
        )
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file} is truncated or no JSON: {error}. Export it again.") from error
    if not isinstance(content, dict) or content.get("format") != format:
        raise ValueError(f"{file} does not describe a {format}.")
    version = content.get("version")
    if type(version) is not int or version not in versions:
        raise ValueError(
            f"{file} has version {version!r:.20}; this release reads {', '.join(map(str, versions))}. "
            "Upgrade split-bottleneck, or export it again."
        )
    sealed = version not in unsealed or "checksum" in content
    if data != _text(content).encode() or (sealed and content.get("checksum") != _checksum(content)):
        raise ValueError(f"{file} was changed after it was written (checksum). Export it again.")
    return content, found


@contextlib.contextmanager
def described_by(file: Path) -> Iterator[None]:
    """Lay what goes wrong inside to the file whose content it was made from, as a `ValueError`.

    A library that is missing is no fault of the file's.
    """
    try:
        yield
    except ImportError:
        raise
    except Exception as error:
        raise ValueError(
            f"{file} describes nothing that can be made ({type(error).__name__}: {error})."
        ) from error


def _text(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=1)


def _checksum(content: dict[str, Any]) -> str:
    rest = {key: value for key, value in content.items() if key != "checksum"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
