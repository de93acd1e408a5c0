"""The webhook sink: batches as JSON or lines of JSON to a URL, signed."""

import gzip
import hashlib
import hmac
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, ClassVar, Final, Literal, NamedTuple
from urllib.parse import urlsplit

import msgspec

from model.batch import Batch
from model.kind import Kind
from model.settings import PluginConfig, Secret, UrlSecret
from sinks.gathered import Gathered, Request
from sinks.http.client import HttpClient, Tls
from sinks.limits import BatchLimits, Limits, QueueLimits, RetryLimits

#: Headers: what was signed when, and what names the request, the same when it is sent again.
SIGNATURE: Final = "Tailrace-Signature"
ID: Final = "Tailrace-Id"
_TYPES: Final = {"ndjson": "application/x-ndjson", "json": "application/json"}


class WebhookConfig(PluginConfig, frozen=True):
    """Where rows are posted; ``--sink webhook:URL`` sets the URL.

    :param url: ``https://…``; no password or token on the command line.
    :param format: ``ndjson``: one object a line; ``json``: ``{"rows": [...]}``.
    :param secret: with which each request is signed; empty: it is not.
    :param headers: sent with each request, such as a token.
    :param rows: in one request at most.
    :param gzip: whether requests are compressed.
    :param timeout: seconds for one request.
    :param ca: file with certificates that the server's has to be signed by, instead of the system's.
    """

    url: Annotated[str, UrlSecret("token", "key")]
    format: Literal["ndjson", "json"] = "ndjson"
    secret: Annotated[str, Secret()] = ""
    headers: Annotated[dict[str, str], Secret()] = msgspec.field(default_factory=dict)
    rows: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 1000
    gzip: bool = False
    timeout: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 10.0
    ca: str = ""

    def __post_init__(self) -> None:
        address = urlsplit(self.url)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise ValueError("write url as https://HOST/PATH")


class _Post(NamedTuple):
    id: str
    body: bytes


class WebhookSink:
    """Posts rows as JSON to whatever has a URL, with a signature that proves who sent them."""

    Config: ClassVar[type[PluginConfig]] = WebhookConfig
    limits: ClassVar[Limits] = Limits(
        QueueLimits(), RetryLimits(attempts=0, longest_pause=30), BatchLimits(10_000, 1)
    )

    def __init__(self, config: WebhookConfig, clock: Callable[[], float] = time.time) -> None:
        self._config = config
        self._clock = clock
        address = urlsplit(config.url)
        port = f":{address.port}" if address.port else ""
        self._target = f"the webhook at {address.hostname}{port}"
        self._client = HttpClient(self._target, config.timeout, Tls(config.ca))
        self._gathered: Gathered[_Post] = Gathered(self._posts, self._post)

    async def open(self, kinds: Sequence[Kind]) -> None:
        """Get ready to post; whether the server is there shows when something is posted.

        :raises UsageError: if the file for TLS cannot be read.
        """
        await self._client.open()

    async def check(self, kinds: Sequence[Kind]) -> str:
        """Ask for the head of the URL: whatever the status, somebody is there.

        :raises SinkError: if nobody answers.
        :raises UsageError: if the file for TLS cannot be read.
        """
        await self._client.open()
        answer = await self._client.request("HEAD", self._config.url, None, self._config.headers)
        return f"{self._target} answers ({answer.status} to HEAD)"

    async def write(self, batch: Batch) -> None:
        """Gather rows."""
        self._gathered.add(batch)

    async def flush(self) -> None:
        """Post what was gathered; what was taken is not posted again.

        :raises SinkError: retryable, if the server is away, slow or busy; else with the rows that it refused.
        """
        await self._gathered.deliver()

    async def close(self) -> None:
        """Disconnect."""
        self._gathered.clear()
        await self._client.close()

    def _posts(self, batches: Sequence[Batch]) -> Iterator[Request[_Post]]:
        size = self._config.rows
        for batch in batches:
            for place, begin in enumerate(range(0, len(batch), size)):
                part = batch.take(slice(begin, begin + size))
                lines = b"".join(text for _, text in part.json_lines())
                name = f"{batch.kind.name} {batch.node} {batch.boot} {batch.seq} {batch.window} {place}"
                body = lines if self._config.format == "ndjson" else _document(lines)
                yield Request(len(part), _Post(hashlib.sha256(name.encode()).hexdigest()[:32], body))

    async def _post(self, post: _Post) -> None:
        config = self._config
        headers = {**config.headers, "Content-Type": _TYPES[config.format], ID: post.id}
        if config.secret:
            headers[SIGNATURE] = signature(config.secret, int(self._clock()), post.body)
        body = post.body
        if config.gzip:
            body, headers["Content-Encoding"] = gzip.compress(body, 1), "gzip"
        await self._client.send(config.url, body, headers)


def signature(secret: str, at: int, body: bytes) -> str:
    """``t=SECONDS,v1=HEX``: HMAC-SHA256 of the seconds, a dot and the body before compression."""
    signed = hmac.new(secret.encode(), b"%d." % at + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={signed}"


def _document(lines: bytes) -> bytes:
    return b'{"rows":[' + lines.rstrip(b"\n").replace(b"\n", b",\n") + b"]}\n"
