"""The estimator follows a link on a passed-in clock, whatever becomes of the confirmations."""

import math
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bottleneck.runtime.estimator import Estimator
from bottleneck.runtime.link import Link


class Sender:
    """Sends one message after the other over a link that may change."""

    def __init__(self, estimator, bandwidth, rtt=0.02):
        self.estimator, self.bandwidth, self.rtt = estimator, bandwidth, rtt
        self.now, self.number = 0.0, 0

    def send(self, size=10_000, count=1, noise=lambda: 1.0):
        for _ in range(count):
            self.estimator.sent(self.number, size, self.now)
            self.now += size / (self.bandwidth * noise()) + self.rtt
            self.estimator.confirmed(self.number, size, self.now)
            self.number += 1
        return self.estimator.link(self.now)


def test_converges_to_bandwidth_and_round_trip():
    """After twenty messages and pings both are right within 5 %, wherever the estimate began."""
    for start in (Link(1e4, 0.5), Link(1e7, 0.0)):
        sender = Sender(Estimator(start), 200_000)
        for _ in range(20):
            sender.send(0)
            found = sender.send()
        assert found.bandwidth == pytest.approx(200_000, rel=0.05)
        assert found.rtt == pytest.approx(0.02, rel=0.05)


def test_noise_is_averaged():
    """±10 % of noise on the bandwidth leaves less than half of it in the estimate, by standard deviation."""
    random.seed(0)
    sender = Sender(Estimator(Link(200_000, 0.02)), 200_000)
    found = [sender.send(noise=lambda: random.uniform(0.9, 1.1)).bandwidth for _ in range(200)]
    assert statistics.pstdev(found) < 200_000 * 0.1 / math.sqrt(3) / 2


@pytest.mark.parametrize("factor", [0.1, 0.5, 2, 10])
def test_a_step_is_followed_within_four_messages(factor):
    """A change point resets the average, which alone would take eleven messages to come as near."""
    sender = Sender(Estimator(Link(200_000, 0.02)), 200_000)
    sender.send(20_000, count=20)
    sender.bandwidth *= factor
    assert sender.send(20_000, count=4).bandwidth == pytest.approx(200_000 * factor, rel=0.1)


def test_a_message_under_way_bounds_the_bandwidth():
    """What has not arrived after a second shows that the link is slow, before any confirmation says so."""
    estimator = Estimator(Link(1e6, 0.02))
    estimator.sent(0, 10_000, 0.0)
    assert estimator.link(0.02).bandwidth == 1e6
    assert estimator.link(1.025).bandwidth == pytest.approx(10_000)


def test_two_losses_in_a_row_read_as_a_dead_link_until_something_arrives():
    """One loss is chance; after two the bandwidth is 0, and after any later confirmation it is not."""
    estimator = Estimator(Link(1e6, 0.02))
    estimator.sent(0, 1000, 0.0)
    assert estimator.link(0.3).bandwidth > 0
    estimator.sent(1, 1000, 0.3)
    assert estimator.link(0.54).bandwidth > 0
    assert estimator.link(0.6).bandwidth == 0
    estimator.sent(2, 0, 1.0)
    assert estimator.link(1.0).bandwidth == 0
    estimator.confirmed(2, 0, 1.02)
    assert estimator.link(1.02).bandwidth == 1e6


def test_a_ping_under_way_bounds_nothing():
    """An empty message says nothing of the bandwidth, however late it is."""
    estimator = Estimator(Link(1e6, 0.02))
    estimator.sent(0, 0, 0.0)
    assert estimator.link(0.2).bandwidth == 1e6


def test_an_outage_teaches_no_bandwidth():
    """What was stuck while the link was dead says that it lives again, not how slow it was meanwhile."""
    estimator = Estimator(Link(1e6, 0.02))
    for number in (0, 1):
        estimator.sent(number, 10_000, float(number))
    assert estimator.link(9.0).bandwidth == 0
    for number in (0, 1):
        estimator.confirmed(number, 10_000, 9.0)
    assert estimator.link(9.0).bandwidth == 1e6


def test_a_late_confirmation_still_teaches():
    """A message that counted as lost and arrives after all says how slow the link is."""
    estimator = Estimator(Link(1e6, 0.02))
    estimator.sent(0, 10_000, 0.0)
    assert estimator.clear(2.0)
    estimator.confirmed(0, 10_000, 2.02)
    assert estimator.link(2.02).bandwidth == pytest.approx(5_000)


def test_short_transfers_only_bound_from_below():
    """A transfer that is too short to be measured raises an estimate that was too low, and lowers none."""
    sender = Sender(Estimator(Link(1e4, 0.02)), 1e9)
    assert sender.send(1000).bandwidth == pytest.approx(200_000)
    assert sender.send(100).bandwidth == pytest.approx(200_000)
    assert sender.estimator.vague


def test_order_of_confirmations_does_not_matter():
    """A confirmation that overtakes another is taken for its own message."""
    estimator = Estimator(Link(1e5, 0.02))
    estimator.sent(0, 1000, 0.0)
    estimator.sent(1, 1000, 0.01)
    estimator.confirmed(1, 1000, 0.04)
    assert not estimator.clear(0.04)
    estimator.confirmed(0, 1000, 0.041)
    assert estimator.clear(0.041)
    assert estimator.link(0.041).bandwidth == pytest.approx(1e5, rel=0.2)


def test_what_is_unreceived_drains_and_what_is_lost_does_not_count():
    """The bytes under way shrink with time; after the deadline none are left."""
    estimator = Estimator(Link(10_000, 0.02))
    estimator.sent(0, 1000, 0.0)
    assert estimator.unreceived(0.0) == 1000
    assert estimator.unreceived(0.06) == pytest.approx(500)
    assert not estimator.clear(0.3)
    assert estimator.unreceived(9.0) == 0
    assert estimator.clear(9.0)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["sent", "confirmed"]),
            st.integers(-2, 6),
            st.integers(0, 2**40),
            st.floats(0, 1e6, allow_nan=False),
        ),
        max_size=60,
    )
)
def test_no_sequence_of_messages_breaks_it(events):
    """Whatever arrives, in whatever order, the link stays one, and nothing is kept for ever."""
    estimator, now = Estimator(Link(1e5, 0.02)), 0.0
    for kind, number, size, seconds in events:
        now += seconds
        getattr(estimator, kind)(number, size, now)
        link = estimator.link(now)
        assert 0 <= link.bandwidth < math.inf
        assert 0 <= link.rtt < math.inf
        assert estimator.unreceived(now) >= 0
    assert estimator.clear(now + 1e12)
    assert not estimator._in_flight


@pytest.mark.parametrize("link", [Link(0, 0), Link(-1, 0), Link(math.inf, 0), Link(1, -1), Link(math.nan, 0)])
def test_first_belief_must_be_a_link(link):
    """An estimate has to begin somewhere; the message names the keys."""
    with pytest.raises(ValueError, match=r"link\.bandwidth=.* is no link"):
        Estimator(link)
