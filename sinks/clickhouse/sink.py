"""The ClickHouse sink: inserts of many rows, in columns, over HTTP."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Annotated, ClassVar, NamedTuple
from urllib.parse import urlsplit

import msgspec

from model.batch import Batch
from model.kind import Kind
from model.settings import PluginConfig, Secret, UrlSecret
from sinks.clickhouse.connection import Connection, Server
from sinks.clickhouse.native import NativeColumn, block, native_columns
from sinks.clickhouse.tables import TOKENS_SINCE, is_name, prepare, quoted, version_of
from sinks.gathered import Gathered, Request
from sinks.joined import joined
from sinks.limits import BatchLimits, Limits, QueueLimits, RetryLimits


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
        server = Server(config.url, config.user, config.password, config.ca)
        self._connection = Connection(server, config.timeout)
        self._tokens = False
        self._columns: dict[str, list[NativeColumn]] = {}
        self._gathered: Gathered[_Insert] = Gathered(self._inserts, self._insert)

    async def open(self, kinds: Sequence[Kind]) -> None:
        """Make the database and the tables, or bring them up to date.

        :raises SinkError: if the server is not there or refuses this user.
        """
        await self._connection.open()
        version = version_of(await self._connection.run("SELECT version()"))
        self._tokens = version >= TOKENS_SINCE
        if self._config.database != "default":
            await self._connection.run(f"CREATE DATABASE IF NOT EXISTS {self._config.database}")
        for kind in kinds:
            await prepare(
                self._connection.run, self._table(kind), native_columns(kind), version, self._config.keep_days
            )

    async def check(self, kinds: Sequence[Kind]) -> str:
        """Ask for the version, as the user that inserts.

        :raises SinkError: if the server is not there or refuses this user.
        """
        await self._connection.open()
        return f"{self._connection.target}: version {await self._connection.run('SELECT version()')}"

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
        await self._connection.close()

    def _inserts(self, batches: Sequence[Batch]) -> Iterator[Request[_Insert]]:
        """One for all rows of a kind."""
        kind = batches[0].kind
        columns = self._columns.setdefault(kind.plural, native_columns(kind))
        names = ", ".join(quoted(column.name) for column in columns)
        body = b"".join(block(columns, rows) for rows in joined(batches))
        statement = f"INSERT INTO {self._table(kind)} ({names}) FORMAT Native"
        yield Request(sum(map(len, batches)), _Insert(statement, body, _token(batches)))

    async def _insert(self, insert: _Insert) -> None:
        token = insert.token if self._tokens else ""
        await self._connection.insert(insert.statement, insert.body, token)

    def _table(self, kind: Kind) -> str:
        return f"{self._config.database}.{self._config.table}{kind.plural}"


def _token(batches: Sequence[Batch]) -> str:
    """The same for the same rows."""
    names = "\n".join(f"{batch.node} {batch.boot} {batch.seq} {batch.window}" for batch in batches)
    return hashlib.sha256(f"{batches[0].kind.name}\n{names}".encode()).hexdigest()
