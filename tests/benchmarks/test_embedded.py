"""`benchmarks/embedded.py` does on little what it says it does."""

from bottleneck import models


def test_embedded_networks_are_trained_into_files_that_the_package_reads(run, tmp_path):
    """One epoch makes weights in half precision that `models.create` takes."""
    printed = run("embedded", "digits_resnet", "--epochs", 1, "--folder", tmp_path)
    path = tmp_path / "digits_resnet.safetensors"
    assert f"{path}: {path.stat().st_size:,} bytes" in printed
    assert models.create("digits_resnet", str(path)).network.fc.weight.abs().sum() > 0
