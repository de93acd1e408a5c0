"""Answers that list what there is or was: names, instances, moments, values of attributes."""

import msgspec

from store.queries.answers import Answer


class Found(Answer, frozen=True):
    """Something that a search found.

    :param what: ``workload``, ``pod``, ``container``, ``process``, ``image``, ``version``, ``zone``, ``node``,
        ``namespace``, ``address`` or ``port``.
    :param value: that matched; ``key`` is what ``select`` takes to look at it, with ``q`` where that is set.
    :param matched: in which way: ``exact``, ``prefix``, ``word``, ``within`` or ``similar``.
    :param workloads: how many it names.
    :param neighbours: how many talk with them in the window.
    :param gone: nothing was seen of it in the window.
    """

    what: str
    value: str
    key: str
    q: str
    matched: str
    score: float
    workloads: int
    neighbours: int
    gone: bool
    first_s: int
    last_s: int


class SearchAnswer(Answer, frozen=True):
    """What was found, the best first."""

    found: list[Found]
    of: int


class InstanceRow(Answer, frozen=True):
    """A pod, a container or a process on one machine; what is not known is empty.

    :param key: of the node of the map that it belongs to; ``version`` and ``zone`` of its workload.
    :param first_s: the first second in which it was seen at an end of a connection; ``last_s`` the last, at most that
        of the window.
    """

    key: str
    node: str
    pod: str
    container: str
    process: str
    image: str
    address: str
    version: str
    zone: str
    first_s: int
    last_s: int


class InstancesAnswer(Answer, frozen=True):
    """Instances that were there in the window, the one that came last first."""

    instances: list[InstanceRow]
    of: int


class Moment(Answer, frozen=True):
    """A mark on the time bar.

    :param id: ``deploy:ID`` of a version can be given to ``against``.
    :param what: ``version`` (a version of a workload was first seen), ``version_gone``, ``workload``,
        ``workload_gone``, ``instance``, ``instance_gone``, ``gap``, ``agent``, ``agent_gone``.
    :param key: of the workload; empty for what is of a node.
    :param to_s: where it ends, for gaps.
    """

    id: str
    at_s: int = msgspec.field(name="at")
    to_s: int = msgspec.field(name="to")
    what: str
    key: str
    text: str


class MomentsAnswer(Answer, frozen=True):
    """Marks in order of time."""

    moments: list[Moment]
    of: int


class Value(Answer, frozen=True):
    """A value of an attribute, and how many workloads have it."""

    value: str
    workloads: int


class AttributesAnswer(Answer, frozen=True):
    """Values, the most frequent first; without a key, the keys themselves."""

    key: str
    values: list[Value]
    of: int
