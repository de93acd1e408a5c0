"""What runs in the stock kernel: arguments of pytest, each of which becomes a test of the host.

Another test joins by one line. Each start of a probe costs a minute of compiling there: tests that share one stand in
one file.
"""

from typing import Final

_TCP = "tests/kernel/test_tcp_probe.py::"

GUEST_TESTS: Final = (
    f"{_TCP}test_both_ends_of_a_connection_are_reported",
    f"{_TCP}test_a_refused_connect_is_reported",
    f"{_TCP}test_a_connecting_socket_has_its_port",
    f"{_TCP}test_the_sweep_reads_what_tcp_info_says",
    f"{_TCP}test_slots_are_used_again",
    "tests/kernel/test_nat_kprobes.py",
    "tests/kernel/test_nat_rules.py",
    "tests/field/test_tuple_reuse.py::test_each_use_of_a_tuple_has_its_own_backend[kprobes]",
    "tests/kernel/test_process.py",
    "tests/kernel/test_selftest.py",
    "tests/kernel/test_installed_headers.py",
)
