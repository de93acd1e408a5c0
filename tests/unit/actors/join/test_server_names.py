"""Names of servers in flows: as their clients know them, by DNS, else by what they say in TLS."""

from dataclasses import replace
from typing import Any

import pytest

from actors.join.server_names import ServerNames
from model.batch import Batch
from model.handshake import NO_HANDSHAKE, Handshake
from model.kinds.delta import NameEvidence
from tests.nat_events import batch_of
from tests.unit.actors.join.site import Flow, Site, client, rewritten, server

NAMES = ["", "api.example.com", "old.example.com"]
HANDSHAKES = [NO_HANDSHAKE, Handshake("1.3", server_name="WWW.Example.com"), Handshake("1.3")]
BY_PROCESS: dict[str, Any] = {"peer__name__index": 1, "peer__name__evidence": NameEvidence.PROCESS}
AMBIGUOUS: dict[str, Any] = BY_PROCESS | {"peer__name__ambiguous": 1}


def batch(window: int, *rows: dict[str, Any], names: list[str] | None = None, node: str = "n") -> Batch:
    """Rows whose names and handshakes are those above."""
    tables = {"names": names or NAMES, "handshakes": HANDSHAKES}
    return replace(batch_of(list(rows), window, node=node)).with_tables(**tables)


def said(flow: Flow) -> tuple[str, int, int]:
    """Name, evidence and doubt."""
    return flow["server.name"], flow["server.name.evidence"], flow["server.name.ambiguous"]


def test_a_flow_has_the_name_that_its_client_has() -> None:
    """Also in seconds in which only the server reports, and however names are numbered in messages."""
    site = Site()
    (first,) = site.join(1, batch(1, client(**BY_PROCESS)))
    (second,) = site.join(2, batch(2, server(rx_bytes=1), node="other"))
    (third,) = site.join(3, batch(3, client(tx_bytes=1, **BY_PROCESS), names=["", "api.example.com"]))
    assert [said(flow) for flow in (first, second, third)] == [
        ("api.example.com", NameEvidence.PROCESS, 0)
    ] * 3


def test_the_name_is_of_the_address_that_was_called() -> None:
    """What answers behind a rewriting has it, too."""
    called = rewritten(batch(1, client(**BY_PROCESS)), ("10.96.0.10", 80))
    (flow,) = Site().join(1, called.with_tables(names=NAMES))
    assert said(flow)[0] == "api.example.com"
    assert (flow["service.port"], flow["server.port"]) == (80, 8080)


@pytest.mark.parametrize(
    ("dns", "handshake", "expected"),
    [
        ({}, 1, ("www.example.com", NameEvidence.TLS, 0)),
        (AMBIGUOUS, 1, ("www.example.com", NameEvidence.TLS, 0)),
        (BY_PROCESS, 1, ("api.example.com", NameEvidence.PROCESS, 0)),
        (AMBIGUOUS, 2, ("api.example.com", NameEvidence.PROCESS, 1)),
        ({}, 2, ("", NameEvidence.NONE, 0)),
        ({}, 0, ("", NameEvidence.NONE, 0)),
    ],
)
def test_what_a_client_says_in_tls_names_what_dns_does_not(
    dns: dict[str, Any], handshake: int, expected: tuple[str, int, int]
) -> None:
    """Or of which it leaves a doubt."""
    (flow,) = Site().join(1, batch(1, client(tls__index=handshake, **dns)))
    assert said(flow) == expected


@pytest.mark.parametrize(
    "text", ["10.0.0.1:443", "outbound_.9080_._.reviews.shop", "long.example…", "-a.example", "localhost"]
)
def test_what_is_no_name_of_a_host_names_nobody(text: str) -> None:
    """Proxies of meshes, and clients that are strange, write other things into a hello."""
    made = batch(1, client(tls__index=1)).with_tables(
        handshakes=[NO_HANDSHAKE, Handshake("1.3", server_name=text)]
    )
    (flow,) = Site().join(1, made)
    assert said(flow) == ("", NameEvidence.NONE, 0)


def test_too_many_names_below_one_go_by_it() -> None:
    """Those that were there keep their own, and other parents have room."""
    names = ServerNames(below=3)
    names.ids(f"{number}.cdn.example.com" for number in range(9))
    names.ids(["x.other.example.com", "1.cdn.example.com", "example.com", "example.org"])
    assert names.known.values == [
        *("", "0.cdn.example.com", "1.cdn.example.com", "2.cdn.example.com", "*.cdn.example.com"),
        *("x.other.example.com", "example.com", "example.org"),
    ]


def test_too_many_parents_go_by_their_last_two_labels() -> None:
    """Whatever is made up, the names that are kept are bounded."""
    names = ServerNames(parents=2)
    names.ids(f"a.{number}.example.com" for number in range(9))
    assert names.known.values == ["", "a.0.example.com", "a.1.example.com", "*.example.com"]
