"""Who is in a group and reads what: the documents of a group, and how partitions are dealt out."""

from collections.abc import Mapping

import msgspec

from model.subjects import TopicPartition


class Membership(msgspec.Struct, frozen=True):
    """What a member says with its lease: what it wants to read, and which generation it gave up for.

    :param version: of Tailrace; empty from members that are older than this field.
    """

    topics: tuple[str, ...]
    gave_up: int = 0
    version: str = ""
    host: str = ""


class Share(msgspec.Struct, frozen=True):
    """What a generation gives to a member."""

    topics: tuple[str, ...]
    partitions: tuple[tuple[str, int], ...] = ()


class Roster(msgspec.Struct, frozen=True):
    """A generation: who is in it and reads what. Generations grow from 1."""

    generation: int = 0
    members: dict[str, Share] = {}

    def names(self, member: str) -> bool:
        """Whether the member is in it."""
        return member in self.members

    def partitions_of(self, member: str) -> frozenset[TopicPartition]:
        """What the member reads."""
        return frozenset(
            TopicPartition(topic, partition) for topic, partition in self.members[member].partitions
        )

    def fits(self, members: Mapping[str, Membership]) -> bool:
        """Whether these are its members, with the same topics, and none knows of a later generation."""
        wanted = {name: member.topics for name, member in members.items()}
        same = wanted == {name: share.topics for name, share in self.members.items()}
        return same and self._latest(members) == self.generation

    def _latest(self, members: Mapping[str, Membership]) -> int:
        """The latest generation that anybody knows of, also when the bucket with the roster was lost."""
        return max([self.generation, *(member.gave_up for member in members.values())])

    def given_up(self, members: Mapping[str, Membership]) -> bool:
        """Whether no member reads by an older generation any more."""
        return all(member.gave_up >= self.generation for member in members.values())

    def next(self, members: Mapping[str, Membership], counts: Mapping[str, int]) -> "Roster":
        """The generation of these members: the partitions of each topic are dealt out to its readers in turn.

        :param counts: the number of partitions of each topic.
        """
        names = sorted(members)
        shares = {}
        for name in names:
            mine: list[tuple[str, int]] = []
            for topic in members[name].topics:
                readers = [other for other in names if topic in members[other].topics]
                mine += ((topic, p) for p in range(readers.index(name), counts[topic], len(readers)))
            shares[name] = Share(members[name].topics, tuple(mine))
        return Roster(self._latest(members) + 1, shares)
