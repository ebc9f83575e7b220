"""Every key of `link` does what it says, on a clock that is passed in, and where it cannot it is refused."""

import pytest
from hydra import compose, initialize_config_dir

from bottleneck.commands.config import config_dir
from bottleneck.commands.link import conditions_of, link_of
from bottleneck.runtime.link import Link
from bottleneck.runtime.traces import Trace


@pytest.fixture
def configured():
    """Composes a command's configuration: `configured("demo", "link.rtt=1")`."""
    with initialize_config_dir(config_dir(), version_base="1.3"):
        yield lambda command, *overrides: compose(command, list(overrides))


@pytest.mark.parametrize("command", ["plan", "stream", "demo"])
def test_bandwidth_and_round_trip_are_where_decisions_begin(configured, command):
    """Every command that decides takes the link for what it is told, until it has measured it."""
    assert link_of(configured(command, "link.bandwidth=2e6", "link.rtt=0.1")) == Link(2e6, 0.1)


def bandwidths(conditions, *moments):
    """The emulated link's bandwidth at these seconds."""
    return [conditions(now).bandwidth for now in moments]


def test_the_demo_has_its_bandwidth_in_good_times(configured):
    """The default trace falls from `link.bandwidth` and comes back to it, at `link.rtt`; again and again."""
    conditions = conditions_of(configured("demo", "link.bandwidth=5e4", "link.rtt=0.2"))
    assert bandwidths(conditions, 0, 11, 12, 20, 25, 44, 46) == [5e4, 5e4, 500, 0, 5e4, 5e4, 5e4]
    assert conditions(0).rtt == 0.2


def test_without_a_trace_the_bandwidth_stays_but_for_outages(configured):
    """One outage is a pair, several are a list of pairs; each comes once."""
    one = conditions_of(configured("demo", "link.bandwidth=5e4", "link.trace=null", "link.outage=[10,20]"))
    assert bandwidths(one, 0, 9.9, 10, 19.9, 20, 50, 1e6) == [5e4, 5e4, 0, 0, 5e4, 5e4, 5e4]
    two = conditions_of(
        configured("demo", "link.bandwidth=5e4", "link.trace=null", "link.outage=[[1,2],[4,9]]")
    )
    assert bandwidths(two, 0, 1, 3, 4, 9) == [5e4, 0, 5e4, 0, 5e4]


@pytest.mark.parametrize("form", ["pairs", "file"])
def test_a_trace_repeats_with_its_outages(configured, tmp_path, form):
    """Given as pairs or as a file, it begins again at its last step, and so do outages within it."""
    Trace([0, 5, 10], [100, 50, 1]).write(tmp_path / "trace.csv")
    given = {"pairs": "[[0,100],[5,50],[10,1]]", "file": tmp_path / "trace.csv"}[form]
    conditions = conditions_of(configured("demo", f"link.trace={given}", "link.outage=[4,6]"))
    assert bandwidths(conditions, 0, 4, 5, 6, 10, 14.5, 16) == [100, 0, 0, 50, 100, 0, 50]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("link.outage=5", r"link\.outage=5 is no outage"),
        ("link.outage=[5]", r"link\.outage=\[5\] is no outage"),
        ("link.outage=[a,b]", "is no outage"),
        ("link.outage=[[1,2],3]", "is no outage"),
        ("link.outage=[20,10]", "20.0 to 10.0 does not"),
        ("link.outage=[20,60]", "goes beyond the end of link.trace, which begins again after 45 s"),
        ("link.trace=[[0,1]]", "has an end"),
        ("link.trace=[[1,1],[2,1]]", r"link\.trace=\[\[1, 1\], \[2, 1\]\] cannot be played.*rise from 0 s"),
        ("link.trace=[[0,1],[0,2]]", "rise from 0 s"),
        ("link.trace=[[0,-1],[1,1]]", "0 or more"),
        ("link.trace=[[0,nan],[1,1]]", "0 or more"),
        ("link.trace=[]", "cannot be played"),
        ("link.trace=[0,5]", "cannot be played"),
        ("link.trace=[[0],[1]]", "cannot be played"),
        ("link.trace=[[0,fast],[1,1]]", "cannot be played"),
        ("link.trace=5", "cannot be played"),
        ("link.rtt=-1", "with link.rtt=-1 is no link"),
    ],
)
def test_impossible_links_are_refused(configured, override, message):
    """The message names the key and what would be right."""
    with pytest.raises(ValueError, match=message):
        conditions_of(configured("demo", override))


def test_a_trace_that_is_missing_is_named(configured):
    """With its key, as it may be any of several files."""
    with pytest.raises(FileNotFoundError, match=r"link\.trace=/nowhere\.csv is no file"):
        conditions_of(configured("demo", "link.trace=/nowhere.csv"))
