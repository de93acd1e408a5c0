"""Packets of DNS as the probe's ring has them, made by dnspython."""

from collections.abc import Sequence

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import numpy as np

from probes.dns.messages import PAYLOAD, RECORD

UDP, TCP = 17, 6
#: Where sockets are, in tests that do not care.
RESOLVER = bytes(10) + b"\xff\xff" + bytes([10, 0, 0, 53])


def record(
    payload: bytes, *, transport: int = UDP, out: int = 1, at_ns: int = 0, **fields: int
) -> np.ndarray:
    """One packet with this payload; what is beyond the record's room is not in it. Shape (1,)."""
    made = np.zeros(1, RECORD)
    made["length"], made["transport"], made["out"] = len(payload), transport, out
    made["payload"] = np.frombuffer(payload[:PAYLOAD].ljust(PAYLOAD, b"\xee"), f"V{PAYLOAD}")
    made["peer_port"] = 53
    made["resolver"] = np.frombuffer(RESOLVER, "V16")
    header = made["header"]
    header["at_ns"], header["slot"], header["generation"] = (
        at_ns,
        fields.pop("slot", 1),
        fields.pop("generation", 1),
    )
    header["old_state"] = fields.pop("of", 0)
    for name, value in fields.items():
        made[name] = value
    return made


def packets(*made: np.ndarray) -> np.ndarray:
    """Several, in order."""
    return np.concatenate(made)


def question(name: str, kind: str = "A", number: int = 1, *, edns: bool = False) -> dns.message.Message:
    """Asks for a name."""
    made = dns.message.make_query(name, kind, use_edns=0 if edns else -1)
    made.id = number
    return made


def answer(
    to: dns.message.Message, addresses: Sequence[str] = (), rcode: str = "NOERROR", *, truncated: bool = False
) -> dns.message.Message:
    """Answers a question, with addresses of one type."""
    made = dns.message.make_response(to)
    made.set_rcode(dns.rcode.from_text(rcode))
    if truncated:
        made.flags |= dns.flags.TC
    if addresses:
        kind = "AAAA" if ":" in addresses[0] else "A"
        made.answer.append(dns.rrset.from_text(to.question[0].name, 60, "IN", kind, *addresses))
    return made


def framed(*messages: bytes) -> bytes:
    """As they stand in a stream: each behind its length."""
    return b"".join(len(message).to_bytes(2, "big") + message for message in messages)
