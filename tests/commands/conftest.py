"""What tests of several commands send."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of different sizes: 12 dark and 12 bright ones to train on, 6 of each to validate."""
    root, generator = tmp_path_factory.mktemp("photographs"), np.random.default_rng(0)
    for part, count in (("train", 12), ("val", 6)):
        for label in range(2):
            folder = root / part / f"class{label}"
            folder.mkdir(parents=True)
            for number in range(count):
                size = (40 + 3 * number, 36)
                pixels = generator.integers(90 * label, 90 * label + 120, (*size, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    return root
