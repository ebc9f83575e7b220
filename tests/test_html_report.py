"""The report is one file that says what was measured; people can point at it, sort it, and read it offline."""

import dataclasses
import json
import os
import re
import signal
import socket

import pytest

from bottleneck.html_report import Importances, Mark, Report, untrained_mark, write_report
from bottleneck.results import Result

HOSTILE = "</script><script>document.title = 'broken out'</script><!--"
FROZEN = Result(
    method="frozen",
    task="classification",
    dataset="digits",
    model=HOSTILE,
    split="layer2",
    n=500,
    metric="accuracy_top1",
    value=0.97,
    baseline=0.97,
    value_interval=(0.95, 0.98),
)


def row(method, payload_bytes, value):
    measured = {"drop": 0.97 - value, "drop_interval": (0.0, 0.1), "device_macs": 2_150_000}
    return dataclasses.replace(
        FROZEN, method=method, payload_bytes=payload_bytes, bpp=payload_bytes / 8, value=value, **measured
    )


def point(payload_bytes, value, latent_channels):
    settings = {"latent_channels": latent_channels, "stride": 2, "step": 1.25, "alpha": 3.5}
    name = f"point of {payload_bytes} bytes"
    return Mark("frontier", name, row("bottleneck", payload_bytes, value), settings, curve="frontier")


REPORT = Report(
    kind="search",
    title=HOSTILE,
    about="digits",
    frozen=FROZEN,
    marks=[
        point(9, 0.8, 16),
        point(16, 0.96, 4),
        point(100, 0.965, 8),
        Mark("trial", "trial 1", row("bottleneck", 0, 0.1), {"latent_channels": 2}),
        *(
            untrained_mark(row(*sent))
            for sent in [("rle-2", 200, 0.94), ("rle-8", 800, 0.97), (HOSTILE, 300, 0.9)]
        ),
    ],
    importances=Importances({"rate, bpp": {"stride": 0.75, "step": 0.25}}, "Over 12 trials."),
    settings="space: all of it",
)


def content(page):
    """What `page` carries."""
    return json.loads(re.search(r'id="report">(.*?)</script>', page.read_text("utf-8"), re.DOTALL).group(1))


@pytest.fixture
def page(tmp_path):
    write_report(REPORT, tmp_path / "report.html")
    return tmp_path / "report.html"


def test_page_carries_what_was_measured(page):
    """Every mark is there with its settings and numbers; names come back as they were given."""
    marks = content(page)["marks"]
    assert [mark["payload_bytes"] for mark in marks] == [9, 16, 100, 0, 200, 800, 300]
    assert [marks[0][key] for key in ("latent_channels", "stride", "step", "alpha")] == [16, 2, 1.25, 3.5]
    assert marks[6]["name"] == HOSTILE
    assert [mark["curve"] for mark in marks[3:6]] == [None, "rle at layer2", "rle at layer2"]


def test_page_states_bytes_at_one_and_three_points(page):
    """One point below frozen is the second point's payload, three lie between it and the first, in log bytes."""
    tiles = content(page)["tiles"]
    assert tiles[0] == ["frozen network", "97.0 %", "95 %: 95.0 to 98.0"]
    assert tiles[1] == ["1 point below frozen", "16.0 bytes", "untrained: 529 bytes"]
    assert tiles[2][1] == f"{9 ** (0.02 / 0.16) * 16 ** (0.14 / 0.16):.1f} bytes"


def test_loss_that_nothing_keeps_to_is_said(tmp_path):
    """Where no point is close enough to the frozen network there is no number."""
    write_report(dataclasses.replace(REPORT, marks=[point(9, 0.5, 16)]), tmp_path / "report.html")
    assert content(tmp_path / "report.html")["tiles"][1][1:] == ["not reached", "untrained: not reached"]


def test_page_names_command_and_versions(page):
    """The command that wrote it, and the versions that measured."""
    assert "pytest" in content(page)["command"]
    assert {"python", "torch", "optuna", "split-bottleneck"} <= set(content(page)["versions"])


class Chromium:
    """A headless browser on its DevTools pipe, which needs no driver and no further package."""

    FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run")

    def __init__(self, executable, profile):
        ours, theirs = socket.socketpair()
        ours.settimeout(60)
        command = [
            executable,
            *self.FLAGS,
            "--remote-debugging-pipe",
            f"--user-data-dir={profile}",
            "about:blank",
        ]
        # The browser reads descriptor 3 and writes descriptor 4; a socket does for both.
        pipe = [(os.POSIX_SPAWN_DUP2, theirs.fileno(), descriptor) for descriptor in (3, 4)]
        quiet = (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)
        self._pid = os.posix_spawn(executable, command, os.environ, file_actions=[*pipe, quiet])
        theirs.close()
        self._socket, self._received, self._id, self._session, self.events = ours, b"", 0, {}, []

    def open(self, url, width=1100, height=900):
        """Show a page and wait until it is loaded."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._session = {"sessionId": session}
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        self.events.clear()
        self.call("Page.navigate", url=url)
        while not self.seen("Page.loadEventFired"):
            self._receive()

    def call(self, method, **params):
        """Call a method of the DevTools protocol; its result."""
        self._id += 1
        message = {"id": self._id, "method": method, "params": params, **self._session}
        self._socket.sendall(json.dumps(message).encode() + b"\0")
        while (answer := self._receive()).get("id") != self._id:
            pass
        assert "error" not in answer, answer
        return answer["result"]

    def evaluate(self, expression):
        """The value of an expression in the page."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def seen(self, method):
        """Parameters of the events of this name since the page was opened."""
        return [event["params"] for event in self.events if event["method"] == method]

    def point_at(self, selector, press=False):
        """Move the mouse to the middle of an element, and click there if asked."""
        box = self.evaluate(
            f"(e => {{ e.scrollIntoView({{block: 'center'}}); const r = e.getBoundingClientRect();"
            f" return [r.x + r.width / 2, r.y + r.height / 2]; }})(document.querySelector({json.dumps(selector)}))"
        )
        for kind in ["mouseMoved", "mousePressed", "mouseReleased"] if press else ["mouseMoved"]:
            button = {"button": "left", "clickCount": 1} if press else {}
            self.call("Input.dispatchMouseEvent", type=kind, x=box[0], y=box[1], **button)

    def press(self, key):
        """Press a key and let it go."""
        for kind in ("rawKeyDown", "keyUp"):
            code = {"Tab": 9, "ArrowRight": 39, "Escape": 27}[key]
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def close(self):
        """End the browser."""
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        self._socket.close()

    def _receive(self):
        while b"\0" not in self._received:
            self._received += self._socket.recv(1 << 16)
        message, _, self._received = self._received.partition(b"\0")
        answer = json.loads(message)
        if "method" in answer:
            self.events.append(answer)
        return answer
