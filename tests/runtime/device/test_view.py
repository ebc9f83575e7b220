"""The terminal's view says what the frames' records say, on a console that is recorded."""

import io
import re
import time

import pytest
from rich.console import Console

from bottleneck.runtime.device.client import Client
from bottleneck.runtime.device.view import View
from bottleneck.runtime.journal import Journal, Record
from bottleneck.runtime.link import Link
from bottleneck.runtime.relay import Relay, constant

TITLE = "camera to HOST:50051"


@pytest.fixture
def console():
    """A terminal whose text is kept."""
    return Console(file=io.StringIO(), force_terminal=True, width=100, record=True)


def rows(console):
    """The last table that was shown: names and what stood beside them."""
    table = console.export_text().rpartition(TITLE)[2]
    return dict(re.findall(r"^│ (\S+(?: \S+)*) +│ (.*?) +│$", table, re.MULTILINE))


def test_a_stream_is_told_as_its_records_have_it(loop, serve, half, digits_images, console):
    """Strategy, bandwidth and counts of answered and dropped frames are those of a device on a slow link."""
    _, port = serve()
    relay = Relay(("127.0.0.1", port), constant(Link(20e3, 0.02)))
    relayed, journal, view = loop.run(relay.start()), Journal(time.monotonic), View(TITLE, console)
    journal.listen(view)
    with Client(f"127.0.0.1:{relayed}", half, journal=journal, timeout=30) as client, view:
        for image in digits_images[:6]:
            client.ask(image)
        for image in digits_images[:30]:
            client.offer(image)
        client.settle()
    loop.run(relay.stop())
    records = [seen.record for seen in journal.since(0)]
    answered = [record for record in records if not record.dropped]
    assert 0 < journal.drops == len(records) - len(answered)
    shown = rows(console)
    assert shown["strategy"] == answered[-1].strategy == "layer2-2"
    assert shown["bandwidth"] == f"{answered[-1].bandwidth / 1000:,.0f} kB/s"
    assert f"{journal.drops} dropped" in shown["frames"]
    assert f"{len(answered)} layer2-2" in shown["frames"]
    assert view.summary() == shown["frames"]


def test_medians_and_answers_are_of_the_frames_that_were_answered(console):
    """Sizes and times come with their 90th percentile; what was concealed or asked again is counted."""
    answer = {"top": [{"class": 3, "score": 0.75}]}
    with View(TITLE, console) as view:
        for size in range(1, 12):
            view(Record(size, "layer2-0", bytes=size, age_ms=2.0 * size, answer=answer, bandwidth=2e6))
        view(
            Record(
                12, "device", packets=4, lost_packets=1, concealed=0.25, asked_again=True, answer={"mask": []}
            )
        )
        view(Record(13, dropped=True, reason="it would wait for the link"))
    assert rows(console) == {
        "strategy": "device",
        "bandwidth": "0 kB/s",
        "age_ms": "12.0 (90 %: 20.0)",
        "device_ms": "-",
        "link_ms": "-",
        "server_ms": "-",
        "bytes": "6.0 (90 %: 10.0)",
        "packets": "1 of 4 lost, 1 frames concealed in part",
        "asked again": "1 of 12 frames",
        "answer": "a mask",
        "frames": "13 frames: 11 layer2-0, 1 device, 1 dropped",
    }


def test_where_nobody_looks_nothing_is_drawn():
    """A file gets no table; the summary is there all the same."""
    file = io.StringIO()
    with View(TITLE, Console(file=file)) as view:
        assert view.summary() == "no frames"
        view(Record(0, "layer2-0", bytes=5, answer={"objects": []}))
    assert (file.getvalue(), view.summary()) == ("", "1 frames: 1 layer2-0")
