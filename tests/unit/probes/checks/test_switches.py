"""What each switch costs, and who else has programs where those of UDP are."""

import pytest

from engine.config import Config, DnsSection
from engine.plugins.probes import select
from probes.checks.cgroup_programs import check_cgroup_programs, told
from probes.checks.switches import check_switches
from probes.drops.config import DropsConfig
from probes.kernel.memory import map_bytes
from probes.sources import read_sources
from probes.udp.config import UdpConfig


def test_each_switch_has_a_line_with_its_key_and_costs() -> None:
    """What is off costs nothing; larger tables cost more."""
    checks = {check.name: check for check in check_switches(select(Config()))}
    assert {"udp", "dns", "drops", "listeners", "http", "tls", "envoy", "conntrack"} <= checks.keys()
    assert {check.status for check in checks.values()} == {"ok"}
    assert "(udp.enabled: auto): about 30 ns for a datagram" in checks["udp"].detail
    off = {
        check.name: check
        for check in check_switches(select(Config(drops=DropsConfig("off"), udp=UdpConfig(slots=65536))))
    }
    assert off["drops"].status == "not needed"
    assert off["drops"].detail == "Dropped packets and why (drops.enabled: off): costs nothing"
    assert off["udp"].detail != checks["udp"].detail


def test_memory_of_switches_is_that_of_their_maps() -> None:
    """All of it, and no map twice: with the maps of TCP and those that all share it is what all maps take."""
    selection = select(Config())
    details = [check.detail for check in check_switches(selection) if "MB" in check.detail]
    told_of = sum(float(detail.rpartition(" MB")[0].rpartition(" ")[2]) for detail in details)
    whole = map_bytes("\n".join(map(read_sources, selection.wanted)), selection.defines)
    always = [probe for probe in selection.wanted if probe.switch is None]
    text = "\n".join(map(read_sources, always))
    rest = sum(size for name, size in whole.items() if name in text)
    assert told_of == pytest.approx((sum(whole.values()) - rest) / 1e6, abs=0.1 * len(details))


def test_programs_of_others_are_no_trouble_but_those_of_cilium() -> None:
    """Nor are those of a Tailrace that runs beside."""
    found = {"inet_egress": ["udp_sent", "sd_fw_egress"], "inet4_post_bind": ["udp_bound"]}
    check = told(found, {"udp_sent", "udp_bound"}, cilium=False)
    assert (check.status, check.detail) == ("ok", "sd_fw_egress at inet_egress")
    assert told({}, set(), cilium=False).detail == "none of others"
    for place, name in (("inet4_connect", "cil_sock4_connect"), ("udp4_sendmsg", "sock4_sendmsg")):
        check = told({place: [name]}, set(), cilium=False)
        assert (check.status, check.detail) == ("degraded", f"Cilium is here; {name} at {place}")
        assert "udp.enabled" in check.remedy
    assert told({}, set(), cilium=True).status == "degraded"


def test_nobody_is_asked_where_udp_and_dns_are_off() -> None:
    """There is nothing to detach."""
    off = Config(udp=UdpConfig("off"), dns=DnsSection("off"))
    assert check_cgroup_programs(select(off)).status == "not needed"
