"""Names of what programs count: those of the enum that the programs are compiled with."""

import pytest

from probes.kernel.layout import enums
from probes.kernel.tallies import tally_names


def test_names_are_without_the_prefix_and_the_count_of_names() -> None:
    assert tally_names("listeners", "listener_tally") == {"taken": 0, "no_cell": 1}


@pytest.mark.parametrize(
    ("source", "enum", "count"),
    [
        ("dns", "dns_tally", "DNS_TALLIES"),
        ("drops", "drop_tally", "DROPS_TALLIES"),
        ("handshake", "handshake_tally", "HANDSHAKE_TALLIES"),
        ("http", "http_tally", "HTTP_TALLIES"),
        ("http", "link_tally", "LINK_TALLIES"),
        ("http2", "http2_tally", "HTTP2_TALLIES"),
        ("quic", "quic_tally", "QUIC_TALLIES"),
        ("tcp", "tally", "TALLY_COUNT"),
        ("tls", "tls_tally", "TLS_TALLIES"),
        ("udp", "udp_tally", "UDP_TALLIES"),
    ],
)
def test_each_cell_of_the_array_has_one_name(source: str, enum: str, count: str) -> None:
    assert sorted(tally_names(source, enum).values()) == list(range(enums(source)[enum][count]))
