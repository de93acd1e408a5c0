"""An API server of a test's own: lists and watches as Kubernetes serves them, and everything that can go wrong.

Over real HTTP, with or without TLS. What it keeps to: the Kubernetes API's "API concepts" (lists in pages,
consistent while the snapshot lives; watches as lines of JSON in chunks, from a version on; bookmarks; 410 Gone for
versions that are too old) and "API priority and fairness" (429 with Retry-After).
"""

import asyncio
import bisect
import contextlib
import json
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from tests.integration.kubernetes.objects import Json

#: Path of a collection → plural, group.
PATHS = {
    "/api/v1/pods": ("pods", ""),
    "/api/v1/services": ("services", ""),
    "/api/v1/nodes": ("nodes", ""),
    "/apis/apps/v1/replicasets": ("replicasets", "apps"),
    "/apis/batch/v1/jobs": ("jobs", "batch"),
    "/apis/discovery.k8s.io/v1/endpointslices": ("endpointslices", "discovery.k8s.io"),
}
KINDS = {
    "Pod": "pods",
    "Service": "services",
    "Node": "nodes",
    "ReplicaSet": "replicasets",
    "Job": "jobs",
    "EndpointSlice": "endpointslices",
}


@dataclass
class Stored:
    """An object at one version, as bytes, and the fields that selectors ask for."""

    version: int
    data: bytes
    fields: dict[str, str]


@dataclass
class Asked:
    """A request that came in."""

    verb: str
    plural: str
    group: str
    query: dict[str, str]


@dataclass
class Collection:
    """The objects of one resource, and what happened to them."""

    objects: dict[str, Stored] = field(default_factory=dict)  # by uid
    versions: list[int] = field(default_factory=list)
    events: list[tuple[str, Stored]] = field(default_factory=list)
    compacted: int = 0


class KubeApi:
    """Changes are made by its methods, failures by its attributes.

    :ivar tokens: that are taken; empty for everyone.
    :ivar forbidden: pairs of verb and plural.
    :ivar busy: requests that are answered with 429 before others, and ``retry_after`` seconds with them.
    :ivar silent: watches are accepted, and nothing is ever sent on them; those that run fall silent.
    :ivar gone_as_answer: whether a watch from a version too old gets an answer 410, or an event.
    :ivar asked: requests so far.
    """

    def __init__(self, tls: ssl.SSLContext | None = None, bookmark_seconds: float = 0.05) -> None:
        self.port = 0
        self.tokens: set[str] = set()
        self.forbidden: set[tuple[str, str]] = set()
        self.busy, self.retry_after = 0, "1"
        self.silent = self.gone_as_answer = False
        self.asked: list[Asked] = []
        self.ended: Counter[str] = Counter()
        self.expire_snapshots = 0
        self._tls = tls
        self._bookmark_seconds = bookmark_seconds
        self._version = 1000
        self._collections = {plural: Collection() for plural, _ in PATHS.values()}
        self._snapshots: dict[str, list[Stored]] = {}
        self._changed = asyncio.Event()
        self._transports: set[asyncio.Transport] = set()
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    async def up(self) -> None:
        """Listens, on the same port as before."""
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self._tls, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def down(self) -> None:
        """Cuts all connections and listens no more."""
        self.cut()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def cut(self) -> int:
        """Cuts all connections that are at work, in the middle of a chunk; how many there were."""
        transports, self._transports = self._transports, set()
        for transport in transports:
            if not transport.is_closing():
                transport.abort()
        return len(transports)

    def put(self, *objects: Json) -> None:
        """Objects that are new or changed."""
        for one in objects:
            collection = self._collections[KINDS[one["kind"]]]
            uid = one["metadata"]["uid"]
            kind = "MODIFIED" if uid in collection.objects else "ADDED"
            collection.objects[uid] = self._log(collection, kind, one)
        self._tell()

    def delete(self, one: Json) -> None:
        """An object is gone; ``one`` is how it was at its end."""
        collection = self._collections[KINDS[one["kind"]]]
        del collection.objects[one["metadata"]["uid"]]
        self._log(collection, "DELETED", one)
        self._tell()

    def compact(self) -> None:
        """What happened so far can no longer be asked for; nor can pages of lists that were begun."""
        for collection in self._collections.values():
            collection.compacted = self._version
            collection.versions.clear()
            collection.events.clear()
        self._snapshots.clear()

    def watches(self, plural: str) -> int:
        """How often a watch of a resource was asked for."""
        return sum(one.verb == "watch" and one.plural == plural for one in self.asked)

    def _log(self, collection: Collection, kind: str, one: Json) -> Stored:
        self._version += 1
        meta = one["metadata"] | {"resourceVersion": str(self._version)}
        fields = {"metadata.name": meta["name"], "spec.nodeName": (one.get("spec") or {}).get("nodeName", "")}
        stored = Stored(self._version, msgspec.json.encode(one | {"metadata": meta}), fields)
        collection.versions.append(self._version)
        collection.events.append((kind, stored))
        return stored

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        plural, group = PATHS[request.path]
        query = dict(request.query)
        verb = "watch" if _true(query.get("watch")) else "list"
        self.asked.append(Asked(verb, plural, group, query))
        if refusal := self._refusal(request, verb, plural, group):
            return refusal
        assert request.transport is not None
        transport = request.transport
        self._transports.add(transport)
        try:
            if verb == "watch":
                return await self._watch(request, plural, query)
            return self._list(request, plural, query)
        except ConnectionError:  # the client went away, or the test cut the connection
            return web.Response()
        finally:
            self._transports.discard(transport)

    def _refusal(self, request: web.Request, verb: str, plural: str, group: str) -> web.Response | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if self.tokens and (scheme != "Bearer" or token not in self.tokens):
            return _status(401, "Unauthorized", "Unauthorized")
        if (verb, plural) in self.forbidden:
            name = f"{plural}.{group}".rstrip(".")
            user = "system:serviceaccount:tailrace:tailrace-engine"
            return _status(
                403,
                "Forbidden",
                f'{name} is forbidden: User "{user}" cannot {verb} resource "{plural}" in API group "{group}"'
                " at the cluster scope",
            )
        if self.busy > 0:
            self.busy -= 1
            text = "too many requests, please try again later"
            return _status(429, "TooManyRequests", text, {"Retry-After": self.retry_after})
        return None

    def _list(self, request: web.Request, plural: str, query: dict[str, str]) -> web.Response:
        limit = int(query.get("limit", "0")) or 1 << 60
        version, start = str(self._version), 0
        if token := query.get("continue"):
            version, _, offset = token.partition(":")
            start = int(offset)
            if self.expire_snapshots:
                self.expire_snapshots -= 1
                self._snapshots.pop(f"{plural}@{version}", None)
            if f"{plural}@{version}" not in self._snapshots:
                return _status(410, "Expired", "The provided continue parameter is too old")
        else:
            self._snapshots[f"{plural}@{version}"] = list(self._selected(plural, query))
        found = self._snapshots[f"{plural}@{version}"]
        page, left = found[start : start + limit], len(found) - start - limit
        meta: Json = {"resourceVersion": version}
        if left > 0:
            meta |= {"continue": f"{version}:{start + limit}", "remainingItemCount": left}
        else:
            del self._snapshots[f"{plural}@{version}"]
        items = b",".join(_form(one.data, request) for one in page)
        head = f'{{"kind":"List","apiVersion":"v1","metadata":{json.dumps(meta)},"items":['.encode()
        return web.Response(body=head + items + b"]}\n", content_type="application/json")

    def _selected(self, plural: str, query: dict[str, str]) -> Iterator[Stored]:
        for one in self._collections[plural].objects.values():
            if _matches(one, query):
                yield one

    async def _watch(self, request: web.Request, plural: str, query: dict[str, str]) -> web.StreamResponse:
        collection, version = self._collections[plural], int(query["resourceVersion"])
        too_old = version < collection.compacted
        gone = f"too old resource version: {version} ({collection.compacted})"
        if too_old and self.gone_as_answer:
            return _status(410, "Expired", gone)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        if too_old:
            await response.write(_line("ERROR", _status_object(410, "Expired", gone)))
        else:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(float(query["timeoutSeconds"])):
                    await self._send_events(request, response, plural, query, version)
        self.ended[plural] += 1
        await response.write_eof()
        return response

    async def _send_events(
        self,
        request: web.Request,
        response: web.StreamResponse,
        plural: str,
        query: dict[str, str],
        version: int,
    ) -> None:
        collection = self._collections[plural]
        while True:
            changed, current = self._changed, self._version
            first = bisect.bisect_right(collection.versions, version)
            news = collection.events[first:]
            lines = [_line(kind, _form(one.data, request)) for kind, one in news if _matches(one, query)]
            version = current
            if not news and _true(query.get("allowWatchBookmarks")):
                lines = [_bookmark(plural, current)]
            if self.silent:
                await asyncio.Event().wait()
            if lines:
                await response.write(b"".join(lines))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._bookmark_seconds):
                    await changed.wait()


def _true(text: str | None) -> bool:
    """As Go reads it (strconv.ParseBool)."""
    return text in ("1", "t", "T", "true", "TRUE", "True")


def _matches(one: Stored, query: dict[str, str]) -> bool:
    name, _, wanted = query.get("fieldSelector", "").partition("=")
    return not name or one.fields[name] == wanted


def _form(data: bytes, request: web.Request) -> bytes:
    """Whole, or the metadata alone if the header asks for that."""
    if "as=PartialObjectMetadata" not in request.headers.get("Accept", ""):
        return data
    meta = msgspec.json.decode(data)["metadata"]
    return msgspec.json.encode(
        {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": meta}
    )


def _line(kind: str, one: bytes) -> bytes:
    return b'{"type":"' + kind.encode() + b'","object":' + one + b"}\n"


def _bookmark(plural: str, version: int) -> bytes:
    kind = next(kind for kind, name in KINDS.items() if name == plural)
    meta = {"resourceVersion": str(version), "creationTimestamp": None}
    one: Json = {"kind": kind, "apiVersion": "v1", "metadata": meta}
    if plural == "pods":  # Go writes the empty structs of a Pod, and the nil slice of its containers
        one |= {"spec": {"containers": None}, "status": {}}
    return _line("BOOKMARK", json.dumps(one).encode())


def _status_object(code: int, reason: str, message: str) -> bytes:
    body: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    return json.dumps(body | {"message": message, "reason": reason, "code": code}).encode()


def _status(code: int, reason: str, message: str, headers: dict[str, str] | None = None) -> web.Response:
    body = _status_object(code, reason, message)
    return web.Response(status=code, body=body, content_type="application/json", headers=headers)


@contextlib.asynccontextmanager
async def kube_api(
    tls: ssl.SSLContext | None = None, bookmark_seconds: float = 0.05
) -> AsyncIterator[KubeApi]:
    """A server that is up, and gone after the block."""
    api = KubeApi(tls, bookmark_seconds)
    await api.up()
    try:
        yield api
    finally:
        await api.down()


def kubeconfig(folder: Path, url: str, user: Json | None = None, cluster: Json | None = None) -> Path:
    """A kubeconfig with one context, called ``test``."""
    path = folder / "kubeconfig"
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": url} | (cluster or {})}],
        "users": [{"name": "test", "user": user or {}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    }
    path.write_text(json.dumps(content))
    return path
