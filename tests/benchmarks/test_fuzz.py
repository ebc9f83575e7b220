"""Foreign payloads, guided by the code that they reach."""

import os
import re
import signal
import time

import pytest

pytest.importorskip("atheris", reason="Atheris is not installed, or not made for this machine")

from benchmarks import fuzz


def numbers(said):
    """How many payloads and targets, and how many of the payloads broke the contract."""
    found = re.fullmatch(r"([\d,]+) payloads, (\d+) targets, (\d+) broke the contract", said.splitlines()[-1])
    return [int(number.replace(",", "")) for number in found.groups()]


def test_every_target_is_fed(capsys, tmp_path):
    """Foreign payloads of every target are tried, none breaks the contract, and new ones are kept."""
    fuzz.main(["--minutes", "0.05", "--corpus", str(tmp_path)])
    tried, targets, faults = numbers(capsys.readouterr().out)
    assert tried > targets > 20
    assert not faults
    folders = sorted(folder.name for folder in tmp_path.iterdir())
    assert len(folders) == targets
    assert {"server", "range", "hevc"} <= {folder.partition("-")[2] for folder in folders}


@pytest.mark.slow
def test_code_that_is_hard_to_reach_is_found(tmp_path):
    """Payloads that reach new code are gone on from: three bytes right of 16 million are no luck."""

    def decode(payload):
        if payload[:1] == b"\x93" and payload[1:2] == b"\x1f" and payload[2:3] == b"\xc4":
            raise KeyError(payload[3:])

    target = ("deep", fuzz.atheris.instrument_func(decode), [b"1234"])
    assert fuzz.fuzz(target, tmp_path / "deep", 5, 1)[1]


@pytest.mark.slow
def test_decoders_that_fail_are_told(capsys, tmp_path, monkeypatch):
    """A decoder that fails is named, and its payloads are kept."""
    monkeypatch.setattr("bottleneck.codecs.entropy.plain.Bytes.decode", lambda self, payload: payload[999])
    with pytest.raises(SystemExit):
        fuzz.main(["--minutes", "0.02", "--corpus", str(tmp_path)])
    said = capsys.readouterr().out
    kept = {file.read_bytes().hex() for file in tmp_path.glob("*-raw/*")}
    told = re.findall(r"raw: IndexError: .* from ([0-9a-f]*)… \(\d+ bytes\)", said)
    assert told
    assert all(any(payload.startswith(begin) for payload in kept) for begin in told)
    assert numbers(said)[2] >= len(told)


def test_crashes_are_told(capsys, tmp_path):
    """A library that takes the process with it breaks the contract too."""

    def crash(payload):
        os.kill(os.getpid(), signal.SIGKILL)

    assert fuzz.fuzz(("native", crash, [b"1"]), tmp_path / "native", 5, 1)[1] == 1
    assert "native: the process ended with" in capsys.readouterr().out


@pytest.mark.parametrize(("slow_calls", "said"), [(1, None), (2, "1.1 s")])
def test_slow_is_what_is_slow_again(slow_calls, said):
    """The first call compiles, and any call may meet a garbage collection: neither is the payload's doing."""
    calls = []

    def busy(payload):
        calls.append(payload)
        until = time.process_time() + 1.1 * fuzz.LIMIT_S
        while len(calls) <= slow_calls and time.process_time() < until:
            pass

    assert fuzz.broken(busy, b"1") == said
