"""Kernel tests are skipped, with the reason at the end of the run, where BPF cannot be had."""

import functools
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import hypothesis
import pytest

from engine.config import Config
from engine.plugins.probes import select
from model.errors import ProbeError
from probes.checks.capabilities import require
from probes.tcp.config import TcpConfig

if TYPE_CHECKING:
    import chdb

pytest_plugins = ("tests.vm.guest",)

# Programs of tests keep nothing and serve no map, but those that are tested for it: all would share folder and port.
os.environ.setdefault("TAILRACE_STORE_ENABLED", "off")
os.environ.setdefault("TAILRACE_TROUBLE_ENABLED", "off")
os.environ.setdefault("TAILRACE_HTTP_LEARNT", "")
# Datagrams are followed by the tests of them alone: the machine's own are no part of what others compare.
os.environ.setdefault("TAILRACE_UDP_ENABLED", "off")
os.environ.setdefault("TAILRACE_DNS_ENABLED", "off")

# Tests that are not about dropped packets compile nothing for them.
os.environ.setdefault("TAILRACE_DROPS_ENABLED", "off")

# Programs that read TLS are half of what is compiled, and all programs of the machine are searched for libraries: a
# second and a half of processor time at each start, which the tests of them alone spend.
READS_TLS: Final = ("TAILRACE_HTTP_TLS", "TAILRACE_ENVOY_ENABLED")
for _name in READS_TLS:
    os.environ.setdefault(_name, "off")

# How long an example takes says more of the machine than of the code.
hypothesis.settings.register_profile("tailrace", deadline=None)
hypothesis.settings.load_profile("tailrace")

_skipped = pytest.StashKey[int]()


@functools.cache
def reason_to_skip() -> str:
    """Why kernel tests cannot run here; empty if they can."""
    try:
        require(select(Config(tcp=TcpConfig(slots=1024, ring_bytes=1 << 16))))
    except ProbeError as error:
        return str(error)
    return ""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Marks kernel tests as skipped if they cannot run."""
    kernel = [item for item in items if item.get_closest_marker("kernel")]
    reason = reason_to_skip() if kernel else ""
    for item in kernel if reason else ():
        item.add_marker(pytest.mark.skip(reason=f"needs root and BPF: {reason}"))
    config.stash[_skipped] = len(kernel) if reason else 0


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Says on one line how many kernel tests did not run, and why."""
    count = config.stash.get(_skipped, 0)
    if count:
        line = f"{count} kernel tests were skipped: {reason_to_skip()}"
        terminalreporter.write_line(line, yellow=True, bold=True)


@pytest.fixture(scope="module")
def reading_tls() -> Iterator[None]:
    """Programs of the module's tests read TLS, and Envoys, as they do where nothing is said of it."""
    before = {name: os.environ.pop(name) for name in READS_TLS if name in os.environ}
    try:
        yield
    finally:
        os.environ |= before


@pytest.fixture(scope="session")
def current_clickhouse(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[chdb.session.Session]":
    """A current ClickHouse in this process, which can have but one: each test makes its own databases."""
    import chdb

    session = chdb.session.Session(str(tmp_path_factory.mktemp("chdb") / "data"))
    yield session
    session.close()
