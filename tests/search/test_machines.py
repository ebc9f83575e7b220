"""One study on many machines: trials in PostgreSQL, trained units in S3, both on loopback here."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import boto3
import psycopg
import pytest

import bottleneck
from bottleneck.data import Digits

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]  # boto3's

TRIALS = 6
SHORT = (
    "device=cpu",
    "trainer.max_epochs=2",
    "trainer.enable_progress_bar=false",
    "data.train_limit=200",
    "space.step=[0.1, 0.5]",  # two epochs leave larger steps nothing but zeros
)


def free_port() -> int:
    with contextlib.closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture(scope="module")
def database():
    """A PostgreSQL server of our own; its URL."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin")) or [Path(shutil.which("initdb") or "-").parent]
    if not (found[-1] / "initdb").exists():
        pytest.skip("no PostgreSQL server is installed here (Debian: apt-get install postgresql)")
    folder, port = Path(tempfile.mkdtemp()), free_port()
    # The server refuses to run as root.
    owner = {"user": "postgres", "cwd": "/"} if os.geteuid() == 0 else {}
    if owner:
        shutil.chown(folder, "postgres")
    subprocess.run(
        [found[-1] / "initdb", "-D", folder / "data", "-U", "someone", "-A", "trust", "--no-sync"],
        check=True,
        stdout=subprocess.DEVNULL,
        **owner,
    )
    options = [
        "-c",
        "listen_addresses=127.0.0.1",
        "-c",
        f"unix_socket_directories={folder}",
        "-c",
        "fsync=off",
    ]
    server = subprocess.Popen(
        [found[-1] / "postgres", "-D", folder / "data", "-p", str(port), *options],
        stderr=subprocess.DEVNULL,
        **owner,
    )
    deadline = time.monotonic() + 30
    while subprocess.run([found[-1] / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]).returncode:
        assert server.poll() is None, "the server ended"
        assert time.monotonic() < deadline
        time.sleep(0.1)
    yield f"postgresql://someone@127.0.0.1:{port}/postgres"
    server.send_signal(signal.SIGINT)
    server.wait(30)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def bucket():
    """An S3 of our own: the environment in which `s3://units` is found."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    environment = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "any",
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    options = {"region_name": "us-east-1", "aws_access_key_id": "any", "aws_secret_access_key": "any"}
    client = boto3.client("s3", endpoint_url=environment["AWS_ENDPOINT_URL"], **options)
    client.create_bucket(Bucket="units")
    client.close()
    yield environment
    server.stop()


def machine(folder: Path, database: str, environment: dict[str, str]) -> subprocess.Popen:
    """The README's command, on a machine with folders of its own."""
    where = [f"study.storage={database}", "study.artifacts=s3://units", f"study.folder={folder}"]
    with folder.with_suffix(".log").open("w") as log:
        return subprocess.Popen(
            [
                sys.executable,
                "-W",
                "ignore",
                "-m",
                "bottleneck",
                "search",
                *SHORT,
                *where,
                f"study.n_trials={TRIALS}",
            ],
            env={**os.environ, **environment, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,
        )


def first_to_train(database: str, machines: list[subprocess.Popen]) -> subprocess.Popen:
    """Wait until one of the machines trains a trial."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        # An error until the first machine has made the tables.
        with contextlib.suppress(psycopg.Error), psycopg.connect(database) as connection:
            query = "select value_json from trial_user_attributes where key = 'lease'"
            busy = {json.loads(value)["pid"] for (value,) in connection.execute(query)}
            if found := [each for each in machines if each.pid in busy]:
                return found[0]
        time.sleep(0.1)
    pytest.fail("no machine took a trial")


def test_machines_share_a_study_through_postgresql_and_s3(tmp_path, database, bucket, digits_network):
    """Three machines begin on an empty database, one is killed: n trials, none twice, one frontier."""
    machines = [machine(tmp_path / name, database, bucket) for name in ("a", "b", "c")]
    killed = first_to_train(database, machines)
    os.killpg(killed.pid, signal.SIGKILL)
    expected = [-signal.SIGKILL if each is killed else 0 for each in machines]
    assert [each.wait() for each in machines] == expected, [log.read_text() for log in tmp_path.glob("*.log")]
    assert machine(tmp_path / "d", database, bucket).wait() == 0  # a fourth finds what the kill left behind

    trials = [json.loads(line) for line in (tmp_path / "d" / "trials.jsonl").read_text().splitlines()]
    finished = [t for t in trials if t["state"] in ("COMPLETE", "PRUNED")]
    assert len(finished) == TRIALS
    assert not [t for t in trials if t["state"] in ("RUNNING", "WAITING")]
    assert max(Counter(json.dumps(t["params"]) for t in finished).values()) == 1
    device, server = bottleneck.load(tmp_path / "d" / "frontier", digits_network)
    image, _ = Digits().subset("val")[0]
    for point in device.points:
        assert server(device(image, point=point.id)).shape == (1, 10)
