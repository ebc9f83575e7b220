"""What is lost: as often as said, in bursts as long as said, and the same again for the same seed."""

import numpy as np
import pytest

from bottleneck.lossy.processes import GilbertElliott, Independent, Trace


def bursts(lost):
    """Lengths of the runs of losses."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], lost, [0]])))
    return edges[1::2] - edges[::2]


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.3, 1.0])
def test_independent_losses_have_their_rate(rate):
    """The share of what is lost is the rate, and 0 and 1 are exact."""
    lost = Independent(rate, seed=1).draw(40_000)
    assert lost.mean() == pytest.approx(rate, abs=0.01 if 0 < rate < 1 else 0)


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.3])
@pytest.mark.parametrize("burst", [1.5, 4, 7])
def test_bursts_have_rate_and_length(rate, burst):
    """Both means are those that were asked for."""
    lost = GilbertElliott(rate, burst, seed=3).draw(300_000)
    assert lost.mean() == pytest.approx(rate, rel=0.12)
    assert bursts(lost).mean() == pytest.approx(burst, rel=0.1)


@pytest.mark.parametrize("make", [lambda s: Independent(0.3, s), lambda s: GilbertElliott(0.3, 3, s)])
def test_processes_go_on_and_repeat(make):
    """However the draws are cut, they are one sequence, which its seed decides."""
    whole, process = make(5).draw(200), make(5)
    assert np.array_equal(np.concatenate([process.draw(n) for n in (3, 0, 150, 47)]), whole)
    assert not np.array_equal(make(6).draw(200), whole)


def test_traces_begin_again(tmp_path):
    """A recorded trace is replayed in order, round and round."""
    path = tmp_path / "trace.txt"
    path.write_text("1 0 0\n1\n")
    trace = Trace.read(path)
    assert trace.rate == 0.5
    assert trace.draw(3).tolist() == [True, False, False]
    assert trace.draw(6).tolist() == [True, True, False, False, True, True]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Independent(1.2), r"loss_rate=1.2 is no share .* from 0 to 1"),
        (lambda: Independent(float("nan")), "loss_rate=nan"),
        (lambda: GilbertElliott(-0.1, 3), "loss_rate=-0.1"),
        (lambda: GilbertElliott(0.2, 0.5), "burst=0.5"),
        (lambda: GilbertElliott(0.8, 2), r"burst=2 is too short for loss_rate=0.8.* at least 4"),
        (lambda: GilbertElliott(1, 2), "a rate below 1"),
        (lambda: Trace([]), "trace is empty"),
    ],
)
def test_impossible_processes_are_refused(make, message):
    """Rates and bursts that cannot be are named, with what would be right."""
    with pytest.raises(ValueError, match=message):
        make()


def test_foreign_traces_are_refused(tmp_path):
    """A file with anything but zeros and ones is no trace."""
    (tmp_path / "t").write_text("0 1 2")
    with pytest.raises(ValueError, match="has '2' in it; a trace is 0"):
        Trace.read(tmp_path / "t")
