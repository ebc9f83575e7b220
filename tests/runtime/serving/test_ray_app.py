"""The server's half on Ray Serve: answers as the server's, and a replica may die."""

import concurrent.futures
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from bottleneck.commands import serve
from bottleneck.commands.config import config_dir
from bottleneck.deploy import load
from bottleneck.runtime.answers import answer_of

# A busy machine takes longer than Ray waits for its proxy.
PATIENT = {"RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60"}
COMMAND = [sys.executable, "-m", "bottleneck", "serve", "engine=ray"]


def asked(address, payload, token="WORD"):
    """The status and the JSON that a payload is answered with."""
    header = {"Authorization": f"Bearer {token}"}
    try:
        with urllib.request.urlopen(
            urllib.request.Request(address, data=payload, headers=header), timeout=60
        ) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def replicas_of(command):
    """Process ids of a command's replicas, which are its descendants."""
    parents, names = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int(
                re.search(r"PPid:\t(\d+)", (folder / "status").read_text()).group(1)
            )
            names[int(folder.name)] = (folder / "cmdline").read_text()
        except (OSError, AttributeError):  # it has ended meanwhile
            continue
    found = set()
    for pid, name in names.items():
        above = pid
        while above in parents and above != command:
            above = parents[above]
        if above == command and re.match("ray::serve_?replica", name, re.I):
            found.add(pid)
    return found


@pytest.fixture(scope="module")
def started(frontier, tmp_path_factory):
    """Starts commands: their process and their address."""
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    processes = []

    def start(*options):
        folder = tmp_path_factory.mktemp("ray")
        process = subprocess.Popen(
            [*COMMAND, f"frontier={frontier}", "port=0", "token=WORD", *options, f"hydra.run.dir={folder}"],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | PATIENT,
        )
        processes.append(process)
        return process, re.search(r"http:\S+", process.stdout.readline()).group()

    yield start
    for process in processes:
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0
        process.stdout.close()
        assert not replicas_of(process.pid)


@pytest.fixture(scope="module")
def served(started):
    """A command with two replicas."""
    return started("ray.replicas=2", "ray.cpus=0.1", "limits.message=1000", "batch.wait_ms=5")


@pytest.fixture(scope="module")
def expected(frontier, digits_network, digits_images):
    """Payloads of every point, and the answers that the server's own side has to them."""
    device, server = load(frontier, digits_network)
    payloads = [device(image, point=index % 3) for index, image in enumerate(digits_images)]
    return [(payload, answer_of(server(payload).numpy(), "classification")) for payload in payloads]


def is_same(answer, wanted):
    """Whether two answers agree but for the order in which a batch is summed."""
    scores = {top["class"]: top["score"] for top in answer["top"]}
    return all(np.isclose(scores.get(top["class"], -1), top["score"], atol=1e-5) for top in wanted["top"])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_answers_are_those_of_the_server(served, expected):
    """Many at once, of every point, each has the answer that it has alone."""
    payloads, wanted = zip(*expected, strict=True)
    with concurrent.futures.ThreadPoolExecutor(8) as devices:
        answers = list(devices.map(lambda payload: asked(served[1], payload), payloads))
    assert all(
        status == 200 and is_same(answer, right)
        for (status, answer), right in zip(answers, wanted, strict=True)
    )


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("payload", "token", "status", "message"),
    [
        (b"", "WORD", 400, "The payload is empty; its first byte should name the operating point."),
        (b"\x09abc", "WORD", 400, "The payload names point 9; this frontier has [0, 1, 2]."),
        (b"\x00", "WORD", 400, "payload"),
        (bytes(1001), "WORD", 413, "the payload has more bytes than limits.message=1000"),
        (b"\x00", "WROD", 401, "the token is wrong or missing"),
    ],
)
def test_what_is_no_payload_is_refused_in_a_sentence(served, payload, token, status, message):
    """The sentence is the one that the server's own side raises, and the status says whose mistake it is."""
    found, answer = asked(served[1], payload, token)
    assert found == status
    assert message in json.loads(answer)["error"]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_replica_may_die(served, expected):
    """While one is killed each request is answered rightly or fails clearly, and another takes its place."""
    process, address = served
    before = replicas_of(process.pid)
    assert len(before) == 2
    killed = []

    def ask(number):
        if number == 60:
            killed.append(min(before))
            os.kill(killed[0], signal.SIGKILL)
        payload, wanted = expected[number % len(expected)]
        status, answer = asked(address, payload)
        return status, status == 200 and is_same(answer, wanted)

    with concurrent.futures.ThreadPoolExecutor(4) as devices:
        answers = list(devices.map(ask, range(240)))
    assert killed
    failed = [status for status, is_right in answers if not is_right]
    assert set(failed) <= {500, 503}
    assert len(failed) <= 8  # what was in the dead replica, or on the way to it
    end = time.monotonic() + 200
    while len(replicas_of(process.pid) - set(killed)) < 2 and time.monotonic() < end:
        time.sleep(0.5)
    assert len(replicas_of(process.pid) - set(killed)) == 2
    assert all(asked(address, payload)[0] == 200 for payload, _ in expected[:8])


def configured(*options):
    """The command's configuration."""
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        return compose("serve", ["engine=ray", *options])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["engine=rya"], "engine=rya is unknown. Use own, or ray"),
        (["transport=datagram"], "engine=ray listens for HTTP in the clear"),
        (["tls.certificate=a.pem"], "engine=ray listens for HTTP in the clear"),
        (
            ["frontier=[zoo:digits/default,zoo:digits/default]"],
            "frontier= names 2, and engine=ray serves one",
        ),
    ],
)
def test_what_ray_cannot_do_is_said_before_anything_starts(options, message):
    """A sentence names the key and what to do."""
    with pytest.raises(ValueError, match=re.escape(message)):
        serve.run(configured(*options))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Ray's own, on import
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["ray.replicas=2", "ray.most=1"], r"ray\.replicas=2 and ray\.most=1 make no number of replicas"),
        (["ray.replicas=0"], r"ray\.replicas=0 and ray\.most=None make no number of replicas"),
        (["ray.most=4", "ray.ongoing=0"], r"ray\.ongoing=0 is no number of requests"),
        (["ray.most=4", "ray.up_after=-1"], r"ray\.up_after=-1 and .* are no times"),
        (["ray.most=4", "ray.down_after=nan"], r"ray\.down_after=nan are no times"),
    ],
)
def test_replicas_are_a_number(options, message):
    """There is one at least, the most are no fewer, and requests and seconds say when there are more."""
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    with pytest.raises(ValueError, match=message):
        serve.run(configured(*options))


@pytest.fixture
def deployed(monkeypatch):
    """What Ray is told of the deployment of a configuration; nothing is started."""
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    from bottleneck.runtime.serving import ray_app

    def told(*options):
        applications = []

        @contextlib.contextmanager
        def noted(folder, network, options, *where):
            applications.append(ray_app.application(folder, network, options))
            raise KeyboardInterrupt
            yield

        monkeypatch.setattr(ray_app, "running", noted)
        with pytest.raises(KeyboardInterrupt):
            serve.run(configured(*options))
        return applications[0]._bound_deployment

    return told


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Ray's own, on import
def test_ray_is_told_when_to_start_and_end_replicas(deployed):
    """Bounds, requests of a replica and both delays reach Ray; without `ray.most` the number is fixed."""
    scaling = ["ray.replicas=2", "ray.most=6", "ray.ongoing=3", "ray.up_after=4", "ray.down_after=50"]
    wanted = deployed(*scaling)._deployment_config.autoscaling_config
    assert (wanted.min_replicas, wanted.max_replicas, wanted.target_ongoing_requests) == (2, 6, 3)
    assert (wanted.upscale_delay_s, wanted.downscale_delay_s) == (4, 50)
    assert (
        deployed("ray.most=6", "batch.max=5")._deployment_config.autoscaling_config.target_ongoing_requests
        == 5
    )
    fixed = deployed("ray.replicas=3", "batch.max=5", "limits.devices=9")
    assert fixed._deployment_config.autoscaling_config is None
    assert (fixed.num_replicas, fixed.max_ongoing_requests, fixed.max_queued_requests) == (3, 10, 9)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_replicas_come_with_requests_and_go_without(started, expected):
    """Under a load there are two of them, and a while behind it one is left."""
    process, address = started(
        "ray.most=2", "ray.ongoing=1", "ray.up_after=0", "ray.down_after=2", "ray.cpus=0.1"
    )

    def waited(count):
        end = time.monotonic() + 120
        while len(replicas_of(process.pid)) != count and time.monotonic() < end:
            time.sleep(0.2)
        return len(replicas_of(process.pid)) == count

    assert waited(1)
    loaded = threading.Event()

    def ask(index):
        while not loaded.is_set():
            assert asked(address, expected[index][0])[0] == 200

    with concurrent.futures.ThreadPoolExecutor(8) as devices:
        asking = [devices.submit(ask, index) for index in range(8)]
        came = waited(2)
        loaded.set()
        for one in asking:
            one.result()
    assert came
    assert waited(1)


@pytest.mark.slow
def test_without_ray_the_line_says_what_to_install():
    """The extra is named where it is missing."""
    code = "import sys; sys.modules['ray'] = None\nimport bottleneck.runtime.serving.ray_app"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert 'engine=ray needs Ray Serve: pip install "split-bottleneck[runtime,ray]"' in done.stderr
