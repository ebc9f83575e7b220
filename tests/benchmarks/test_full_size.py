"""`benchmarks/full_size.py` does on little what it says it does."""

import re

import pytest


@pytest.mark.slow
@pytest.mark.parametrize(("case", "side"), [("deeplab", 65), ("faster_rcnn", 64)])
def test_full_size(run, case, side):
    """Each stage is timed, both codecs make bytes, and the server answers from the payload."""
    text = run("full_size", case, "--side", side)
    for stage in ("trace and split", "training step", "load both sides", "server: payload to answer"):
        assert float(re.search(rf"^{stage} +([\d.]+) s,", text, re.MULTILINE).group(1)) >= 0
    affine, ours = (int(size.replace(",", "")) for size in re.findall(r"([\d,]+) bytes of payload", text))
    assert 0 < ours < affine
    assert "answer (1, 65, 65)" in text or "boxes" in text
