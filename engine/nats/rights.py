"""Which subjects of Tailrace a user of NATS may not use: asked with messages that no stream keeps."""

import re
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, Literal, NamedTuple

import msgpack
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from engine.nats.settings import LogSettings
from model import subjects
from model.subjects import API, DELTAS, ENGINES, LogNames, TopicPartition

NatsRole = Literal["agent", "engine"]

#: The server refuses to keep a message that expects another stream (JetStream: Nats-Expected-Stream).
_KEPT_NOWHERE: Final = {"Nats-Expected-Stream": "tailrace_doctor"}
#: Who listens leaves aside what ``kind`` does not name as theirs.
_MARK: Final = msgpack.packb({"v": 1, "kind": "doctor", "rows": []})
#: How the server refuses.
_REFUSAL: Final = re.compile(r'permissions violation for (publish|subscription) to "([^"]+)"', re.IGNORECASE)
#: Seconds that the server has to say so.
_SECONDS: Final = 2


class Right(NamedTuple):
    """One use of a subject.

    :param cost: what does not work without it.
    :param vital: whether no row goes on without it.
    """

    verb: Literal["publish", "subscribe"]
    subject: str
    cost: str
    vital: bool = False


class Refusals:
    """Collects what the server says it refuses; ``note`` is the connection's callback for errors."""

    def __init__(self) -> None:
        self._said: set[tuple[str, str]] = set()

    def note(self, error: Exception) -> None:
        """Keep it, if it is one."""
        if found := _REFUSAL.search(str(error)):
            verb = "publish" if found[1].lower() == "publish" else "subscribe"
            self._said.add((verb, found[2].lower()))

    def __contains__(self, right: Right) -> bool:
        return (right.verb, right.subject.lower()) in self._said


async def refused_rights(
    client: Client, refusals: Refusals, role: NatsRole, settings: LogSettings, node: str
) -> list[Right]:
    """Those that a role uses and the server refuses to this user.

    :param client: of ``engine.nats.connection``, with ``refusals.note`` as its ``on_error``.
    :raises nats.errors.Error: if the connection breaks.
    """
    wanted = rights_of(role, settings, node)
    used: dict[str, Callable[[str], Coroutine[Any, Any, None]]] = {
        "publish": lambda subject: client.publish(subject, _MARK, headers=_KEPT_NOWHERE),
        "subscribe": lambda subject: _listen(client, subject),
    }
    for right in wanted:
        await used[right.verb](right.subject)
    # Server and client work in order, so that each refusal was noted before the answer to this ping.
    await client.flush(_SECONDS)
    return [right for right in wanted if right in refusals]


async def _listen(client: Client, subject: str) -> None:
    async def leave_aside(_: Msg) -> None:
        """What comes is for others."""

    subscription = await client.subscribe(subject, cb=leave_aside)
    try:
        await subscription.unsubscribe()
    except nats.errors.BadSubscriptionError:  # refused already
        return


def rights_of(role: NatsRole, settings: LogSettings, node: str) -> Sequence[Right]:
    """What a role uses; docs/nats.md has them as a server's configuration."""
    names = LogNames(settings.log)
    return _agent_rights(names, node) if role == "agent" else _engine_rights(names)


def _agent_rights(names: LogNames, node: str) -> list[Right]:
    deltas = names.subject(TopicPartition(DELTAS, 0), node)
    return [
        Right("publish", deltas, "no row of this node arrives", vital=True),
        Right("publish", subjects.rewrites(node), "NAT of this node is not resolved for others"),
        Right("publish", subjects.heartbeat(node), "this node is missing among `observe --nodes`"),
        Right("publish", f"{API}.INFO", "the agent does not connect", vital=True),
        Right("publish", f"$KV.{names.agents}.{subjects.token(node)}", "two agents of one name go unnoticed"),
        Right("subscribe", names.room(), "an agent waits longer where a stream was full"),
        Right("subscribe", "_INBOX.tailrace-doctor.*", "no answer of the server arrives", vital=True),
    ]


def _engine_rights(names: LogNames) -> list[Right]:
    return [
        Right("publish", f"{API}.INFO", "the engine does not connect", vital=True),
        Right("publish", f"$KV.{names.leases(ENGINES)}.doctor", "the engine gets no partition", vital=True),
        Right("publish", f"$KV.{names.offsets}.doctor", "what was read is read again after a restart"),
        Right("publish", subjects.dead(DELTAS), "messages that cannot be read are not kept"),
        Right("subscribe", names.news(ENGINES), "partitions are dealt out late"),
        Right("subscribe", "_INBOX.tailrace-doctor.*", "no answer of the server arrives", vital=True),
        *_incident_rights(names),
    ]


def _incident_rights(names: LogNames) -> list[Right]:
    """What an engine uses with ``trouble.enabled: on``."""
    nobody, next_engine = "incidents of engines are not kept", "an engine that takes over knows no incident"
    return [
        Right("publish", f"$KV.{names.incident_leases}.doctor", nobody),
        Right("publish", f"$KV.{names.incidents}.doctor", next_engine),
        Right("publish", f"$KV.{names.detector}.doctor", "an engine that takes over learns for half an hour"),
        Right("publish", names.counts, "what this engine sees is missing in incidents"),
        Right("subscribe", names.counts, "what other engines see is missing in incidents"),
        Right("publish", names.ill, "what is slow for long becomes usual"),
        Right("subscribe", names.ill, "what is slow for long becomes usual"),
        Right("subscribe", names.incident_reads, "pages and commands do not show incidents"),
        Right("subscribe", names.incident_changes, "nobody can acknowledge or silence incidents"),
    ]
