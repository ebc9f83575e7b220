"""The page shows what happens, asks nobody else, and changes the link where that is emulated."""

import io
import json
import urllib.error
import urllib.request

import numpy as np
import pytest
import torch
from PIL import Image

from bottleneck.runtime.journal import Journal, Record
from bottleneck.runtime.link import Link
from bottleneck.runtime.page import Page, background_page
from bottleneck.runtime.page.pictures import mosaic, thumbnail
from bottleneck.runtime.relay import Relay, constant

HOSTILE = "<script>document.title = 'broken out'</script>"


class Clock:
    """A clock that moves when it is read."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 0.1
        return self.now


@pytest.fixture
def journal():
    """Nine answered frames, a switch between them, the last concealed in part, and three dropped ones."""
    journal = Journal(Clock())
    for number in range(9):
        strategy = HOSTILE if number > 5 else "layer2-0"
        answer = {"top": [{"class": number, "score": 0.75}]}
        parts = {"device_ms": 2.0, "link_ms": 10.0, "server_ms": 3.0, "age_ms": 15.0}
        record = Record(number, strategy, "layer2", 0, 12, answer=answer, bandwidth=2e5, **parts)
        if number == 8:
            record.packets, record.lost_packets, record.concealed = 4, 1, 0.25
            record.asked_again = True
        feature = np.arange(2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4)
        journal.add(record, torch.zeros(1, 8, 8, dtype=torch.uint8), feature)
    for number in (9, 10, 11):
        journal.add(Record(number, dropped=True, reason="it would wait for the link"))
    return journal


@pytest.fixture
def relay():
    """An emulated link that nobody uses."""
    relay = Relay(("127.0.0.1", 1), constant(Link(1e5, 0.05)))
    relay._began = 0.0
    return relay


@pytest.fixture
def address(loop, journal, relay):
    """Where the page is."""
    page = Page(journal, HOSTILE, relay=relay)
    yield f"http://127.0.0.1:{loop.run(page.start('127.0.0.1', 0))}"
    loop.run(page.stop())


def get(url, **options):
    """What a request is answered: status, headers, body."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, **options), timeout=30) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def test_state_has_what_is_new(address):
    """All records come once; asked again with the last number, none do."""
    state = json.loads(get(f"{address}/state")[2])
    assert (state["frames"], state["drops"], state["switches"]) == (12, 3, 1)
    assert [record["id"] for record in state["seen"]] == list(range(12))
    assert state["link"] == {"bandwidth": 1e5, "rtt": 0.05}
    assert json.loads(get(f"{address}/state?since=8")[2])["seen"][0]["id"] == 8
    assert json.loads(get(f"{address}/state?since=12")[2])["seen"] == []
    assert get(f"{address}/state?since=x")[0] == 400


def test_pictures_are_those_that_are_kept(address):
    """A frame's image and the last feature are PNGs; what is not kept is not found."""
    for name in ("image/9.png", "feature.png"):
        status, headers, body = get(f"{address}/{name}")
        assert (status, headers["Content-Type"]) == (200, "image/png")
        assert Image.open(io.BytesIO(body)).size[0] > 50
    assert get(f"{address}/image/10.png")[0] == get(f"{address}/image/99.png")[0] == 404


def test_metrics_are_prometheus_own(loop):
    """Counters and histograms follow the journal, in a format that Prometheus' parser reads."""
    parser = pytest.importorskip("prometheus_client.parser")
    journal = Journal(Clock())
    page = Page(journal, "t")
    port = loop.run(page.start("127.0.0.1", 0))
    journal.add(Record(0, "layer2-0", bytes=12, age_ms=15.0, bandwidth=5.0, asked_again=True))
    journal.add(Record(1, dropped=True))
    journal.add(Record(2, "layer2-0", packets=5, lost_packets=2, concealed=0.4))
    journal.add(Record(3, packets=3, lost_packets=3, dropped=True))
    text = get(f"http://127.0.0.1:{port}/metrics")[2].decode()
    loop.run(page.stop())
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in parser.text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples["bottleneck_frames_total", "layer2-0"] == 2
    assert samples["bottleneck_drops_total",] == 2
    assert samples["bottleneck_packets_total", "lost"] == 5
    assert samples["bottleneck_packets_total", "arrived"] == 3
    assert samples["bottleneck_concealed_total",] == 1
    assert samples["bottleneck_asked_again_total",] == 1
    assert samples["bottleneck_payload_bytes_total",] == 12
    assert samples["bottleneck_seconds_bucket", "0.02", "age"] == 1
    assert samples["bottleneck_seconds_bucket", "0.01", "age"] == 0


def test_only_the_page_itself_may_change_the_link(address, relay):
    """JSON with possible numbers changes it; forms, which any site could send, and nonsense do not."""
    as_json = {"Content-Type": "application/json"}
    assert get(f"{address}/link", data=b'{"bandwidth": 7e3, "rtt": 0.2}', headers=as_json)[0] == 200
    assert relay.conditions(0.0) == Link(7e3, 0.2)
    refused = [
        (b'{"bandwidth": 1, "rtt": 1}', {}),
        (b'{"bandwidth": -1, "rtt": 1}', as_json),
        (b"[", as_json),
    ]
    assert [get(f"{address}/link", data=data, headers=headers)[0] for data, headers in refused] == [
        415,
        400,
        400,
    ]
    assert relay.conditions(0.0) == Link(7e3, 0.2)


def test_a_page_without_emulated_link_has_none_to_change(journal):
    """Beside a program without event loop a page shows the journal, and no link."""
    with background_page(journal, "t", "127.0.0.1", 0) as port:
        assert json.loads(get(f"http://127.0.0.1:{port}/state")[2])["link"] is None
        assert get(f"http://127.0.0.1:{port}/link", data=b"{}")[0] == 404


def test_a_port_that_is_taken_is_named(loop, address, journal):
    """The message has the key."""
    port = int(address.rpartition(":")[2])
    with pytest.raises(ValueError, match=rf"page\.port={port} on page\.host=.* cannot be listened on"):
        loop.run(Page(journal, "t").start("127.0.0.1", port))


def test_memory_does_not_grow_with_frames():
    """Records, images and features of a long run are forgotten; counts stay."""
    journal = Journal(Clock(), keep=5, keep_images=2)
    for number in range(100):
        journal.add(Record(number), object(), np.zeros((1, 1, 1)))
    assert [seen.number for seen in journal.since(0)] == [96, 97, 98, 99, 100]
    assert [journal.image(number) is None for number in (98, 99, 100)] == [True, False, False]
    assert journal.feature()[0] == journal.frames == 100


def test_a_mosaic_has_a_tile_for_every_channel():
    """Channels lie side by side, dark to bright over all of them; constant features are no error."""
    feature = np.stack([np.full((2, 2), value, np.float32) for value in (0, 1, 2)])
    picture = np.asarray(Image.open(io.BytesIO(mosaic(feature))))
    tile = picture.shape[0] // 2
    assert [picture[y * tile, x * tile] for y in (0, 1) for x in (0, 1)] == [0, 127, 255, 0]
    assert mosaic(np.ones((300, 1, 1)))
    assert mosaic(np.ones((7, 5)))


@pytest.mark.parametrize(
    "image",
    [
        Image.new("L", (900, 500)),
        np.zeros((3, 8, 8), np.uint8),
        torch.rand(1, 5, 7),
    ],
)
def test_thumbnails_of_everything_that_is_an_image(image):
    """Large images are made small, tiny ones large, floats are stretched."""
    picture = Image.open(io.BytesIO(thumbnail(image)))
    assert picture.mode == "RGB"
    assert 120 < max(picture.size) <= 240


def test_thumbnails_of_few_grey_levels_are_seen():
    """An embedded digit, whose ink is 16 of 255, is white on black."""
    picture = Image.open(io.BytesIO(thumbnail(np.arange(17, dtype=np.uint8).reshape(1, 1, 17))))
    assert picture.getextrema() == ((0, 255),) * 3


SLIDE = """const slider = document.querySelector('#bandwidth-slider');
slider.value = 4;
for (const name of ['input', 'change']) slider.dispatchEvent(new Event(name))"""
DRAWN = """[...document.querySelectorAll('canvas')].map(canvas =>
canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(value => value))"""
COMPLETE = """document.querySelectorAll('#rows tr').length > 0
&& document.querySelector('#feature').naturalWidth > 0"""


@pytest.mark.slow
def test_page_in_a_browser(chromium, address, relay):
    """Chromium draws everything without an error, asks nobody else, and its slider changes the link."""
    chromium.open(address)

    def wait(condition):
        for _ in range(200):
            if condition():
                return
            chromium.evaluate("new Promise(done => setTimeout(() => done(1), 50))")
        raise AssertionError("it did not happen")

    def text(selector):
        return chromium.evaluate(f"document.querySelector({json.dumps(selector)}).innerText")

    wait(lambda: chromium.evaluate(COMPLETE))
    assert text("h1") == HOSTILE == text("#strategy")
    assert "device 2" in text("#parts")
    shown = ("#age", "#bytes", "#bandwidth", "#drops", "#switches")
    assert [text(selector) for selector in shown] == ["15 ms", "12", "200 kB/s", "3", "1 switches"]
    assert text("#rows").count("3 frames dropped: it would wait for the link") == 1
    assert "class 8, 75 % (25 % concealed) (asked again)" in text("#rows")
    assert chromium.evaluate("document.querySelectorAll('tr.concealed').length") == 1
    assert text("#lost") == "of frames; 1 of 4 packets lost"
    assert chromium.evaluate(DRAWN) == [True] * 3
    chromium.evaluate(SLIDE)
    wait(lambda: relay.conditions(0.0) == Link(1e4, 0.05))
    assert chromium.evaluate("document.title") == "bottleneck"
    asked = [request["request"]["url"] for request in chromium.seen("Network.requestWillBeSent")]
    assert all(url.startswith((address, "data:")) for url in asked)
    assert not chromium.seen("Runtime.exceptionThrown") + chromium.seen("Log.entryAdded")
