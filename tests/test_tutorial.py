"""The tutorial, run as its text says."""

import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def shape(output):
    """The lines that are printed, whatever numbers training makes of them."""
    return [re.sub(r"\d+", "0", line) for line in output.splitlines()]


@pytest.mark.slow
@pytest.mark.timeout(900)  # three processes that all import torch, on a machine that may be busy
def test_tutorial_runs_top_to_bottom(tmp_path):
    """The README's three commands work in its order; both processes give what training printed."""
    text = (ROOT / "tutorial" / "README.md").read_text()
    train, server, device = re.findall(r"^python (tutorial/.*)$", text, re.MULTILINE)
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])

    def command(line):
        words = line.replace("outputs/tutorial", str(tmp_path)).replace("6000", port).split()
        return [sys.executable, *words]

    trained = subprocess.run(command(train), cwd=ROOT, capture_output=True, text=True, check=False)
    assert trained.returncode == 0, trained.stderr[-3000:]
    shown, asked_shown = (shape(block) for block in re.findall(r"^```text\n(.*?)^```", text, re.M | re.S))
    assert shape(trained.stdout.replace(str(tmp_path), "outputs/tutorial"))[-len(shown) :] == shown
    whole, cut = re.findall(r"accuracy ([\d.]+)(?: from ([\d.]+) bytes)?", trained.stdout)
    assert float(whole[0]) > 0.9
    assert float(cut[0]) > float(whole[0]) - 0.05
    assert float(cut[1]) < 100

    serving = subprocess.Popen(command(server), cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert serving.stdout.readline() == "waiting for a device\n"
        asked = subprocess.run(command(device), cwd=ROOT, capture_output=True, text=True, check=True)
        assert serving.wait(30) == 0
    finally:
        serving.kill()
        serving.stdout.close()
    assert shape(asked.stdout) == asked_shown
    assert asked.stdout == f"297 pictures: accuracy {cut[0]} from {cut[1]} bytes each\n"
