"""`benchmarks/devices.py` does on little what it says it does."""

from bottleneck.runtime.link import Link
from bottleneck.runtime.plan import Plan
from bottleneck.runtime.policies import Policy
from bottleneck.runtime.strategy import Spread, Strategy
from tests.benchmarks.printed import tables


def test_devices(run, tmp_path):
    """A slow device on a fast link sends a picture; on a thin one it splits, and a fast device finishes."""
    strategies = [  # milliseconds on the device, bytes, milliseconds on the server
        Strategy("device", None, Spread([50]), Spread([0]), Spread([0]), 0.99),
        Strategy("jpeg", "input", Spread([1]), Spread([20_000]), Spread([50]), 0.99, codec={"name": "jpeg"}),
        Strategy("early", "layer1", Spread([15]), Spread([500]), Spread([40]), 0.98),
        Strategy("poor", "layer1", Spread([1]), Spread([5]), Spread([1]), 0.5),
    ]
    path = tmp_path / "plan.json"
    Plan(strategies, Link(1e6), Policy(), "accuracy_top1").write(path)
    rows, gains = tables(run("devices", path))
    fastest = {(row["device"], row["link"].split(",")[0]): row["fastest"] for row in rows}
    assert fastest["a core of this machine", "10 kbit/s"] == "finish on the device"
    assert fastest["20 times slower", "50 Mbit/s"] == "send a picture"
    assert fastest["20 times slower", "40 kbit/s"] == "split"
    assert "poor" not in str(rows)
    best_alone, worst_alone = map(float, gains[0]["against the device alone"].split(" / "))
    assert 1 <= best_alone <= worst_alone < 1.1  # a fast device finishes by itself nearly everywhere
    assert all(float(row["against the best picture"].split(" / ")[1]) > 5 for row in gains)
    assert float(gains[2]["energy, against the device alone"].split(" / ")[0]) > 2
    _, gains = tables(run("devices", path, "--tail", 12.3))  # more than the slowest device computes for
    assert {row["energy, against the device alone"] for row in gains} == {"1.00 / 1.0"}
    rows, gains = tables(run("devices", path, "--drop", 0.001))
    assert {row["split"] for row in rows} == {"none within the drop"}
    assert {row["fastest"] for row in rows} == {"finish on the device", "send a picture"}
