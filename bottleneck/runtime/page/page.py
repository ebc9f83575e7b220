"""The page's own small server."""

import asyncio
import contextlib
import math
import threading
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from aiohttp import web

from bottleneck.runtime.journal import Journal
from bottleneck.runtime.link import Link
from bottleneck.runtime.page.metrics import Metrics
from bottleneck.runtime.page.pictures import mosaic, thumbnail
from bottleneck.runtime.relay import Relay, constant

_MOST_RECORDS = 300  # in one answer
_POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'"
_TYPES = {"page.html": "text/html", "page.css": "text/css", "page.js": "text/javascript"}


class Page:
    """Shows a journal.

    Args:
        journal: What happens.
        title: What people read above it.
        features: The journal of whoever decodes, if that is another.
        relay: The emulated link, which the page may change.
    """

    def __init__(
        self, journal: Journal, title: str, features: Journal | None = None, relay: Relay | None = None
    ):
        self._journal, self._title = journal, title
        self._features, self._relay = features or journal, relay
        self._metrics = Metrics(journal)
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; the port, which 0 leaves open.

        Raises:
            ValueError: If it is taken.
        """
        if type(port) is not int or not isinstance(host, str):
            raise ValueError(
                f"page.port={port} and page.host={host} are no place to listen. Use a whole number, 0 to "
                "65535, and an address such as 127.0.0.1."
            )
        app = web.Application()
        app.add_routes(
            [
                web.get("/", self._file),
                web.get("/{name:page\\.(?:css|js)}", self._file),
                web.get("/state", self._state),
                web.get("/image/{number:\\d+}.png", self._image),
                web.get("/feature.png", self._feature),
                web.get("/metrics", self._exposition),
                web.post("/link", self._set_link),
            ]
        )
        app.on_response_prepare.append(_guarded)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except (OSError, OverflowError) as error:
            raise ValueError(
                f"page.port={port} on page.host={host} cannot be listened on ({error}). Choose another."
            ) from error
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Listen no more."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _file(self, request: web.Request) -> web.Response:
        name = request.match_info.get("name", "page.html")
        text = (files(__package__) / name).read_text(encoding="utf-8")
        return web.Response(text=text, content_type=_TYPES[name])

    async def _state(self, request: web.Request) -> web.Response:
        try:
            since = int(request.query.get("since", "0"))
        except ValueError:
            raise web.HTTPBadRequest(text="since= is the number of a record.") from None
        journal, feature = self._journal, self._features.feature()
        link = None if self._relay is None else self._relay.link()
        return web.json_response(
            {
                "title": self._title,
                "frames": journal.frames,
                "drops": journal.drops,
                "switches": journal.switches,
                "feature": None if feature is None else feature[0],
                "link": None if link is None else link._asdict(),
                "seen": [
                    {"number": seen.number, "time": seen.time, **seen.record.to_dict()}
                    for seen in journal.since(since)[-_MOST_RECORDS:]
                ],
            }
        )

    async def _image(self, request: web.Request) -> web.Response:
        image = self._journal.image(int(request.match_info["number"]))
        if image is None:
            raise web.HTTPNotFound(text="that frame is not kept any more.")
        return _png(await asyncio.to_thread(thumbnail, image))

    async def _feature(self, request: web.Request) -> web.Response:
        found = self._features.feature()
        if found is None:
            raise web.HTTPNotFound(text="nothing was decoded here yet.")
        return _png(await asyncio.to_thread(mosaic, found[1]))

    async def _exposition(self, request: web.Request) -> web.Response:
        return web.Response(body=self._metrics.exposition(), headers={"Content-Type": self._metrics.type})

    async def _set_link(self, request: web.Request) -> web.Response:
        """Change the emulated link. JSON only: a browser lets no other site send that here."""
        if self._relay is None:
            raise web.HTTPNotFound(text="the link is not emulated.")
        if request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType(text="send JSON.")
        try:
            wanted: Any = await request.json()
            link = Link(float(wanted["bandwidth"]), float(wanted["rtt"]))
        except (ValueError, KeyError, TypeError) as error:
            raise web.HTTPBadRequest(text=f"give bandwidth and rtt: {error}") from error
        if not all(0 <= value < math.inf for value in link):
            raise web.HTTPBadRequest(text=f"{link} is no link. Give bytes per second and seconds.")
        self._relay.conditions = constant(link)
        return web.json_response(link._asdict())


async def _guarded(request: web.Request, response: web.StreamResponse) -> None:
    """The page can ask nobody else, and nobody else may show it in a frame of theirs."""
    response.headers["Content-Security-Policy"] = f"{_POLICY}; frame-ancestors 'none'"
    response.headers["Cache-Control"] = "no-store"


def _png(data: bytes) -> web.Response:
    return web.Response(body=data, content_type="image/png")


@contextlib.contextmanager
def background_page(journal: Journal, title: str, host: str, port: int) -> Iterator[int]:
    """A page beside a program that has no event loop; its port."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="bottleneck-page", daemon=True)
    thread.start()
    page = Page(journal, title)
    try:
        yield asyncio.run_coroutine_threadsafe(page.start(host, port), loop).result()
    finally:
        asyncio.run_coroutine_threadsafe(page.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
