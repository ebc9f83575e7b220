"""`benchmarks/payloads.py` does on little what it says it does."""

import json


def test_payloads(run, tmp_path):
    """What this machine wrote it makes and reads alike; another codec's payload it does not."""
    run("payloads", "write", tmp_path / "a.json")
    said = run("payloads", "check", tmp_path / "a.json").splitlines()[1:]
    assert {line.split()[0] for line in said} >= {"range", "context", "packets", "rle"}
    assert all("4 of 4 payloads made alike, 4 read alike" in line for line in said)
    entries = json.loads((tmp_path / "a.json").read_text())
    entries[0]["rows"][0].update(payload=entries[0]["rows"][1]["payload"])
    (tmp_path / "a.json").write_text(json.dumps(entries))
    assert "3 of 4 payloads made alike, 3 read alike" in run("payloads", "check", tmp_path / "a.json")
