"""The Kafka sink: rows of one connection stay in order, and none comes twice because it was sent again."""

import asyncio
import ssl
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar, Final, Literal, NamedTuple

import msgspec
import numpy as np

from model.batch import Batch
from model.column import Column
from model.errors import SinkError, UsageError
from model.extras import extra
from model.kind import Kind
from model.settings import PluginConfig, Secret
from sinks.gathered import Gathered, Request
from sinks.limits import BatchLimits, Limits, QueueLimits, RetryLimits

_NEED: Final = "it needs aiokafka"
_CONNECTION: Final = "connection.id"
#: Time-outs that messages may take until their delivery is said to fail; the producer tries again after each.
_TIMEOUTS: Final = 3
#: Bytes of a columnar message at most: below what brokers take by default (1 MiB).
_BYTES: Final = 900_000


class KafkaConfig(PluginConfig, frozen=True):
    """Where rows are produced; ``--sink kafka:HOST:9092`` sets the servers.

    :param servers: of the cluster, ``HOST:PORT``, with commas between them.
    :param topic: the beginning of the topics' names: ``tailrace.flows``.
    :param format: ``json``: a message for each row, its key the connection; ``columns``: one for each batch.
    :param compression: of what is produced.
    :param tls: whether connections are encrypted.
    :param ca: file with certificates that the servers' have to be signed by, instead of the system's.
    :param mechanism: of SASL, with ``user`` and ``password``.
    :param user: a name; empty: no SASL.
    :param password: of the user.
    :param timeout: seconds for one request.
    """

    servers: Annotated[str, msgspec.Meta(min_length=1)] = "127.0.0.1:9092"
    topic: str = "tailrace."
    format: Literal["json", "columns"] = "json"
    compression: Literal["none", "gzip"] = "none"
    tls: bool = False
    ca: str = ""
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    user: str = ""
    password: Annotated[str, Secret()] = ""
    timeout: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 10.0


class _Message(NamedTuple):
    key: bytes | None
    value: bytes


class _Produced(NamedTuple):
    """:param messages: that were not taken yet.
    :param by_row: whether each is a row.
    :param sent: what will come of those that the producer was given, in the same order.
    """

    topic: str
    messages: list[_Message]
    by_row: bool
    sent: "list[asyncio.Future[Any]]"


class KafkaSink:
    """Produces rows to Kafka, a topic for each kind, idempotently, and waits until all replicas have them."""

    Config: ClassVar[type[PluginConfig]] = KafkaConfig
    limits: ClassVar[Limits] = Limits(QueueLimits(), RetryLimits(attempts=0), BatchLimits(20_000, 1))

    def __init__(self, config: KafkaConfig) -> None:
        self._config = config
        self._producer: Any = None
        self._under_way: _Produced | None = None
        self._gathered: Gathered[_Produced] = Gathered(self._produced, self._produce)

    async def open(self, kinds: Sequence[Kind]) -> None:
        """Connect.

        :raises SinkError: retryable, if the cluster is not there.
        :raises UsageError: if aiokafka is not installed, or the file for TLS cannot be read.
        """
        await self._connected()

    async def check(self, kinds: Sequence[Kind]) -> str:
        """Connect, and ask which brokers and topics there are; to ask for a topic by its name could make it.

        :raises SinkError: if the cluster is not there or refuses this user.
        :raises UsageError: as ``open`` does.
        """
        producer = await self._connected()
        errors = extra("aiokafka.errors", "kafka", _NEED)
        try:
            async with asyncio.timeout(self._config.timeout):
                cluster = await producer.client.fetch_all_metadata()
        except (OSError, TimeoutError, errors.KafkaError) as error:
            raise self._away(error) from None
        topics = {f"{self._config.topic}{kind.plural}" for kind in kinds}
        said = f"Kafka at {self._config.servers}: {len(cluster.brokers())} brokers"
        if absent := sorted(topics - set(cluster.topics())):
            return f"{said}, which must make {' and '.join(absent)} by themselves (auto.create.topics.enable)"
        return f"{said}, with {' and '.join(sorted(topics))}"

    async def write(self, batch: Batch) -> None:
        """Gather rows."""
        self._gathered.add(batch)

    async def flush(self) -> None:
        """Produce what was gathered; returns when all replicas that are in sync have it.

        :raises SinkError: retryable, if the cluster is away; else with the rows that it refused.
        """
        await self._gathered.deliver()

    async def close(self) -> None:
        """Disconnect."""
        self._gathered.clear()
        await self._stop()

    async def _connected(self) -> Any:
        if self._producer is not None:
            return self._producer
        aiokafka = extra("aiokafka", "kafka", _NEED)
        config = self._config
        context = _context(config.ca) if config.tls else None
        protocol = ("SASL_" if config.user else "") + ("SSL" if config.tls else "PLAINTEXT")
        sasl = {"sasl_mechanism": config.mechanism, "sasl_plain_username": config.user} if config.user else {}
        producer = aiokafka.AIOKafkaProducer(
            bootstrap_servers=config.servers.split(","),
            client_id="tailrace",
            enable_idempotence=True,
            compression_type=None if config.compression == "none" else config.compression,
            linger_ms=5,
            max_batch_size=1 << 20,
            request_timeout_ms=int(config.timeout * 1000),
            security_protocol=protocol,
            ssl_context=context,
            sasl_plain_password=config.password or None,
            **sasl,
        )
        try:
            async with asyncio.timeout(config.timeout):
                await producer.start()
        except (OSError, TimeoutError, aiokafka.errors.KafkaError) as error:
            await _quietly(producer)
            raise self._away(error) from None
        self._producer = producer
        return producer

    def _produced(self, batches: Sequence[Batch]) -> Iterator[Request[_Produced]]:
        topic = f"{self._config.topic}{batches[0].kind.plural}"
        for batch in batches:
            if self._config.format == "columns":
                for part in batch.fitting(_BYTES):
                    yield Request(
                        len(part), _Produced(topic, [_Message(batch.node.encode(), part.encode())], False, [])
                    )
            else:
                yield Request(len(batch), _Produced(topic, _lines(batch), True, []))

    async def _produce(self, produced: _Produced) -> None:
        """Send what was not sent yet, and wait until all of it is taken.

        The producer goes on trying by itself under the same numbers, so that what was sent is not sent again.

        :raises SinkError: if a message was not taken; those that were are not sent again.
        """
        errors = extra("aiokafka.errors", "kafka", _NEED)
        if self._under_way is not produced:  # of another one that was given up nothing comes any more
            if self._under_way is not None:
                await self._stop()
            self._under_way = produced
        producer, seconds = await self._connected(), self._config.timeout * _TIMEOUTS
        try:
            async with asyncio.timeout(seconds):
                for each in produced.messages[len(produced.sent) :]:
                    produced.sent.append(await producer.send(produced.topic, each.value, key=each.key))
        except _refusals(errors) as error:
            if produced.sent:
                await asyncio.wait(produced.sent, timeout=seconds)
            raise self._refused(error, produced) from None
        except (OSError, TimeoutError, errors.KafkaError) as error:
            raise self._away(error) from None
        if (await asyncio.wait(produced.sent, timeout=seconds))[1]:
            raise self._away(TimeoutError(f"for {seconds:g} s"))
        await self._settle(produced, _refusals(errors))
        self._under_way = None

    async def _settle(self, produced: _Produced, refusals: tuple[type[BaseException], ...]) -> None:
        """:raises SinkError: if some were not taken; the others are forgotten."""
        error = next((found for each in produced.sent if (found := each.exception())), None)
        if isinstance(error, refusals):
            self._under_way = None
            raise self._refused(error, produced)
        if error is not None:
            await self._stop()
            taken = map(_taken, produced.sent)
            produced.messages[:] = [
                each for each, done in zip(produced.messages, taken, strict=True) if not done
            ]
            produced.sent.clear()
            raise self._away(error)

    def _refused(self, error: BaseException, produced: _Produced) -> SinkError:
        what = f"Kafka at {self._config.servers} refused messages ({error})"
        remedy = "check rights, and the limits of the topic"
        lost = len(produced.messages) - sum(map(_taken, produced.sent)) if produced.by_row else None
        return SinkError(what, remedy, reason="server_refused", lost_rows=lost)

    def _away(self, error: BaseException) -> SinkError:
        said = str(error) or type(error).__name__
        what = f"Kafka at {self._config.servers} does not answer ({said})"
        remedy = "start it, or correct the address; rows wait meanwhile"
        return SinkError(what, remedy, reason="server_away", retryable=True)

    async def _stop(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await _quietly(producer)


def _lines(batch: Batch) -> list[_Message]:
    """A message for each row; rows of one connection, or pair, have the same key, and so the same partition."""
    lines = [line for _, text in batch.json_lines() for line in text.splitlines()]
    return [_Message(key, line) for key, line in zip(_keys(batch), lines, strict=True)]


def _keys(batch: Batch) -> list[bytes]:
    """What tells rows of a window apart: the id of a connection, else the columns of the kind's key, as text."""
    kind = batch.kind
    if kind.key[:1] == (_CONNECTION,):
        return [b"%016x" % number for number in batch.columns[_CONNECTION].tolist()]
    columns = [_texts(batch, kind.column(name)) for name in kind.key]
    if not columns:
        return [batch.node.encode()] * len(batch)
    node = "" if any(kind.column(name).table for name in kind.key) else f"{batch.node}-"
    return [f"{node}{'-'.join(row)}".encode() for row in zip(*columns, strict=True)]


def _texts(batch: Batch, column: Column) -> list[str]:
    """A column as texts; what it points to in place of its place in a table."""
    numbers = batch.columns[column.name].tolist()
    if column.table is None:
        return list(map(str, numbers))
    every = {column.name: np.arange(max(numbers, default=0) + 1, dtype=np.uint32)}
    fields = [list(map(str, field.values(every, batch.tables))) for field in column.row_fields()]
    texts = ["/".join(parts) for parts in zip(*fields, strict=True)]
    return [texts[number] for number in numbers]


def _refusals(errors: Any) -> tuple[type[BaseException], ...]:
    """Errors after which the same message would be refused again."""
    return (
        errors.MessageSizeTooLargeError,
        errors.RecordListTooLargeError,
        errors.TopicAuthorizationFailedError,
        errors.ClusterAuthorizationFailedError,
        errors.InvalidTopicError,
    )


def _taken(sent: "asyncio.Future[Any]") -> bool:
    """Whether all replicas have a message."""
    return sent.done() and not sent.cancelled() and sent.exception() is None


def _context(ca: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca or None)
    except OSError as error:
        raise UsageError(
            f"cannot read {ca} ({error.strerror})", "check settings.ca of the sink kafka"
        ) from error


async def _quietly(producer: Any) -> None:
    """End a producer, whatever became of its servers."""
    try:
        async with asyncio.timeout(1):
            await producer.stop()
    except Exception:  # noqa: BLE001 - it is of no use any more, and its rows are counted elsewhere
        return
