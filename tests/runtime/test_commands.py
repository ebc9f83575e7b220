"""`bottleneck serve`, `stream` and `demo`: what other scripts rely on."""

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import urllib.request

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from PIL import Image

from bottleneck.commands.config import config_dir
from bottleneck.commands.stream import check_playing

KEYS = {
    "id",
    "strategy",
    "split",
    "point",
    "bytes",
    "dropped",
    "device_ms",
    "link_ms",
    "server_ms",
    "age_ms",
    "answer",
    "packets",
    "lost_packets",
    "concealed",
    "asked_again",
}


def command(*arguments):
    """A command of the package in a process of its own."""
    return [sys.executable, "-m", "bottleneck", *arguments]


def frames_of(folder):
    """The records of a run."""
    return [json.loads(line) for line in (folder / "frames.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder of six digits."""
    from bottleneck.data import Digits

    folder, digits = tmp_path_factory.mktemp("pictures"), Digits().subset("val")
    for number in range(6):
        Image.fromarray(digits[number][0][0].numpy()).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory, frontier):
    """A server with a page: their ports."""
    folder = tmp_path_factory.mktemp("serve")
    process = subprocess.Popen(
        command("serve", f"frontier={frontier}", "port=0", "page.port=0", f"hydra.run.dir={folder}"),
        stdout=subprocess.PIPE,
        text=True,
    )
    ports = [int(re.search(r":(\d+)$", process.stdout.readline().strip()).group(1)) for _ in range(2)]
    yield ports
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    process.stdout.close()


@pytest.mark.slow
def test_stream_writes_one_object_per_frame(server, frontier, pictures, half, digits_images, tmp_path):
    """Of a folder so many frames as asked are answered, with every key, as half and server answer."""
    arguments = [f"source={pictures}", f"server=localhost:{server[0]}", f"frontier={frontier}", "frames=8"]
    done = subprocess.run(
        command("stream", *arguments, f"hydra.run.dir={tmp_path}"), capture_output=True, text=True, check=True
    )
    assert "8 frames: 8 layer2-2" in done.stdout
    frames = frames_of(tmp_path)
    assert [frame["id"] for frame in frames] == list(range(8))
    assert all(set(frame) >= KEYS for frame in frames)
    for frame, image in zip(frames, digits_images[[0, 1, 2, 3, 4, 5, 0, 1]], strict=True):
        assert frame["bytes"] == 1 + len(half.payload(image, half.routes[0]))
        assert frame["age_ms"] >= frame["device_ms"] + frame["server_ms"]
        assert np.isclose(sum(top["score"] for top in frame["answer"]["top"]), 1.0, atol=0.2)
    state = json.load(urllib.request.urlopen(f"http://127.0.0.1:{server[1]}/state", timeout=30))
    assert state["feature"] is not None
    assert [seen["answer"] for seen in state["seen"][-8:]] == [frame["answer"] for frame in frames]


@pytest.mark.slow
def test_stream_sends_pictures_where_the_server_is_not_sure(server, frontier, pictures, tmp_path):
    """Frames say that they were asked for again, and what both payloads took."""
    arguments = [f"source={pictures}", f"server=localhost:{server[0]}", f"frontier={frontier}", "frames=4"]
    options = ["cascade.sure=1", "cascade.then={name: png}", f"hydra.run.dir={tmp_path}"]
    subprocess.run(command("stream", *arguments, *options), check=True)
    frames = frames_of(tmp_path)
    assert all(frame["asked_again"] and frame["strategy"] == "layer2-2" for frame in frames)
    assert min(frame["bytes"] for frame in frames) > 100  # a picture of a digit


@pytest.mark.slow
def test_stream_is_followed_in_a_terminal(server, frontier, pictures, tmp_path):
    """Where the output is a terminal, a table says which strategy, at what bandwidth, and what became."""
    arguments = [f"source={pictures}", f"server=localhost:{server[0]}", f"frontier={frontier}", "frames=4"]
    ours, theirs = pty.openpty()
    streaming = subprocess.Popen(
        command("stream", *arguments, f"hydra.run.dir={tmp_path}"),
        stdout=theirs,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # the terminal's end
        while part := os.read(ours, 1 << 16):
            shown += part
    os.close(ours)
    assert streaming.wait() == 0
    table = shown.decode().rpartition(f"{pictures} to localhost:{server[0]}")[2]
    for row in ("strategy +│ layer2-2", r"bandwidth +│ [\d,]+ kB/s", "frames +│ 4 frames: 4 layer2-2"):
        assert re.search(row, table)


@pytest.mark.slow
def test_stream_follows_a_policy_and_a_pace(server, frontier, pictures, tmp_path):
    """With a budget each frame has a strategy; at a pace too fast frames are dropped and counted."""
    arguments = [f"source={pictures}", f"server=localhost:{server[0]}", f"frontier={frontier}", "frames=200"]
    options = ["budget.latency=0.2", "budget.drop=1", "fps=2000", f"hydra.run.dir={tmp_path}"]
    subprocess.run(command("stream", *arguments, *options), check=True)
    frames = frames_of(tmp_path)
    assert sorted(frame["id"] for frame in frames) == list(range(200))
    assert 0 < sum(frame["dropped"] for frame in frames) < 200
    assert {frame["strategy"] for frame in frames if not frame["dropped"]} == {
        "device"
    }  # the best metric in time


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["stream", "source=/nowhere"], "source=/nowhere is missing"),
        (["stream", "strategy=layer9-0", "frontier={frontier}"], "Choose one of ['layer2-2', "),
        (["stream", "half=numpy", "frontier={frontier}"], "half=numpy is unknown"),
        (["serve", "frontier=/nowhere"], "frontier=/nowhere is no folder"),
        (["serve", "frontier={frontier}", "port={port}"], "Choose another port="),
        (["serve", "frontier={frontier}", "port=0", "page.port={port}"], "page.port={port}"),
        (
            ["demo", "frontier={frontier}", "page.port=null", "strategy=layer9-0"],
            "Choose one of ['layer2-2', ",
        ),
        (["demo", "frontier={frontier}", "page.port=0", "policy=quick"], "policy='quick' is unknown"),
        (
            ["demo", "frontier={frontier}", "page.port=null", "link.trace={frontier}/frontier.json"],
            "frontier.json is no trace",
        ),
        (
            ["stream", "frontier={frontier}", "server=localhost:{port}", "budget.latency=0"],
            "budget.latency=0 leaves no time",
        ),
        (
            ["stream", "frontier={frontier}", "server=localhost:{port}", "cascade.sure=2"],
            "cascade.sure=2 is no probability",
        ),
        (
            [
                "stream",
                "frontier={frontier}",
                "server=localhost:{port}",
                "cascade.sure=1",
                "cascade.then.name=jpog",
            ],
            "'jpog'",
        ),
    ],
)
def test_mistakes_are_a_line_that_names_the_key(server, frontier, arguments, message, tmp_path):
    """What cannot be done is said in one line, with exit code 1."""
    arguments = [argument.format(frontier=frontier, port=server[0]) for argument in arguments]
    done = subprocess.run(
        command(*arguments, f"hydra.run.dir={tmp_path}"), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert message.format(port=server[0]) in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "page:" not in done.stdout  # nobody is sent to a page that closes at once


@pytest.mark.parametrize("name", ["stream", "demo"])
@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("fps=0", "fps=0 is no pace"),
        ("fps=inf", "fps=inf is no pace"),
        ("policy=quick", "policy='quick' is unknown"),
        ("budget.latency=-1", "budget.latency=-1 leaves no time"),
        ("budget.drop=2", "budget.drop=2 is no share"),
        ("link.bandwidth=0", r"link\.bandwidth=0 with link\.rtt=0\.03 is no link"),
    ],
)
def test_what_cannot_be_kept_to_is_refused_before_anything_is_started(name, override, message):
    """Neither server, nor page, nor the head's first frames come before the refusal."""
    with initialize_config_dir(config_dir(), version_base="1.3"), pytest.raises(ValueError, match=message):
        check_playing(compose(name, [override]))


@pytest.mark.slow
def test_demo_shows_server_link_and_device(frontier, tmp_path):
    """In one terminal frames are answered through the emulated link, and alone during its outage."""
    options = [f"frontier={frontier}", "frames=150", "page.port=null", "strategy=layer2-2", "timeout=0.5"]
    link = ["link.bandwidth=1e6", "link.trace=null", "link.outage=[4,7]"]
    subprocess.run(
        command("demo", *options, *link, "slower=2", f"hydra.run.dir={tmp_path}"), check=True, timeout=200
    )
    frames = frames_of(tmp_path)
    assert sorted(frame["id"] for frame in frames) == list(range(150))
    strategies = [frame["strategy"] for frame in frames if not frame["dropped"]]
    assert set(strategies) == {"layer2-2", "device"}


@pytest.mark.slow
def test_demo_conceals_what_is_lost(written, tmp_path):
    """By UDP through a link that loses a fifth, frames are answered from what arrives, and say so."""
    frontier = written(("layer1", 0.05, "range", {}, 16, 1))
    options = [f"frontier={frontier}", "frames=60", "page.port=null", "strategy=layer1-0", "slower=1"]
    lossy = [
        "transport=datagram",
        "datagrams.mtu=100",
        "link.loss=0.2",
        "link.trace=null",
        "link.bandwidth=1e6",
    ]
    subprocess.run(command("demo", *options, *lossy, f"hydra.run.dir={tmp_path}"), check=True, timeout=200)
    frames = frames_of(tmp_path)
    sent = [frame for frame in frames if frame["packets"] is not None and not frame["dropped"]]
    concealed = [frame for frame in sent if frame["concealed"]]
    assert concealed
    assert all(0 < frame["lost_packets"] < frame["packets"] for frame in concealed)
    assert 0.05 < sum(f["lost_packets"] for f in sent) / sum(f["packets"] for f in sent) < 0.4


@pytest.mark.slow
def test_an_unknown_transport_is_a_line(frontier, tmp_path):
    """The line names what there is."""
    done = subprocess.run(
        command("stream", f"frontier={frontier}", "transport=pigeon", f"hydra.run.dir={tmp_path}"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "transport=pigeon is unknown. Use grpc, or datagram" in done.stderr
