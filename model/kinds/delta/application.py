"""Columns of what a connection carries: requests, queries, TLS, and the name that its peer was called by."""

from typing import Final

from model.column import Column, hidden
from model.handshake import TlsVisibility
from model.kinds.delta.codes import NameEvidence
from model.kinds.delta.tables import HANDSHAKES, NAMES, QUERIED, REQUESTED
from model.rows import values as row_values

APPLICATION: Final = (
    Column(
        "requests.index",
        "<u4",
        "place of its [requests](#requests) in the message's `requests`; 0: none. Not in rows: those of the kind "
        "`request` have them",
        table=REQUESTED,
        fields=hidden,
    ),
    Column(
        "queries.index",
        "<u4",
        "place of its [queries](#queries) in the message's `queries`; 0: none. Not in rows: those of the kind "
        "`query` have them",
        table=QUERIED,
        fields=hidden,
    ),
    # TLS
    Column(
        "tls.index",
        "<u4",
        "place of its TLS handshake in the message's `handshakes`; 0: none was seen. In rows `tls.protocol.version` "
        "(`1.3`), `tls.cipher` (as IANA names it), `tls.client.server_name` (SNI), `tls.next_protocol` (ALPN, as the "
        "server chose: from TLS 1.3 on that is encrypted) and `tls.client.offered_protocols` (ALPN, as the client "
        "offered)",
        table=HANDSHAKES,
        over="known",
    ),
    Column(
        "tls.visibility",
        "<u1",
        "what is seen of a TLS connection at this end: 1 encrypted (that it is TLS), 2 decrypted (its requests, in "
        "the plain text of its application). 0: no TLS, as far as is known",
        codes=TlsVisibility,
    ),
    # DNS
    Column(
        "peer.name.index",
        "<u4",
        "of clients: place in the message's `names`, 0: none. In rows `peer.name`: "
        "[the name](dns.md#names-for-addresses) for which DNS had given the peer's address when the connection "
        "began. It stays while the connection lives",
        table=NAMES,
        over="known",
    ),
    Column(
        "peer.name.evidence",
        "<u1",
        "who had got that answer: 1 process (the socket's own), 2 container (another process of its cgroup), 3 "
        "namespace (another process of its network namespace). 0: there is no name",
        codes=NameEvidence,
    ),
    Column(
        "peer.name.ambiguous",
        "<u1",
        "1: the same had got the address for another name as well, not long before; this is the later one",
        values=row_values.flags,
    ),
)
