"""Public messages of flows and workloads, for whoever subscribes; ``docs/subjects.md`` is their page."""

from typing import Any, Final, NamedTuple

import msgspec

FLOW_VERSION: Final = 1


class BadFlows(ValueError):
    """Bytes that are no flow message of a version this program reads."""


class FlowMessage(msgspec.Struct, frozen=True):
    """One message. ``node``, ``boot``, ``seq``, ``window`` and ``part`` name it for good.

    :param kind: "flow" or "workload".
    :param node: where the flows were joined; the nodes of a flow's ends stand in its row.
    :param seq: number of the batch of flows that the rows come from.
    :param window: the second since the epoch.
    :param rows: dotted names of the schema, without those that are the same for all rows.
    :param part: this message's place among the ``parts`` that the batch became, on whatever subjects.
    """

    v: int
    kind: str
    node: str
    boot: str
    seq: int
    window: int
    rows: list[dict[str, Any]]
    part: int = 0
    parts: int = 1


class Flow(NamedTuple):
    """One row with what its message says of it; of workloads likewise."""

    node: str
    boot: str
    seq: int
    window: int
    row: dict[str, Any]


_decoder: Final = msgspec.msgpack.Decoder(FlowMessage)


def decode_flows(data: bytes, kind: str = "flow") -> list[Flow]:
    """The rows of a message. Keys that this version does not know are left aside.

    :raises BadFlows: if the bytes are no message of this kind, or one of another version.
    """
    try:
        message = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadFlows(f"not a {kind} message: {error}") from error
    if message.v != FLOW_VERSION or message.kind != kind:
        raise BadFlows(
            f"{message.kind!r} of version {message.v}, this program reads {kind} of {FLOW_VERSION}"
        )
    return [Flow(message.node, message.boot, message.seq, message.window, row) for row in message.rows]
