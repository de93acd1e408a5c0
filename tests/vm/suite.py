"""What runs in the stock kernel: arguments of pytest, each of which becomes a test of the host.

Another test joins by one line. Each start of a probe costs some seconds of compiling on the host, and more of loading
there: tests that share one stand in one file.
"""

from typing import Final

_HTTP = "tests/kernel/test_http.py::"
_MPTCP = "tests/field/test_mptcp.py::"
_TCP = "tests/kernel/test_tcp_probe.py::"
_ENDS = "tests/kernel/udp/test_ends.py::"
_DROPPED = "tests/kernel/drops/test_reasons.py::"
_RULES = f"{_DROPPED}test_what_rules_drop_is_what_they_count"

GUEST_TESTS: Final = (
    f"{_TCP}test_both_ends_of_a_connection_are_reported",
    f"{_TCP}test_a_refused_connect_is_reported",
    f"{_TCP}test_a_connecting_socket_has_its_port",
    f"{_TCP}test_the_sweep_reads_what_tcp_info_says",
    f"{_TCP}test_slots_are_used_again",
    f"{_MPTCP}test_the_worker_that_takes_a_connection_owns_its_subflow",
    f"{_MPTCP}test_a_client_that_falls_back_to_tcp_has_no_number",
    f"{_MPTCP}test_a_short_connection_tells_its_number_at_its_end",
    f"{_MPTCP}test_subflows_that_join_belong_to_their_connection",
    f"{_MPTCP}test_a_subflow_ends_before_its_connection",
    f"{_MPTCP}test_subflows_of_before_the_start_are_all_known",
    "tests/kernel/test_listeners.py",
    "tests/kernel/udp/test_counts.py",
    f"{_ENDS}test_a_closed_socket_tells_all_of_its_flow_at_once",
    f"{_ENDS}test_a_socket_with_several_flows_ends_all_of_them",
    f"{_ENDS}test_nat_leaves_one_flow_at_each_end",
    f"{_ENDS}test_sockets_of_before_the_start_have_owner_and_role",
    "tests/kernel/udp/test_quic_names.py::test_a_hello_of_two_datagrams_is_put_together",
    "tests/kernel/udp/test_quic_versions.py",
    "tests/kernel/dns/test_dns.py",
    f"{_RULES}[iptables-server-INPUT-2001]",
    f"{_RULES}[iptables-legacy-router-FORWARD-2005]",
    f"{_RULES}[ip6tables-router-FORWARD-2007]",
    f"{_DROPPED}test_ports_on_which_nobody_listens",
    f"{_DROPPED}test_datagrams_for_which_a_socket_has_no_room",
    f"{_DROPPED}test_checksums_that_are_wrong",
    f"{_DROPPED}test_ways_that_lead_nowhere",
    f"{_DROPPED}test_the_row_of_a_connect_that_failed_says_why",
    "tests/kernel/drops/test_on_the_way.py",
    "tests/kernel/nat/test_kprobes.py",
    "tests/kernel/nat/test_rules.py",
    "tests/field/test_tuple_reuse.py::test_each_use_of_a_tuple_has_its_own_backend[within_100_ms-kprobes]",
    "tests/field/test_tuple_reuse.py::test_each_use_of_a_tuple_has_its_own_backend[at_once-kprobes]",
    f"{_HTTP}test_both_ends_count_what_the_server_logs",
    f"{_HTTP}test_a_server_in_python_is_seen_as_it_counts",
    f"{_HTTP}test_requests_without_an_answer_have_status_0",
    "tests/kernel/test_process.py",
    "tests/kernel/test_selftest.py",
    "tests/kernel/test_installed_headers.py",
)
