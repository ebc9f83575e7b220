"""`benchmarks/full_disk.py` does on little what it says it does."""

import subprocess

import pytest


@pytest.mark.slow
def test_full_disk(run, tmp_path):
    """A search on a disk that is full now and then ends as one on a disk that is not."""
    probe = tmp_path / "probe"
    probe.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "none", probe], check=False, capture_output=True).returncode:
        pytest.skip("this user may not mount a disk of memory")
    subprocess.run(["umount", probe], check=True)
    said = run("full_disk", "--trials", 2, "--step", 60, "--folder", tmp_path / "studies")
    assert int(said.rpartition(" times full")[0].split()[-1]) > 0
    assert "'finished': 2" in said
