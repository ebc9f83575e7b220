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
from bottleneck.commands.deciding import policy_of
from bottleneck.commands.link import link_of
from bottleneck.commands.stopping import Stopped, stoppable
from bottleneck.commands.stream import check_playing, played, sending_of
from bottleneck.runtime.controller import Controller
from bottleneck.runtime.device.client import Client
from bottleneck.runtime.device.routes import ALONE
from bottleneck.runtime.device.view import View
from bottleneck.runtime.estimator import Estimator
from bottleneck.runtime.journal import Journal
from bottleneck.runtime.link import Link
from bottleneck.runtime.plan import Plan
from bottleneck.runtime.policies import Policy
from bottleneck.runtime.prober import Prober
from bottleneck.runtime.simulation import Autopilot, simulate
from bottleneck.runtime.strategy import Spread, Strategy
from bottleneck.runtime.traces import Trace

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


@pytest.fixture
def configured():
    """Composes a command's configuration: `configured("demo", "link.rtt=1")`."""
    with initialize_config_dir(config_dir(), version_base="1.3"):
        yield lambda command, *overrides: compose(command, list(overrides))


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
def test_stream_writes_one_object_per_frame(
    run_command, server, frontier, pictures, half, digits_images, tmp_path
):
    """Of a folder so many frames as asked are answered, with every key, as half and server answer."""
    arguments = [f"source={pictures}", f"server=localhost:{server[0]}", f"frontier={frontier}", "frames=8"]
    done = run_command("stream", *arguments, f"hydra.run.dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    assert "8 frames: 8 layer2-2" in done.stdout
    frames = frames_of(tmp_path)
    assert [frame["id"] for frame in frames] == list(range(8))
    assert all(set(frame) >= KEYS for frame in frames)
    for frame, image in zip(frames, digits_images[[0, 1, 2, 3, 4, 5, 0, 1]], strict=True):
        assert frame["bytes"] == 1 + len(half.payload(image, half.routes[0]))
        assert frame["age_ms"] >= frame["device_ms"] + frame["server_ms"]
        assert np.isclose(sum(top["score"] for top in frame["answer"]["top"]), 1.0, atol=0.2)
    with urllib.request.urlopen(f"http://127.0.0.1:{server[1]}/state", timeout=30) as answer:
        state = json.load(answer)
    assert state["feature"] is not None
    assert [seen["answer"] for seen in state["seen"][-8:]] == [frame["answer"] for frame in frames]


@pytest.mark.slow
def test_stream_sends_pictures_where_the_server_is_not_sure(
    run_command, server, frontier, pictures, tmp_path
):
    """Frames say that they were asked for again, and what both payloads took."""
    arguments = [f"source={pictures}", f"server=localhost:{server[0]}", f"frontier={frontier}", "frames=4"]
    options = ["cascade.sure=1", "cascade.then={name: png}", f"hydra.run.dir={tmp_path}"]
    assert run_command("stream", *arguments, *options).returncode == 0
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
def test_stream_follows_a_policy_and_a_pace(run_command, server, frontier, pictures, tmp_path):
    """With a budget each frame has a strategy; at a pace too fast frames are dropped and counted."""
    arguments = [f"source={pictures}", f"server=localhost:{server[0]}", f"frontier={frontier}", "frames=200"]
    options = ["budget.latency=0.2", "budget.drop=1", "fps=2000", f"hydra.run.dir={tmp_path}"]
    assert run_command("stream", *arguments, *options).returncode == 0
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
def test_mistakes_are_a_line_that_names_the_key(run_command, server, frontier, arguments, message, tmp_path):
    """What cannot be done is said in one line, with exit code 1."""
    arguments = [argument.format(frontier=frontier, port=server[0]) for argument in arguments]
    done = run_command(*arguments, f"hydra.run.dir={tmp_path}")
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
        ("link.bandwidth=0", r"link\.bandwidth=0 with link\.rtt=0\.0\d+ is no link"),
    ],
)
def test_what_cannot_be_kept_to_is_refused_before_anything_is_started(configured, name, override, message):
    """Neither server, nor page, nor the head's first frames come before the refusal."""
    with pytest.raises(ValueError, match=message):
        check_playing(configured(name, override))


def strategy(name, split, device_ms, size, server_ms, value, **more):
    spreads = (Spread([number]) for number in (device_ms, size, server_ms))
    return Strategy(name, split, *spreads, value, **more)


@pytest.mark.parametrize("name", ["layer2-2", "layer3-0", "device"])
def test_any_way_can_be_fixed_by_its_name(configured, half, digits_images, name):
    """A point, and the device alone, by the names that tables and records have for them."""
    sending = sending_of(configured("stream", f"strategy={name}"), half, digits_images[0])
    assert sending.route in (ALONE, *half.routes)
    assert sending.route.name == name


def test_with_a_plan_its_names_count(configured, half, digits_images, tmp_path):
    """Pictures are told by a plan, and so is what a name stands for; an unknown one is told what there is."""
    picture = {"name": "jpeg", "quality": 50}
    strategies = [
        strategy("device", None, 9, 0, 0, 0.96),
        strategy("jpeg-50", "input", 1, 300, 9, 0.95, codec=picture),
        strategy("layer2-2", "layer2", 5, 9, 5, 0.95, bundle=half.routes[1].bundle, point=1),
    ]
    Plan(strategies, Link(1e6), Policy(), "accuracy_top1").write(tmp_path / "plan.json")
    for planned in strategies:
        cfg = configured("stream", f"plan={tmp_path}/plan.json", f"strategy={planned.name}")
        assert sending_of(cfg, half, digits_images[0]).route == planned
    with pytest.raises(ValueError, match=r"strategy=jpeg-9 is unknown.*'layer2-2'.*'device', 'jpeg-50'\]"):
        sending_of(
            configured("stream", f"plan={tmp_path}/plan.json", "strategy=jpeg-9"), half, digits_images[0]
        )
    with pytest.raises(ValueError, match=r"strategy=jpeg-50 is unknown.*'device'\]; pictures.* plan="):
        sending_of(configured("stream", "strategy=jpeg-50"), half, digits_images[0])


@pytest.fixture
def interruptible():
    """Ctrl-C counts, also where these tests were started in a shell's background, in which it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("fps", [None, 50.0])
def test_a_stream_says_what_became_of_it_however_it_ends(half, digits_images, fps, capsys, tmp_path):
    """Ctrl-C is the usual end of a camera: how many frames there were is said, and where they are."""

    def camera():
        yield from digits_images[:3]
        os.kill(os.getpid(), signal.SIGINT)
        yield from digits_images

    view, journal = View("a camera"), Journal(lambda: 0.0)
    journal.listen(view)
    client = Client("127.0.0.1:9", half, timeout=0.5, journal=journal)
    with pytest.raises(Stopped), stoppable("stream"):
        played(client, camera(), fps, view, tmp_path)
    said, errors = capsys.readouterr()
    assert re.match(r"\d frames: .*device", said)
    assert said.endswith(f"Written to {tmp_path}: frames.jsonl\n")
    assert errors.endswith("bottleneck stream: stopped by SIGINT.\n")


@pytest.mark.parametrize("core", [(0.6, 0.4), (1.3, 0.9), (2.1, 1.5)], ids=["fast", "common", "slow"])
def test_the_demo_shows_a_controller_at_work(configured, core):
    """By default, on a fast or slow core: a split while it pays, the device while the link is bad."""
    cfg, (alone, early) = configured("demo"), core
    strategies = [  # as measured on a core, and the bytes with those that gRPC adds
        strategy("device", None, alone, 0, 0, 0.994).slower(cfg.slower),
        strategy("layer2-5", "layer2", 0.9 * alone, 40, 0.4, 0.982).slower(cfg.slower),
        strategy("layer1-5", "layer1", early, 60, 0.6, 0.978).slower(cfg.slower),
    ]
    trace = Trace(*zip(*cfg.link.trace, strict=True))
    estimator, controller = Estimator(link_of(cfg)), Controller(strategies, policy_of(cfg, frozen=0.994))
    pilot = Autopilot(estimator, controller, Prober(estimator, controller))
    course = simulate(pilot, trace, cfg.link.rtt, trace.seconds[-1], cfg.fps)
    chosen = dict(zip(course.offered, course.chosen, strict=True))
    bad, dead, good, end = trace.seconds[1:]
    for begin, until, wanted in (
        (0, bad, "layer1-5"),
        (dead + 1, good, "device"),
        (end - 3, end, "layer1-5"),
    ):
        assert {name for now, name in chosen.items() if begin <= now < until} == {wanted}
    assert "device" in {name for now, name in chosen.items() if bad <= now < dead}


@pytest.fixture
def demonstrated(tmp_path):
    """Starts demonstrations, which end with the test; the process, and the line that names its page."""
    with contextlib.ExitStack() as stack:

        def started(*options):
            process = subprocess.Popen(
                command("demo", "page.port=0", *options, f"hydra.run.dir={tmp_path}"),
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            stack.callback(process.kill)
            return process, process.stdout.readline()

        yield started


@pytest.mark.slow
def test_the_demo_switches_by_default(demonstrated, tmp_path):
    """Here, with nothing changed, frames of its first half minute go by a split, others by the device."""
    process, _ = demonstrated("frames=90", "page.open=false")
    said, _ = process.communicate(timeout=200)
    assert process.returncode == 0
    taken = {frame["split"] for frame in frames_of(tmp_path) if not frame["dropped"]}
    assert None in taken
    assert taken & {"layer1", "layer2"}
    assert said.endswith(f"Written to {tmp_path}: frames.jsonl\n")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_demo_ends_before_its_first_frame(demonstrated, number):
    """Told to end while it still tries what to send, it does so in seconds, and says what there was."""
    process, page = demonstrated("page.open=false")
    assert page.startswith("page: ")
    process.send_signal(number)
    said, _ = process.communicate(timeout=10 * max(1, os.getloadavg()[0] / os.cpu_count()))
    assert process.returncode == 0
    assert re.search(r"(no frames|\d+ frames: .*)\n\nWritten to .*: frames\.jsonl\n$", said)


@pytest.mark.slow
def test_a_browser_that_stays_in_the_terminal_sees_the_page(demonstrated, tmp_path, monkeypatch):
    """What is opened may keep its caller until it is left: meanwhile the page answers, and frames go on."""
    seen, browser = tmp_path / "seen.html", tmp_path / "browser"
    fetch = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=20).read().decode())"
    browser.write_text(
        f'#!/bin/sh\n"{sys.executable}" -c "{fetch}" "$1" > {seen}.part\nmv {seen}.part {seen}\n'
    )
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", f"{browser} %s")
    process, _ = demonstrated("frames=15")
    process.communicate(timeout=200)
    assert process.returncode == 0
    assert "<html" in seen.read_text()


@pytest.mark.slow
def test_demo_shows_server_link_and_device(frontier, tmp_path):
    """In one terminal frames are answered through the emulated link, and alone during its outage."""
    options = [f"frontier={frontier}", "frames=150", "page.port=null", "strategy=layer2-2", "timeout=0.5"]
    link = ["link.bandwidth=1e6", "link.trace=null", "link.outage=[4,7]", "fps=15"]
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
    options = [
        f"frontier={frontier}",
        "frames=60",
        "page.port=null",
        "strategy=layer1-0",
        "slower=1",
        "fps=15",
    ]
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
def test_an_unknown_transport_is_a_line(run_command, frontier, tmp_path):
    """The line names what there is."""
    done = run_command("stream", f"frontier={frontier}", "transport=pigeon", f"hydra.run.dir={tmp_path}")
    assert done.returncode == 1
    assert "transport=pigeon is unknown. Use grpc, or datagram" in done.stderr
