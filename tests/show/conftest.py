"""Rows that tables and pictures show."""

import pytest

from bottleneck.measure.results import Result


@pytest.fixture
def rows():
    common = {
        "task": "classification",
        "dataset": "digits",
        "model": "m",
        "split": "layer2",
        "n": 500,
        "metric": "accuracy_top1",
        "baseline": 0.95,
        "value_interval": (0.8, 0.99),
        "head_ms": 3.0,
        "device_macs": 2_150_000,
    }
    sent = [("rle-2", 200.0, 0.9), ("rle-4", 400.0, 0.95), ("bottleneck", 7.25, 0.94)]
    return [Result(method="frozen", kind="frozen", value=0.95, **common)] + [
        Result(
            method=m,
            kind="trained" if m == "bottleneck" else "untrained",
            family=m.split("-")[0],
            payload_bytes=b,
            value=v,
            encode_ms=0.25,
            drop=0.95 - v,
            drop_interval=(-0.01, 0.06),
            **common,
        )
        for m, b, v in sent
    ]
