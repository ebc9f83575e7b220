"""`benchmarks/search.py` does on little what it says it does."""

import pytest
from safetensors.torch import save_file

from tests.benchmarks.printed import tables


@pytest.mark.slow
def test_search(run, digits_network, tmp_path):
    """Both trials are one operating point, and every part of the profiled one took some time."""
    save_file(digits_network.network.state_dict(), tmp_path / "digits.safetensors")
    own = f"model.weights={tmp_path / 'digits.safetensors'}"
    trials, parts = tables(run("search", "device=cpu", "trainer.max_epochs=2", own))
    cached, live = trials
    assert (cached["trial"], live["trial"]) == ("cached", "no cache")
    assert (cached["value"], cached["bytes"]) == (live["value"], live["bytes"])
    assert len(parts) == 9
    assert not [row["part"] for row in parts if not float(row["share"].rstrip("%")) > 0]
