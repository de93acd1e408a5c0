"""``tailrace.service`` in a real systemd: what one boot noted, from its start to its end."""

import json
import re
from typing import Any

import pytest

from tests.systemd.booting import boot

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(600)]

#: CAP_NET_BROADCAST 11, CAP_NET_ADMIN 12, CAP_SYS_PTRACE 19, CAP_SYS_ADMIN 21, CAP_PERFMON 38, CAP_BPF 39.
SIX = f"{sum(1 << bit for bit in (11, 12, 19, 21, 38, 39)):016x}"


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Of ``guest/one_machine.py``."""
    return boot("one_machine", tmp_path_factory.mktemp("one_machine"))


def test_it_is_ready_when_connections_are_seen(facts: dict[str, Any]) -> None:
    """What a client sends as soon as `systemctl start` returns is reported, to the byte."""
    state, status, _ = facts["ready"]
    assert state == "active"
    assert re.fullmatch(r"[0-9,]+ rows/s; lost 0", status)
    assert (facts["rows"], facts["named"]) == (4321, "before")


def test_it_runs_as_its_own_user_with_six_capabilities(facts: dict[str, Any]) -> None:
    assert facts["rights"] == ["tailrace", SIX, SIX, "1"]


def test_a_reload_takes_over_sinks_and_names_while_it_runs(facts: dict[str, Any]) -> None:
    """What needs a restart is said, as a warning; the process is the same, and both sinks get all rows."""
    message, priority, same_process = facts["reload"]
    assert message == (
        "the configuration was read again: names, sinks, log_level changed; tcp.slots: restart Tailrace for it"
    )
    assert (priority, same_process) == ("4", True)
    assert (facts["renamed"], facts["both"]) == ("after", [100, 100])


def test_a_broken_file_leaves_the_old_configuration_in_force(facts: dict[str, Any]) -> None:
    """One entry of the journal says why, with its level and where it was said."""
    refused = facts["refused"]
    assert refused["MESSAGE"].startswith("the configuration stays as it was: configuration /etc/tailrace/")
    assert "snks" in refused["MESSAGE"]
    assert (refused["PRIORITY"], refused["SYSLOG_IDENTIFIER"], refused["_TRANSPORT"]) == (
        "3",
        "tailrace",
        "journal",
    )
    assert facts["code"] == ["reload.py", True, True]
    assert facts["still"] == [777, True, "active"]


def test_after_a_kill_it_comes_back_and_no_row_is_doubled(facts: dict[str, Any]) -> None:
    """A connection that was open all the time has one row a second at most."""
    assert facts["killed"]["rows"] > 3
    assert facts["killed"]["doubled"] == 0


def test_the_watchdog_ends_a_process_whose_loop_is_stuck(facts: dict[str, Any]) -> None:
    """An enricher that never returns holds up the actor; the process that is started then reports again."""
    assert "tailrace.service: Watchdog timeout" in facts["watchdog said"]
    assert facts["watchdog"] == 555


def test_it_stops_with_the_last_rows_flushed(facts: dict[str, Any]) -> None:
    """What was sent just before is in the file; systemd would have killed what takes longer (Result=timeout)."""
    sent, result, _ = facts["stopped"]
    assert (sent, result) == (4242, "success")


def test_sinks_whose_servers_are_away_hold_up_no_stop(facts: dict[str, Any]) -> None:
    """The file has the last rows; those for the others are lost: that is said, and makes exit code 1, no time-out."""
    assert facts["stopped without servers"] == [3131, "exit-code", "10s"]
    assert facts["said without servers"] == ["sink webhook", "sink webhook#2"]


def test_entries_of_the_journal_have_no_time_of_our_own(facts: dict[str, Any]) -> None:
    assert facts["timestamps"] == []


def test_more_memory_than_it_may_have_ends_it_and_it_is_started_again(facts: dict[str, Any]) -> None:
    """cgroup v1 tells systemd of the signal only."""
    limit, result = facts["outgrown"]
    assert int(limit) == 40 << 20
    assert result in ("signal", "oom-kill", "success")


def test_the_selftest_is_exact_inside_the_sandbox(facts: dict[str, Any]) -> None:
    """With the unit's user, rights and system calls."""
    code, report = facts["selftest"]
    assert code == "0", report
    assert json.loads(report)
