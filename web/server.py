"""The HTTP server: routes, headers, compression, refusals. In an event loop; the store is asked in threads."""

import asyncio
import contextlib
import errno
import functools
import logging
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec
from aiohttp import web

from model.errors import TailraceError, UsageError, explained
from store.reading import Store
from web.access import Access, Asking
from web.answering import Answering, Body, form_of, question_named, words_of
from web.config import WebConfig, endpoint
from web.incident_answers import IncidentSource
from web.incidents import BODY_BYTES, IncidentRoutes
from web.limits import Rate
from web.openapi import openapi
from web.page_files import HEADERS, POLICY, page_files
from web.refusal import RefusedError
from web.sending import SMALLEST, prepared, sent
from web.stream import asked_of, events
from web.workers import Workers

#: The longest line and header of a request.
_LINE_BYTES: Final = 16_384
_FOREVER: Final = "private, max-age=31536000, immutable"
#: Pages by path.
_PAGES: Final = {
    "/": "index.html",
    "/map": "index.html",
    "/incidents": "incidents.html",
    "/incident/{id}": "incident.html",
}
_REMEDIES: Final = {
    errno.EADDRINUSE: "end the program that listens there, or set another web.listen",
    errno.EACCES: "set web.listen to a port above 1023, or add CAP_NET_BIND_SERVICE",
}

log = logging.getLogger(__name__)

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class WebServer:
    """Serves a store.

    :param config: where, and who may ask.
    :param incidents: None: nobody keeps any here.
    :raises UsageError: if the token cannot be read.
    """

    def __init__(
        self,
        config: WebConfig,
        store: Store,
        clock: Callable[[], float] = time.time,
        incidents: IncidentSource | None = None,
    ) -> None:
        self._config = config
        self._access = Access(config, _token(config.token_file))
        self._rate = Rate(config.requests_per_second, time.monotonic)
        self._answering = Answering(store, clock)
        self._workers = Workers(config.queries, config.query_seconds)
        self._files = page_files()
        self._incidents = IncidentRoutes(
            incidents,
            changes=config.changes == "on",
            now=clock,
            who=lambda request: self._access.who(_asking(request)),
        )
        self._openapi = prepared(msgspec.json.encode(openapi()), "application/json", SMALLEST)
        self._streams = 0
        #: Answers by status, refusals by code, and those of the cache.
        self.counts: Counter[str] = Counter()
        #: Where it is served; known once it is.
        self.url = ""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["WebServer"]:
        """Serves while the block runs.

        :raises TailraceError: if it cannot listen, or a certificate cannot be used.
        """
        runner = web.AppRunner(
            self._application(), access_log=None, handler_cancellation=True, shutdown_timeout=0.5,
            max_line_size=_LINE_BYTES, max_field_size=_LINE_BYTES,
        )  # fmt: skip
        await runner.setup()
        try:
            self.url = await self._listen(runner)
            log.log(*self._said())
            yield self
        finally:
            await runner.cleanup()
            self._workers.close()

    async def _listen(self, runner: web.AppRunner) -> str:
        host, port = endpoint(self._config.listen)
        try:
            await web.TCPSite(runner, host, port, ssl_context=_tls(self._config)).start()
        except OSError as error:
            what = f"cannot listen on {self._config.listen} ({error.strerror or error})"
            remedy = _REMEDIES.get(error.errno or 0, "choose an address of this machine")
            raise TailraceError(what, remedy) from error
        scheme = "https" if self._config.tls_certificate else "http"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{runner.addresses[0][1]}"

    def _said(self) -> tuple[int, str]:
        """A warning where others can reach it, so that nobody opens it unknowingly."""
        level = logging.INFO if self._config.is_loopback else logging.WARNING
        return level, f"the map is at {self.url}: {self._access.said(self._config)}"

    def _application(self) -> web.Application:
        application = web.Application(middlewares=[self._guard], client_max_size=BODY_BYTES)
        routes = application.router
        for path, name in _PAGES.items():
            routes.add_get(path, functools.partial(self._named, name))
        routes.add_get("/page/{path:.+}", self._page)
        routes.add_get("/healthz", self._healthz)
        routes.add_get("/metrics", self._metrics)
        routes.add_get("/api/v1/openapi.json", self._described)
        routes.add_get("/api/v1/stream", self._stream)
        self._incidents.add(routes)
        routes.add_get("/api/v1/{question}", self._question)
        return application

    @web.middleware
    async def _guard(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Who may ask, how often; and an error for whatever goes wrong, in one form."""
        try:
            asking = _asking(request)
            if not request.path.startswith(("/api/", "/metrics")):
                self._access.check_page(asking)
            else:
                self._rate.take(asking.peer)
                self._access.check(asking)
            response = await handler(request)
        except RefusedError as refused:
            self.counts[f"refused.{refused.code}"] += 1
            response = _refused(refused)
        except web.HTTPException as error:
            response = _refused(_of_http(error))
        except asyncio.CancelledError:
            raise
        except Exception as error:
            log.warning("the request %s failed", request.path, exc_info=error)
            reason = explained(error)
            response = _refused(RefusedError(500, "failed", reason.what, reason.remedy))
        self.counts[f"status.{response.status}"] += 1
        if not response.prepared:
            response.headers.update(HEADERS | {"Content-Security-Policy": POLICY})
        return response

    async def _named(self, name: str, request: web.Request) -> web.Response:
        return self._file(name, request)

    async def _page(self, request: web.Request) -> web.Response:
        return self._file(request.match_info["path"], request)

    def _file(self, name: str, request: web.Request) -> web.Response:
        file = self._files.get(name)
        if file is None:
            raise RefusedError(404, "not_found", f"there is no {request.path}", "the map is at /")
        return sent(request, file, "no-cache")

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    def statistics(self) -> dict[str, int]:
        """Answers by status, refusals by code, what the cache did; and streams that are open."""
        cache = {f"cache.{name}": count for name, count in self._answering.cache.counts.items()}
        return {**self.counts, **cache, "streams": self._streams}

    async def _metrics(self, _: web.Request) -> web.Response:
        counts = self.statistics()
        streams = counts.pop("streams")
        lines = ["# TYPE tailrace_web_total counter"]
        lines += [f'tailrace_web_total{{what="{name}"}} {count}' for name, count in sorted(counts.items())]
        lines += ["# TYPE tailrace_web_streams gauge", f"tailrace_web_streams {streams}", ""]
        return web.Response(text="\n".join(lines))

    async def _described(self, request: web.Request) -> web.Response:
        return sent(request, self._openapi, "no-cache")

    async def _question(self, request: web.Request) -> web.Response:
        question = question_named(request.match_info["question"])
        said = words_of(list(request.query.items()))
        form = form_of(question, said, request.headers.get("Accept", ""))
        body: Body = await self._workers.run(lambda: self._answering.body(question, said, form))
        return sent(request, prepared(body.body, body.content_type), _FOREVER if body.settled else "no-cache")

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        if self._streams >= self._config.streams:
            raise RefusedError(
                503, "busy", f"{self._streams} streams are open", "close one, or raise web.streams", 10
            )
        words, deltas = asked_of(words_of(list(request.query.items())))
        self._streams += 1
        try:
            return await self._send_events(request, words, deltas=deltas)
        finally:
            self._streams -= 1

    async def _send_events(
        self, request: web.Request, words: dict[str, list[str]], *, deltas: bool
    ) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream",
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",
            }
            | HEADERS
        )
        async with contextlib.aclosing(events(self._answering, self._workers, words, deltas=deltas)) as told:
            async for event in told:
                if not response.prepared:
                    await response.prepare(request)
                try:
                    await asyncio.wait_for(response.write(event.encode()), self._config.query_seconds)
                except (ConnectionError, TimeoutError):
                    break  # it left, or reads nothing
        return response


def _token(path: str) -> str:
    """:raises UsageError: if the file cannot be read, or holds nothing."""
    if not path:
        return ""
    try:
        token = Path(path).read_text().strip()
    except OSError as error:
        raise UsageError(
            f"cannot read web.token_file {path} ({error.strerror})", "make it: openssl rand -hex 32"
        ) from error
    if not token:
        raise UsageError(f"web.token_file {path} is empty", "write a token into it: openssl rand -hex 32")
    return token


def _tls(config: WebConfig) -> ssl.SSLContext | None:
    if not config.tls_certificate:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(config.tls_certificate, config.tls_key)
    except (OSError, ssl.SSLError) as error:
        what = f"cannot use {config.tls_certificate} with {config.tls_key} ({error})"
        raise UsageError(what, "name a certificate and its key, in PEM") from error
    return context


def _asking(request: web.Request) -> Asking:
    transport = request.transport
    own = transport.get_extra_info("sockname") if transport else None
    return Asking(request.headers, request.remote or "", str(own[0]) if own else "")


def _refused(refused: RefusedError) -> web.Response:
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    if refused.retry_after_s:
        headers["Retry-After"] = str(refused.retry_after_s)
    if refused.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return web.Response(status=refused.status, body=msgspec.json.encode(refused.body()), headers=headers)


_CODES: Final[Mapping[int, tuple[str, str]]] = {
    404: ("not_found", "questions are at /api/v1/NAME, the map at /"),
    405: ("method_not_allowed", "ask with GET; incidents are acknowledged and silenced with POST"),
    413: ("too_large", "questions have no body, others a small one"),
}


def _of_http(error: web.HTTPException) -> RefusedError:
    code, hint = _CODES.get(error.status, ("bad_request", "see /api/v1/openapi.json"))
    return RefusedError(error.status, code, error.reason.lower(), hint)
