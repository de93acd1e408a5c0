"""What Tailrace's probes declare, before any kernel is asked."""

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from engine.config import Config
from model.errors import UsageError
from model.probe import Feature, Hook, Place, Probe
from probes.http.probe import HTTP, PARTS, REQUESTS
from probes.kernel.attach import ATTACH
from probes.kernel.headers import Headers, write_tree
from probes.kernel.program_types import program_type
from probes.registry import PROBES
from probes.selection import Selection
from probes.sources import absent_programs, read_sources, source_text, spare_programs
from probes.tcp.probe import ADOPTION, CONNECTIONS, LEFTOVERS, TCP
from probes.udp.probe import ADOPTION as UDP_ADOPTION

ENDINGS = {hook.program for hook in HTTP.hooks if hook.kind in ("fexit", "fexit_part")}
TRACED = {hook.program for hook in HTTP.hooks if hook.needs == "lengths"}
ITERATED = (ADOPTION, LEFTOVERS, UDP_ADOPTION)
FEATURES = [feature for probe in PROBES for feature in probe.features]
HOOKS = [hook for probe in PROBES for hook in probe.hooks]
BTF = Headers("btf", None)


@pytest.mark.parametrize(
    ("hook", "name"),
    [
        (Hook("used", "tcp_sendmsg_locked"), "tracepoint tcp_sendmsg_locked"),
        (Hook("switched", "sched:sched_switch", "tracepoint"), "tracepoint sched:sched_switch"),
        (Hook("nat_leaving", "nf_ct_delete", "kprobe"), "kprobe nf_ct_delete"),
        (Hook("sweep", kind="on_request"), "program sweep"),
        (Hook("sent", "inet_egress", "cgroup"), "cgroup inet_egress"),
        (Hook("ctnetlink", kind="listener"), "ctnetlink"),
        (
            Hook("asked", kind="uprobe", place=Place("libc.so.6", symbol="getaddrinfo")),
            "uprobe libc.so.6:getaddrinfo",
        ),
        (
            Hook("read", kind="uretprobe", place=Place(build_id="5e", offset=32, process=7)),
            "uretprobe 5e:+0x20 of 7",
        ),
    ],
)
def test_hooks_have_the_name_of_what_they_attach_to(hook: Hook, name: str) -> None:
    """By tracepoint, function or place, or by the program where user space runs it."""
    assert hook.name == name


def test_a_source_keeps_its_file_names() -> None:
    """clang's messages name the file and the line in it, though bcc gets one text."""
    text = read_sources(TCP)
    assert text.startswith('#line 1 "tcp/events.h"\n')
    assert '\n#line 1 "tcp/maps.h"\n' in text


def test_a_source_that_is_not_there_is_named() -> None:
    """With the probe and the package that should bring it."""
    with pytest.raises(UsageError, match=r"probe lost: .*No such file.*install the package bpf"):
        read_sources(Probe("lost", sources=("lost.c",)))
    with pytest.raises(UsageError, match=r"probe lost: .*No module named 'no_such_package'"):
        read_sources(Probe("lost", "no_such_package", ("lost.c",)))


def programs_of(hooks: Iterable[Hook]) -> set[str]:
    """All BPF programs of these hooks."""
    return {hook.program for hook in hooks if hook.kind != "listener"}


def functions(text: str) -> set[str]:
    """The programs in a source."""
    return set(re.findall(r"^int (\w+)\(", text, re.MULTILINE))


def test_without_btf_the_iterators_are_left_out() -> None:
    """They do not compile then and have their reason, as what MPTCP needs has; the kernel's headers come first."""
    installed = Headers("installed", None)
    assert source_text(installed, PROBES).startswith('#line 1 "kernel/installed.h"')
    absent = absent_programs(installed, PROBES)
    iterators = [hook for feature in ITERATED for hook in feature.alternatives]
    mptcp = [part for hook in CONNECTIONS.alternatives for part in hook.parts]
    requests = [hook for hook in HOOKS if hook.macro and not hook.later]
    drops = [hook for hook in HOOKS if hook.needs == "reasons"]
    lengths = [hook for hook in HOOKS if hook.needs == "lengths"]
    assert set(absent) == programs_of([*iterators, *mptcp, *requests, *lengths, *drops])
    assert {absent[name] for name in programs_of(iterators)} == {
        "iterators need the kernel's BTF, and it has none"
    }
    assert {absent[name] for name in programs_of(mptcp)} == {
        "the kernel has no MPTCP, or no BTF that tells of it"
    }


@pytest.mark.parametrize(("lengths", "there", "lacking"), [(True, TRACED, ENDINGS), (False, ENDINGS, TRACED)])
def test_hooks_of_requests_are_compiled_one_way(
    lengths: bool, there: set[str], lacking: set[str], tmp_path: Path
) -> None:
    """By tracepoints where the kernel's types name them, else at the ends of TCP's functions; never both."""
    types = (
        "typedef void (*btf_trace_sock_recv_length)(void *, struct sock *, int, int);\n" if lengths else ""
    )
    write_tree(tmp_path, types, "6.1.76")
    absent = absent_programs(Headers("btf", tmp_path), [HTTP])
    spare = spare_programs(HTTP.features, absent)
    left = programs_of(HTTP.hooks) - absent.keys() - spare.keys()
    assert left >= there
    assert left.isdisjoint(lacking)


def test_an_alternative_that_was_chosen_is_no_spare() -> None:
    """Though the better one could be had."""
    chosen = [
        replace(feature, alternatives=tuple(way for way in feature.alternatives if way.way == "exits"))
        for feature in (PARTS, REQUESTS)
    ]
    assert spare_programs(chosen, {}) == {}


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
def test_a_probes_programs_and_maps_are_in_its_sources(probe: Probe) -> None:
    """No hook names a program, and no list a map, that the sources lack; they have no program that nobody runs."""
    text = read_sources(probe)
    assert programs_of(probe.hooks) == functions(text)
    assert {
        name for name in probe.maps if not re.search(rf"^BPF_\w+\(.*\b{name}\b", text, re.MULTILINE)
    } == set()


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
def test_every_map_says_who_uses_it(probe: Probe) -> None:
    """A comment stands in front of each."""
    text = read_sources(probe)
    bare = re.findall(r"(?<!\*/)\n(BPF_\w+\([^,)]*)", text)
    assert bare == []


def test_every_hook_can_be_attached_and_loaded() -> None:
    """There is a function for its kind, and the kernel's number for its program."""
    for hook in HOOKS:
        if hook.kind != "listener":
            assert hook.kind in ATTACH
            assert program_type(hook).program > 0


def test_optional_features_say_what_their_lack_costs() -> None:
    """Each feature has a purpose; whoever can be missing has a loss, whoever cannot has none."""
    assert all(feature.purpose and feature.alternatives for feature in FEATURES)
    assert [feature.name for feature in FEATURES if feature.required == bool(feature.loss)] == []


def test_features_have_names_of_their_own() -> None:
    """`capabilities` and `doctor` list them by name."""
    assert len({feature.name for feature in FEATURES}) == len(FEATURES)


def test_every_switch_and_size_is_a_key_of_the_configuration() -> None:
    """None is misspelt: the selection reads each of them."""
    selection = Selection(Config(), PROBES)
    assert selection.wanted == PROBES
    own = {"SLOTS", "RING_BYTES", "RINGS", "WAKEUP_EVENTS"}
    http = {"REQUEST_CELLS", "PATHS", "HTTP2_BYTES", "HTTP2_CONNECTIONS", "TLS_SESSIONS", "PROXY_SOCKETS"}
    others = {"LISTENER_CELLS", "QUIC_BYTES"}
    others |= {f"DNS_{name}" for name in ("BYTES", "RATE", "NAMES", "PENDING", "CELLS")}
    others |= {f"DROP_{name}" for name in ("ROWS", "FOLDS", "RESTS", "CELLS", "NEW")}
    rules = {"HTTP_HOSTS", "PORT_RULES", "NAME_RULES", "NETNS_RULES"}
    udp = {f"UDP_{name}" for name in ("SLOTS", "PEERS", "ONLY_DNS")}
    udp |= {f"UDP_IDLE_{name}" for name in ("ANSWERED", "UNANSWERED", "BOTH")}
    wanted = {f"WANTS_{probe.name.upper()}" for probe in PROBES}
    assert own | http | others | rules | udp | wanted == set(selection.defines)
    ways = [selection.ways(probe, feature) for probe in PROBES for feature in probe.features]
    assert [way.alternatives for way in ways] == [feature.alternatives for feature in FEATURES]


def test_a_required_feature_of_the_main_job_stays_required() -> None:
    """A switch set to ``auto`` makes nothing optional that is always attached."""
    selection = Selection(Config(), PROBES)

    def required(probe: Probe, feature: Feature) -> bool:
        return selection.ways(probe, feature).required

    found = [feature.name for probe in PROBES for feature in probe.features if required(probe, feature)]
    assert found == ["socket states", "counters"]
