"""Which probes are attached, and by which ways, as the configuration says."""

from dataclasses import replace
from typing import Literal

import pytest

from engine.config import Config, DnsSection
from enrichers.process.config import ProcessConfig
from model.probe import EventType, Feature, Hook, Probe, Ring, Switch
from probes.conntrack.config import NatConfig
from probes.conntrack.probe import CONNTRACK, CTNETLINK, KPROBES, NAT, TIMED
from probes.dns.probe import PAIRS
from probes.drops.config import DropsConfig
from probes.drops.probe import REASONS as DROPPED
from probes.envoy.probe import LINKS
from probes.handshake.probe import HANDSHAKE, HELLOS
from probes.http.config import Http2Config, HttpConfig
from probes.http.probe import HTTP, PARTS, REQUESTS
from probes.http2.probe import FRAMES, HTTP2
from probes.listeners.config import ListenersConfig
from probes.listeners.probe import SWEEP
from probes.process.probe import EXECUTIONS, PROCESS
from probes.registry import PROBES
from probes.selection import Selection
from probes.tcp.config import TcpConfig
from probes.tcp.probe import COUNTERS, TCP
from probes.tls.probe import LIBRARIES, TLS
from probes.udp.config import UdpConfig
from probes.udp.probe import UDP
from tests.declared import receiver

CALLS = Feature("calls", "calls of a function", (Hook("called", "sys_enter"),))


def their_probe(default: Literal["auto", "on", "off"] = "auto", *events: EventType) -> Probe:
    """A probe of others, without a key of its own."""
    return Probe(
        "theirs",
        sources=("tcp/events.h",),
        features=(CALLS,),
        events=events,
        receivers=(receiver("theirs"),),
        switch=Switch(default=default),
    )


def test_what_is_off_is_neither_compiled_nor_attached() -> None:
    """Its features are listed with the key that says so."""
    off = HttpConfig(enabled="off")
    config = Config(
        nat=NatConfig("off"),
        process=ProcessConfig(executions="off"),
        http=off,
        dns=DnsSection("off"),
        udp=UdpConfig("off"),
        listeners=ListenersConfig("off"),
        drops=DropsConfig("off"),
    )
    selection = Selection(config, PROBES)
    assert [probe.name for probe in selection.wanted] == ["kernel", "tcp"]
    assert {(taken.feature.name, taken.hook, *set(taken.refused.values())) for taken in selection.off()} == {
        (SWEEP.name, None, "listeners.enabled is off"),
        (PAIRS.name, None, "dns.enabled is off"),
        (DROPPED.name, None, "drops.enabled is off"),
        (NAT.name, None, "nat.source is off"),
        (EXECUTIONS.name, None, "process.executions is off"),
        (PARTS.name, None, "http.enabled is off"),
        (LINKS.name, None, "http.enabled is off"),
        (REQUESTS.name, None, "http.enabled is off"),
        (FRAMES.name, None, "http.enabled is off"),
        (LIBRARIES.name, None, "http.enabled is off"),
        (HELLOS.name, None, "http.enabled is off"),
        *((feature.name, None, "udp.enabled is off") for feature in UDP.features),
    }


def test_a_probe_within_another_has_a_switch_too() -> None:
    """It is off by its own key, or with the other."""
    selection = Selection(Config(http=HttpConfig(handshakes="off")), PROBES)
    assert HTTP in selection.wanted
    assert HANDSHAKE not in selection.wanted
    assert {reason for taken in selection.off() for reason in taken.refused.values()} >= {
        "http.handshakes is off"
    }


def test_tls_is_switched_off_alone() -> None:
    """The requests of plain connections are counted without it."""
    selection = Selection(Config(http=HttpConfig(tls="off")), PROBES)
    assert HTTP in selection.wanted
    assert TLS not in selection.wanted
    assert "TLS_SESSIONS" not in selection.defines
    (off,) = (taken for taken in selection.off() if taken.feature is LIBRARIES)
    assert set(off.refused.values()) == {"http.tls is off"}


def test_http2_is_switched_off_alone() -> None:
    """What is of HTTP/1 is counted without it."""
    selection = Selection(Config(http=HttpConfig(http2=Http2Config(enabled="off"))), PROBES)
    assert HTTP in selection.wanted
    assert HTTP2 not in selection.wanted
    assert [set(taken.refused.values()) for taken in selection.off()] == [{"http.http2.enabled is off"}]


def test_a_probe_whose_key_says_on_is_demanded() -> None:
    """Where it is taken if it can be had, nothing of it is."""
    cases: list[tuple[Literal["auto", "on"], bool]] = [("auto", False), ("on", True)]
    for word, required in cases:
        selection = Selection(Config(http=HttpConfig(enabled=word)), PROBES)
        assert [selection.ways(HTTP, feature).required for feature in HTTP.features] == [required] * 2


def test_events_of_a_probe_that_is_off_are_known() -> None:
    """A recording may have them."""
    selection = Selection(Config(nat=NatConfig("off")), PROBES)
    assert "nat_event" in selection.event_types.structs


@pytest.mark.parametrize(
    ("source", "ways", "required"),
    [
        ("auto", (KPROBES, TIMED, CTNETLINK), False),
        ("kprobes", (KPROBES,), True),
        ("netlink", (TIMED, CTNETLINK), True),
    ],
)
def test_a_way_that_is_named_is_the_only_one(
    source: Literal["auto", "kprobes", "netlink"], ways: tuple[Hook, ...], required: bool
) -> None:
    """And then the start needs it."""
    taken = Selection(Config(nat=NatConfig(source)), PROBES).ways(CONNTRACK, NAT)
    assert (taken.alternatives, taken.required) == (ways, required)


def test_a_feature_may_have_a_switch_of_its_own() -> None:
    """It chooses among the ways of that feature alone."""
    selection = Selection(Config(tcp=TcpConfig(counters="segment")), PROBES)
    assert [hook.program for hook in selection.ways(TCP, COUNTERS).alternatives] == ["segment_received"]
    assert selection.ways(PROCESS, EXECUTIONS).alternatives == EXECUTIONS.alternatives


@pytest.mark.parametrize(
    ("default", "words", "wanted", "required"),
    [
        ("auto", {}, True, False),
        ("off", {}, False, False),
        ("off", {"theirs": "on"}, True, True),
        ("on", {"theirs": "off"}, False, False),
        ("on", {"others": "off"}, True, True),
    ],
)
def test_a_probe_of_others_is_named_under_probes(
    default: Literal["auto", "on", "off"], words: dict[str, str], wanted: bool, required: bool
) -> None:
    """``auto`` takes it where it can be had; ``on`` needs it; where nothing is said its own default holds."""
    probe = their_probe(default)
    selection = Selection(Config(), (*PROBES, probe), words)
    assert (probe in selection.wanted) == wanted
    if wanted:
        assert selection.ways(probe, CALLS).required == required
    else:
        assert [taken.refused for taken in selection.off()] == [
            {"tracepoint sys_enter": "probes.theirs is off"}
        ]


def test_rings_have_a_size_and_a_number() -> None:
    """The source finds both as macros; the shared ring is number 0."""
    event = EventType("KIND_CLOSE", "socket_event", "theirs", ring=Ring("ends", 1 << 16))
    selection = Selection(Config(), (PROBES[0], their_probe("auto", event)))
    assert {name: selection.defines[name] for name in ("ENDS_BYTES", "ENDS_RING", "RINGS")} == {
        "ENDS_BYTES": 65536,
        "ENDS_RING": 1,
        "RINGS": 2,
    }


def test_tables_of_another_size() -> None:
    """The rest of the configuration stays."""
    smaller = Selection(Config(node="n", nat=NatConfig("off")), PROBES).with_tables(256, 1 << 16)
    assert (smaller.defines["SLOTS"], smaller.defines["RING_BYTES"]) == (256, 65536)
    assert (smaller.config.node_name, CONNTRACK in smaller.wanted) == ("n", False)


def test_a_probe_that_is_off_is_there_for_what_has_parts_in_it() -> None:
    """Its macros say that it is off itself; with the other one off, it is not compiled."""
    inner = Probe("inner", sources=("tcp/events.h",), switch=Switch())
    outer = replace(UDP, name="outer", needed_by="inner")
    config = Config(udp=UdpConfig("off"))
    known = (*PROBES[:1], TCP, inner, outer)
    both = Selection(config, known, {"inner": "on"})
    assert outer in both.wanted
    assert both.defines["UDP_ONLY_DNS"] == 1
    assert all(both.ways(outer, feature).alternatives for feature in outer.features)
    neither = Selection(config, known, {"inner": "off"})
    assert outer not in neither.wanted
    assert inner not in neither.wanted
