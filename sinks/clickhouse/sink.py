"""The ClickHouse sink: inserts of many rows, in columns, over HTTP."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import Annotated, ClassVar, Final, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from model.batch import Batch
from model.errors import SinkError
from model.kind import Kind
from model.settings import PluginConfig, Secret, UrlSecret
from sinks.clickhouse.native import NativeColumn, block, native_columns
from sinks.clickhouse.tables import TOKENS_SINCE, is_name, prepare, quoted, version_of
from sinks.gathered import Gathered, Request
from sinks.http.client import Answer, HttpClient, Tls
from sinks.joined import joined
from sinks.limits import BatchLimits, Limits, QueueLimits, RetryLimits

#: Errors of ClickHouse after which the same rows may be sent again: time-outs, memory, too many parts or queries.
_BUSY: Final = frozenset({159, 160, 202, 209, 210, 241, 242, 252, 285, 319, 425, 999})
_CODE: Final = re.compile(r"Code: (\d+)")
#: No room on its disk.
_FULL: Final = frozenset({243})
_DISK_WORDS: Final = ("no space left", "cannot reserve", "not enough space")


class ClickHouseConfig(PluginConfig, frozen=True):
    """Where rows are inserted; ``--sink clickhouse:URL`` sets the URL.

    :param url: of its HTTP interface; no password on the command line.
    :param user: its name.
    :param password: of the user.
    :param database: in which the tables are; it is made if need be.
    :param table: the beginning of their names: ``tailrace_flows``.
    :param keep_days: after so many days rows are removed, by servers since 19.6; 0: never.
    :param timeout: seconds for one insert.
    :param ca: file with certificates that the server's has to be signed by, instead of the system's.
    """

    url: Annotated[str, UrlSecret("password")] = "http://127.0.0.1:8123"
    user: str = "default"
    password: Annotated[str, Secret()] = ""
    database: str = "default"
    table: str = "tailrace_"
    keep_days: Annotated[int, msgspec.Meta(ge=0, le=36500)] = 30
    timeout: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 30.0
    ca: str = ""

    def __post_init__(self) -> None:
        address = urlsplit(self.url)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise ValueError("write url as http://HOST:8123 or https://HOST:8443")
        if address.password:
            raise ValueError("put the password into settings.password, not into the URL")
        if not (is_name(self.database) and is_name(self.table)):
            raise ValueError("database and table are letters, digits and _")


class _Insert(NamedTuple):
    """:param token: the same for the same rows."""

    statement: str
    body: bytes
    token: str


class ClickHouseSink:
    """Inserts rows into ClickHouse, a table for each kind, many rows at a time.

    An insert whose answer was lost is sent again under the same token: servers since 22.2 take it once.
    """

    Config: ClassVar[type[PluginConfig]] = ClickHouseConfig
    limits: ClassVar[Limits] = Limits(
        QueueLimits(rows=1_000_000, batches=1024), RetryLimits(attempts=0), BatchLimits(100_000, 2)
    )

    def __init__(self, config: ClickHouseConfig) -> None:
        self._config = config
        address = urlsplit(config.url)
        self._target = f"ClickHouse at {address.hostname}:{address.port or 8123}"
        self._headers = {
            "Content-Type": "application/octet-stream",
            "X-ClickHouse-User": config.user,
            "X-ClickHouse-Key": config.password,
        }
        self._client = HttpClient(self._target, config.timeout, Tls(config.ca))
        self._tokens = False
        self._columns: dict[str, list[NativeColumn]] = {}
        self._gathered: Gathered[_Insert] = Gathered(self._inserts, self._insert)

    async def open(self, kinds: Sequence[Kind]) -> None:
        """Make the database and the tables, or bring them up to date.

        :raises SinkError: if the server is not there or refuses this user.
        """
        await self._client.open()
        version = version_of(await self._run("SELECT version()"))
        self._tokens = version >= TOKENS_SINCE
        if self._config.database != "default":
            await self._run(f"CREATE DATABASE IF NOT EXISTS {self._config.database}")
        for kind in kinds:
            await prepare(self._run, self._table(kind), native_columns(kind), version, self._config.keep_days)

    async def check(self, kinds: Sequence[Kind]) -> str:
        """Ask for the version, as the user that inserts.

        :raises SinkError: if the server is not there or refuses this user.
        """
        await self._client.open()
        return f"{self._target}: version {await self._run('SELECT version()')}"

    async def write(self, batch: Batch) -> None:
        """Gather rows."""
        self._gathered.add(batch)

    async def flush(self) -> None:
        """Insert what was gathered, kind by kind; what is in stays out of a further attempt.

        :raises SinkError: retryable, if the server is away, slow or full; else with the rows that it refused.
        """
        await self._gathered.deliver()

    async def close(self) -> None:
        """Disconnect."""
        self._gathered.clear()
        await self._client.close()

    def _inserts(self, batches: Sequence[Batch]) -> Iterator[Request[_Insert]]:
        """One for all rows of a kind."""
        kind = batches[0].kind
        columns = self._columns.setdefault(kind.plural, native_columns(kind))
        names = ", ".join(quoted(column.name) for column in columns)
        body = b"".join(block(columns, rows) for rows in joined(batches))
        statement = f"INSERT INTO {self._table(kind)} ({names}) FORMAT Native"
        yield Request(sum(map(len, batches)), _Insert(statement, body, _token(batches)))

    async def _insert(self, insert: _Insert) -> None:
        settings = {"insert_deduplication_token": insert.token} if self._tokens else {}
        await self._send(insert.statement, insert.body, settings)

    async def _run(self, statement: str) -> str:
        answer = await self._send("", statement.encode(), {})
        return answer.body.decode(errors="replace").strip()

    async def _send(self, statement: str, body: bytes, settings: dict[str, str]) -> Answer:
        """:raises SinkError: as ``HttpClient.send`` does, and ``disk_full``."""
        query = {"query": statement, **settings} if statement else settings
        url = f"{self._config.url.rstrip('/')}/?{urlencode(query, quote_via=quote)}"
        answer = await self._client.post(url, body, self._headers)
        if answer.status == 200:
            return answer
        what = f"{self._target} answered {answer.status} ({answer.text})"
        reason, remedy, again = _meaning(answer)
        raise SinkError(what, remedy, reason=reason, retryable=again)

    def _table(self, kind: Kind) -> str:
        return f"{self._config.database}.{self._config.table}{kind.plural}"


def _meaning(answer: Answer) -> tuple[str, str, bool]:
    """The reason, what the user does next, and whether the same rows may be sent again."""
    text = answer.text
    code = (
        int(text.partition("Code: ")[2].partition(",")[0].partition(".")[0].strip() or 0)
        if "Code: " in text
        else 0
    )
    if code in _FULL or any(word in text.lower() for word in _DISK_WORDS):
        return "disk_full", "make room on its disk; rows wait meanwhile", True
    if code in _BUSY or answer.status in (429, 502, 503, 504):
        return "server_busy", "rows wait until it takes them", True
    return "server_refused", "check user, password, rights and the table", False


def _token(batches: Sequence[Batch]) -> str:
    """The same for the same rows."""
    names = "\n".join(f"{batch.node} {batch.boot} {batch.seq} {batch.window}" for batch in batches)
    return hashlib.sha256(f"{batches[0].kind.name}\n{names}".encode()).hexdigest()
