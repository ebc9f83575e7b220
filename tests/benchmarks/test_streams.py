"""`benchmarks/streams.py` does on little what it says it does."""

import json

import numpy as np
import pytest
from PIL import Image

from tests.benchmarks.printed import is_picture


@pytest.mark.slow  # EfficientNet and two video coders
def test_streams(run, tmp_path):
    """On a pan by whole strides exact methods agree alike and motion takes the fewest bytes; a strip."""
    pytest.importorskip("efficientnet_lite_pytorch", reason="extra `efficientnet` is not installed")
    pytest.importorskip("av", reason="extra `codecs` is not installed")
    folder = tmp_path / "imagenette" / "val" / "n01440764"
    folder.mkdir(parents=True)
    for number in range(2):
        coarse = np.random.default_rng(number).integers(0, 256, (28, 28, 3), np.uint8)
        Image.fromarray(coarse).resize((224, 224)).save(folder / f"{number}.JPEG")
    rows, picture = tmp_path / "rows.jsonl", tmp_path / "strip.png"
    run("streams", tmp_path, rows, "--streams", "pan-16-deep", "--frames", 7)
    run("stream_strip", tmp_path, "pan-16-deep", picture, "--frames", 7)
    found = {(row["method"], row["setting"]): row for row in map(json.loads, rows.read_text().splitlines())}
    exact = [found[method, "32"] for method in ("intra", "difference", "conditional", "motion")]
    assert len({row["agreement"] for row in exact}) == 1
    assert exact[3]["payload_bytes"] < min(row["payload_bytes"] for row in exact[:3])
    assert found["h264", "crf 38"]["payload_bytes"] < found["h264", "crf 20"]["payload_bytes"]
    assert is_picture(picture)
