"""The units of agent and engine in a real systemd, with NATS between them."""

from typing import Any

import pytest

from tests.nats_server import REASON_TO_SKIP
from tests.systemd.booting import boot
from tests.systemd.test_one_machine import SIX

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Of ``guest/cluster.py``."""
    if REASON_TO_SKIP:
        pytest.skip(REASON_TO_SKIP)
    return boot("cluster", tmp_path_factory.mktemp("cluster"))


def test_rows_go_from_the_agent_to_the_sinks_of_the_engine(facts: dict[str, Any]) -> None:
    """To the byte, also after a reload; both end well."""
    assert facts["active"] == ["active", "active"]
    assert facts["rows"] == 54321
    assert facts["reloaded"] == ["active", 1234]
    assert facts["stopped"] == ["success", "success"]


def test_the_engine_has_no_right_over_the_kernel(facts: dict[str, Any]) -> None:
    """Nor can it ever have one; its user is not the agent's."""
    engine, agent = facts["rights"]
    assert engine == ["tailrace-engine", f"{0:016x}", f"{0:016x}", "1"]
    assert agent == ["tailrace", SIX, SIX, "1"]
