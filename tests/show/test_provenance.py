"""A result says which command and which versions made it."""

import datetime
import sys

import optuna
import pytest
import torch

from bottleneck import __version__
from bottleneck.show import provenance


def test_command_can_be_pasted_into_a_shell(monkeypatch):
    """Arguments come in their order, quoted where a shell needs it; the interpreter's path stays private."""
    given = ["/somewhere/bin/python3.11", "-m", "bottleneck", "search", "space.step=[1, 2]"]
    monkeypatch.setattr(sys, "orig_argv", given)
    assert provenance.command() == "python -m bottleneck search 'space.step=[1, 2]'"
    monkeypatch.setattr(sys, "orig_argv", ["/somewhere/bin/python3.11", "/somewhere/bin/bottleneck", "train"])
    assert provenance.command() == "bottleneck train"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("study.storage=postgresql://me:s3:c@ret@host/db", "study.storage=postgresql://me:***@host/db"),
        ("study.storage=postgresql://host/db?user=me&password=secret&x=1", "password=***&x=1"),
        ("study.storage=journal:////folder/study.journal", "study.storage=journal:////folder/study.journal"),
    ],
)
def test_command_keeps_passwords_to_itself(monkeypatch, given, told):
    """A storage's password is starred out; the rest of its URL stays."""
    monkeypatch.setattr(sys, "orig_argv", ["python", given])
    command = provenance.command()
    assert told in command
    assert not any(secret in command for secret in ("s3:", "c@ret", "secret"))


def test_versions_are_those_that_run():
    """The versions named are the imported ones."""
    versions = provenance.versions()
    assert versions["optuna"] == optuna.__version__
    assert versions["split-bottleneck"] == __version__
    assert versions["python"].startswith(sys.version.split()[0])


def test_what_was_measured_says_on_what_and_when():
    """The machine is named with the threads that were taken of it, and the date has its zone."""
    measured = provenance.measured(torch.device("cpu"))
    assert measured["command"] == provenance.command()
    assert measured["versions"] == provenance.versions()
    name, _, threads = measured["machine"].rpartition(", ")
    assert name
    assert threads.startswith(f"{torch.get_num_threads()} of ")
    since = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(measured["date"])
    assert 0 <= since.total_seconds() < 120
