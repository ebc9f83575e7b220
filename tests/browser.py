"""A browser for tests of pages."""

import json
import os
import signal
import socket


class Chromium:
    """A headless browser on its DevTools pipe, which needs no driver and no further package."""

    FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars")

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
        self._socket, self._received, self._id, self.events = ours, b"", 0, []
        self._target: dict[str, str] = {}
        self._session: dict[str, str] = {}

    def open(self, url, width=1100, height=900):
        """Show a page in place of the one before, and wait until it is loaded."""
        before, self._session = self._target, {}
        self._target = {"targetId": self.call("Target.createTarget", url="about:blank")["targetId"]}
        if before:
            self.call("Target.closeTarget", **before)
        session = self.call("Target.attachToTarget", **self._target, flatten=True)["sessionId"]
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
        result = self.call(
            "Runtime.evaluate", expression=f"{{{expression}}}", returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def seen(self, method):
        """Parameters of the events of this name since the page was opened."""
        return [event["params"] for event in self.events if event["method"] == method]

    def point_at(self, selector, press=False):
        """Move the mouse to the middle of an element, and click there if asked."""
        box = self.evaluate(
            f"const found = document.querySelector({json.dumps(selector)}); found.scrollIntoView();"
            "const {x, y, width, height} = found.getBoundingClientRect(); [x + width / 2, y + height / 2]"
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
        # A page before may still tell of requests that it had begun.
        if "method" in answer and answer.get("sessionId") == self._session.get("sessionId"):
            self.events.append(answer)
        return answer
