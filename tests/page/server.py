"""Serves the page as Tailrace does, with the same policy, and answers that are known."""

import asyncio
import contextlib
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aiohttp import web

from tests.page import details, fleet

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

PAGE: Final = Path(__file__).parents[2] / "web" / "page"
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def _set() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


@dataclass
class Scene:
    """What the API says.

    :param shows: ``boutique``, ``requests``, ``fan``, ``huge``, ``dns``, ``empty`` or ``nothing``.
    :param refusal: status and error that every question gets instead.
    :param token: that questions must bring.
    :param away: as if nobody listened: connections are closed without an answer.
    :param ready: while it is not set, maps wait.
    :param begins_s: the first second that is kept.
    :param gaps: that the ledger of each answer has.
    :param stream: maps that the stream sends, one after the other; then it stays open.
    :param streams: while it is not set, the stream sends none of them.
    """

    shows: str = "boutique"
    refusal: tuple[int, dict[str, str]] | None = None
    token: str = ""
    away: bool = False
    ready: threading.Event = field(default_factory=_set)
    stream: list[fleet.Answer] = field(default_factory=list)
    streams: threading.Event = field(default_factory=_set)
    begins_s: int = 0
    gaps: list[fleet.Answer] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


def map_data(scene: Scene, request: web.Request) -> fleet.Answer:
    """The map of a scene."""
    if scene.shows == "fan":
        return fleet.fan_out()
    if scene.shows == "requests":
        return fleet.requested(request.query.get("select"))
    if scene.shows == "dns":
        return fleet.resolving()
    if scene.shows == "huge":
        return fleet.huge()
    if scene.shows in ("empty", "nothing"):
        return fleet.nothing(of=0 if scene.shows == "empty" else 40)
    return fleet.boutique(request.query.get("select"), against="against" in request.query)


class Server:
    """One scene on a port of its own, in a thread.

    :param scene: may be changed while it runs.
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.url = ""

    @contextlib.contextmanager
    def running(self) -> Iterator["Server"]:
        """Serves until the end of the block."""
        loop = asyncio.new_event_loop()
        runner = web.AppRunner(self._app(), handler_cancellation=True, shutdown_timeout=1)

        async def start() -> None:
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"

        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        try:
            asyncio.run_coroutine_threadsafe(start(), loop).result(60)
            yield self
        finally:
            asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(60)
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[self._policy])
        app.router.add_get("/", self._index)
        app.router.add_get("/map", self._index)
        app.router.add_static("/page", PAGE)
        app.router.add_get("/api/v1/stream", self._stream)
        app.router.add_get("/api/v1/{subject}", self._answer)
        return app

    @web.middleware
    async def _policy(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self.scene.away and request.path.startswith("/api/") and request.transport is not None:
            request.transport.abort()
        response = await handler(request)
        if not response.prepared:
            response.headers["Content-Security-Policy"] = POLICY
        return response

    async def _index(self, _: web.Request) -> web.FileResponse:
        return web.FileResponse(PAGE / "index.html")

    def _refused(self, request: web.Request) -> web.Response | None:
        scene = self.scene
        if scene.token and request.headers.get("Authorization") != f"Bearer {scene.token}":
            error = {"code": "forbidden", "message": "this address needs a token", "hint": ""}
            return web.json_response({"error": error}, status=401)
        if scene.refusal:
            return web.json_response({"error": scene.refusal[1]}, status=scene.refusal[0])
        return None

    async def _answer(self, request: web.Request) -> web.Response:
        self.scene.asked.append(str(request.rel_url))
        refused = self._refused(request)
        if refused is not None:
            return refused
        if request.match_info["subject"] == "map":
            await asyncio.to_thread(self.scene.ready.wait, 30)
        query = request.query
        answers = {
            "map": lambda: map_data(self.scene, request),
            "series": lambda: details.series(int(query["from"]), int(query["to"]), self.scene.begins_s),
            "moments": details.moments,
            "search": lambda: details.search(query["q"]),
            "where": details.where,
            "quality": details.quality,
            "nat": details.nat,
            "endpoints": lambda: details.endpoints("edge" in query, query.get("direction", "both")),
            "instances": details.instances,
            "incidents": details.incidents,
            "events": details.events,
        }
        return web.json_response(fleet.answer(answers[request.match_info["subject"]](), self.scene.gaps))

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        refused = self._refused(request)
        if refused is not None:
            return refused
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        )
        await response.prepare(request)
        await asyncio.to_thread(self.scene.streams.wait, 30)
        for data in self.scene.stream:
            await response.write(
                f"event: map\ndata: {json.dumps(fleet.answer(data, self.scene.gaps))}\n\n".encode()
            )
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            while True:
                await asyncio.sleep(1)
                await response.write(b": still here\n\n")
        return response
