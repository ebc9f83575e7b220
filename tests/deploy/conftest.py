"""What several tests of files share."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bottleneck.deploy import description


@pytest.fixture
def rewrite() -> Callable[..., None]:
    """Forges a description: changes fields, and writes a right checksum again; `...` removes a field."""

    def forge(file: Path, **changes: Any) -> None:
        content = {**json.loads(file.read_text()), **changes}
        content.pop("checksum", None)
        kept = {key: value for key, value in content.items() if value is not ...}
        description.write(file, kept.pop("format"), kept.pop("version"), kept)

    return forge
