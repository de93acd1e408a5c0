"""Names on the server: streams, subjects, buckets and their keys, and nothing of them anywhere else.

A log ``tailrace`` keeps partition 0 of the topic ``deltas`` in the stream ``tailrace_deltas_0``, which takes
the subject ``tailrace.log.deltas.0`` and all below it.
"""

from dataclasses import dataclass

from faust.types import TP

from model.subjects import token

#: The prefix of all requests to JetStream.
API = "$JS.API"


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one log; logs of different names share a server and nothing else."""

    log: str

    @property
    def _log(self) -> str:
        return token(self.log)

    def stream(self, tp: TP) -> str:
        """The stream of a partition."""
        return f"{self._log}_{token(tp.topic)}_{tp.partition}"

    def subject(self, tp: TP, writer: str = "") -> str:
        """The subject of a partition's records; a writer with a name has one of its own below it."""
        plain = f"{self._log}.log.{token(tp.topic)}.{tp.partition}"
        return f"{plain}.{token(writer)}" if writer else plain

    def full(self, stream: str = "*") -> str:
        """Says that somebody waits for room in the stream."""
        return f"{self._log}.full.{stream}"

    def room(self, stream: str = "*") -> str:
        """Says that the stream has room again."""
        return f"{self._log}.room.{stream}"

    def news(self, group: str) -> str:
        """Says that something of a group changed."""
        return f"{self._log}.news.{token(group)}"

    @property
    def meta(self) -> str:
        """The bucket with the topics and the assignments."""
        return f"{self._log}_meta"

    @property
    def offsets(self) -> str:
        """The bucket with what the groups committed."""
        return f"{self._log}_offsets"

    def leases(self, group: str) -> str:
        """The bucket with the leases of a group; its keys live for one lease."""
        return f"{self._log}_leases_{token(group)}"

    def topic(self, topic: str) -> str:
        """The key, in ``meta``, of the number of partitions."""
        return f"topic.{token(topic)}"

    def assignment(self, group: str) -> str:
        """The key, in ``meta``, of who reads what."""
        return f"group.{token(group)}"

    def offset(self, tp: TP, group: str) -> str:
        """The key, in ``offsets``, of what a group committed."""
        return f"{token(tp.topic)}.{tp.partition}.{token(group)}"

    def offsets_of_all(self, tp: TP) -> str:
        """The keys of what all groups committed of a partition."""
        return f"{token(tp.topic)}.{tp.partition}.*"


#: The key, in a bucket of leases, of the leader, and the start of those of members.
LEADER = "leader"
MEMBER = "member."
