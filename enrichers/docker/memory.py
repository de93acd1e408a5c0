"""Docker's containers by id and by address, as the daemon speaks of them. Pure: no socket, no clock."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from enrichers.docker.facts import SECOND_NS, ContainerFacts, ImageFacts, attributes, from_event
from model.enricher import OPEN, KeyKind
from model.intervals import Intervals

#: A container that is gone still answers for so long: ids are never used again, and rows come late.
REMEMBERED_NS: Final = 300 * SECOND_NS
#: Connections of containers with networks that are remembered, to know when an address began and ended.
NETWORKS: Final = 8192
_NETWORK: Final = "docker.network.name"

_Attachment = tuple[str, str]  # container id, network


class DockerMemory:
    """Puts containers into ``intervals``: under their ids, and under their addresses for as long as they had them.

    :param labels: patterns of labels to take over.
    """

    def __init__(self, intervals: Intervals, labels: Sequence[str] = ()) -> None:
        self._intervals = intervals
        self._labels = labels
        self._joined: OrderedDict[_Attachment, int] = OrderedDict()
        self._left: OrderedDict[_Attachment, int] = OrderedDict()

    def event(self, event: Mapping[str, Any]) -> str:
        """Takes an event in; the id of a container that is worth an inspection, or nothing.

        :raises KeyError: if it is no event of this API.
        """
        at_ns, actor = int(event["timeNano"]), event["Actor"]
        if event["Type"] == "network":
            return self._network(event["Action"], actor.get("Attributes") or {}, at_ns)
        if event["Action"] in ("create", "start", "rename"):
            self._named(from_event(actor), at_ns, renamed=event["Action"] == "rename")
            return str(actor["ID"])
        if event["Action"] == "destroy":
            self._intervals.end(KeyKind.CONTAINER, actor["ID"], at_ns + REMEMBERED_NS)
        return ""

    def _named(self, facts: ContainerFacts, at_ns: int, *, renamed: bool) -> None:
        """What an event tells at once, before any question; an inspection knew more, but not a new name."""
        held = self._intervals.find(KeyKind.CONTAINER, facts.id, at_ns)
        if held is None or renamed:
            known = dict(held.entity) if held else {}
            entity = known | attributes(facts, labels=self._labels)
            self._intervals.add(KeyKind.CONTAINER, facts.id, entity, at_ns)

    def _network(self, action: str, reply: Mapping[str, str], at_ns: int) -> str:
        attachment = (reply.get("container", ""), reply.get("name", ""))
        if action == "connect":
            _remember(self._joined, attachment, at_ns)
            return attachment[0]
        if action == "disconnect":
            _remember(self._left, attachment, at_ns)
            for identity in self._intervals.held(KeyKind.ADDRESS):
                if (identity.entity.get("container.id"), identity.entity.get(_NETWORK)) == attachment:
                    self._intervals.end(KeyKind.ADDRESS, identity.value, at_ns, identity.begin_ns)
        return ""

    def learn(self, facts: ContainerFacts, image: ImageFacts | None, since_ns: int) -> None:
        """A container as it was listed or inspected.

        :param since_ns: since when it may be so at the latest, if nothing tells better.
        """
        held = self._intervals.find(KeyKind.CONTAINER, facts.id, since_ns)
        entity = attributes(facts, image, self._labels)
        if held and image is None:  # what an inspection told before
            entity = {**held.entity, **entity}
        begin_ns = held.begin_ns if held else facts.created_ns or since_ns
        end_ns = held.end_ns if held else OPEN
        self._intervals.add(KeyKind.CONTAINER, facts.id, entity, begin_ns, end_ns)
        for network, addresses in facts.addresses.items():
            for address in addresses:
                self._has(address, network, entity, since_ns)

    def _has(self, address: str, network: str, entity: Mapping[str, str], since_ns: int) -> None:
        """The container has the address since it joined the network, until it left it."""
        attachment = (entity["container.id"], network)
        begin_ns = self._joined.get(attachment, since_ns)
        left_ns = self._left.get(attachment, 0)
        held = self._intervals.find(KeyKind.ADDRESS, address, max(begin_ns, since_ns))
        if held and held.end_ns == OPEN and held.entity.get("container.id") == attachment[0]:
            begin_ns = held.begin_ns
        end_ns = left_ns if left_ns > begin_ns else OPEN
        self._intervals.add(KeyKind.ADDRESS, address, {**entity, _NETWORK: network}, begin_ns, end_ns)

    def resync(self, listed: Iterable[ContainerFacts], since_ns: int, at_ns: int) -> None:
        """All containers that there are; who is not among them, or has another address now, ended meanwhile.

        :param since_ns: when the daemon was last heard of; 0 if never.
        :param at_ns: when it was asked.
        """
        addresses: set[tuple[str, str]] = set()
        there: set[str] = set()
        for facts in listed:
            there.add(facts.id)
            addresses |= {(facts.id, address) for both in facts.addresses.values() for address in both}
            self.learn(facts, None, max(since_ns, facts.created_ns))
        for identity in self._intervals.held(KeyKind.CONTAINER):
            if identity.value not in there and identity.begin_ns < at_ns:
                end_ns = at_ns + REMEMBERED_NS
                self._intervals.end(KeyKind.CONTAINER, identity.value, end_ns, identity.begin_ns)
        for identity in self._intervals.held(KeyKind.ADDRESS):
            owner = identity.entity.get("container.id", "")
            if (owner, identity.value) not in addresses and identity.begin_ns < at_ns:
                self._intervals.end(KeyKind.ADDRESS, identity.value, at_ns, identity.begin_ns)


def _remember(times: OrderedDict[_Attachment, int], attachment: _Attachment, at_ns: int) -> None:
    times[attachment] = at_ns
    times.move_to_end(attachment)
    if len(times) > NETWORKS:
        times.popitem(last=False)
