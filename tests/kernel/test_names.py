"""Names of addresses, as processes were told them by a real DNS server through the C library."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from tests.beds.processes import read_log
from tests.beds.watch import Program, await_that, limited_to
from tests.kernel import name_traffic
from tests.kernel.name_traffic import Place

pytestmark = pytest.mark.kernel

ON: Final = {"TAILRACE_DNS_ENABLED": "on", "TAILRACE_UDP_ENABLED": "on", "TAILRACE_HTTP_ENABLED": "off"}
Row = dict[str, Any]


class Watched(NamedTuple):
    """A Tailrace that sees the place, and what it writes."""

    place: Place
    program: Program
    log: Path

    def flow(self, port: int, **expected: object) -> Row:
        """The last row of the flow from this port, once it is there and says all of that."""
        found: list[Row] = []

        def there() -> bool:
            found[:] = [
                row
                for row in self.rows(port)
                if all(row.get(key) == value for key, value in expected.items())
            ]
            return bool(found)

        await_that(there, self.program)
        return found[-1]

    def rows(self, port: int) -> list[Row]:
        """All rows of the flow from this port."""
        rows = (row for row in read_log(self.log) if row["kind"] == "flow")
        return [row for row in rows if row["client.port"] == port and row["server.port"] != 53]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    log = tmp_path_factory.mktemp("names") / "rows.jsonl"
    arguments = ["run", "--stage", "flows,workloads", "--sink", f"jsonl:{log}"]
    with name_traffic.place() as place:
        environment = ON | limited_to([place.namespace])
        with Program.started(*arguments, environment=environment) as program:
            await_that(lambda: bool(read_log(log)), program)
            yield Watched(place, program, log)


def said(row: Row) -> tuple[str, str, bool]:
    """Name, evidence and doubt."""
    return (
        row.get("server.name", ""),
        row.get("server.name.evidence", "none"),
        bool(row.get("server.name.ambiguous")),
    )


def test_two_processes_two_names_one_address(watched: Watched) -> None:
    """Each flow has the name that its own process asked for."""
    first, second = (
        watched.place.first.call("api.example.test"),
        watched.place.second.call("web.example.test"),
    )
    rows = [watched.flow(port) for port in (first, second)]
    assert {row["server.address"] for row in rows} == {"127.0.0.2"}
    assert [said(row) for row in rows] == [
        ("api.example.test", "process", False),
        ("web.example.test", "process", False),
    ]


def test_a_flow_keeps_its_name_whatever_its_process_asks_later(watched: Watched) -> None:
    """The later flow has the later name, and says that there was another."""
    first = watched.place.second.call("api.example.test")  # its own is ambiguous: it asked for web before
    before = said(watched.flow(first))
    third = watched.place.second.call("web.example.test")
    assert said(watched.flow(third)) == ("web.example.test", "process", True)
    watched.place.second.send(1)
    assert said(watched.flow(first, **{"client.tx_bytes": 1000})) == before
    assert before == ("api.example.test", "process", True)


def test_a_name_whose_address_changes(watched: Watched) -> None:
    """Both flows have it."""
    ports = [watched.place.first.call("moved.example.test") for _ in range(2)]
    rows = [watched.flow(port) for port in ports]
    assert [row["server.address"] for row in rows] == ["127.0.0.4", "127.0.0.5"]
    assert [said(row) for row in rows] == [("moved.example.test", "process", False)] * 2


def test_the_name_is_the_one_that_was_asked_for(watched: Watched) -> None:
    """Not what it is an alias for; of a search list it is the one that was answered."""
    alias, short = (watched.place.first.call(name) for name in ("alias.example.test", "short"))
    assert said(watched.flow(alias)) == ("alias.example.test", "process", False)
    assert said(watched.flow(short)) == ("short.search.example.test", "process", False)


def test_an_address_that_another_process_asked_for(watched: Watched) -> None:
    """It is a name for this one, too, with less evidence; what nobody asked for has none."""
    asked = watched.place.first.call("other.example.test")
    assert said(watched.flow(asked)) == ("other.example.test", "process", False)
    name, evidence, _ = said(watched.flow(watched.place.second.call("127.0.0.10")))
    assert (name, evidence in ("container", "namespace")) == ("other.example.test", True)
    assert said(watched.flow(watched.place.second.call("127.0.0.11"))) == ("", "none", False)


def test_flows_of_udp_have_names_too(watched: Watched) -> None:
    """As those of TCP."""
    row = watched.flow(watched.place.first.call("udp.example.test/udp", 9))
    assert (row["network.transport"], *said(row)) == ("udp", "udp.example.test", "process", False)


def test_an_end_that_nobody_knows_is_a_workload_with_that_name(watched: Watched) -> None:
    """Nobody listens there: all that is known of it is what it was called."""
    port = watched.place.first.call("refused.example.test", 81)
    assert said(watched.flow(port)) == ("refused.example.test", "process", False)

    def told() -> bool:
        rows = (row for row in read_log(watched.log) if row["kind"] == "workload")
        ends = {(row.get("server.workload.name"), row.get("server.workload.kind")) for row in rows}
        return ("refused.example.test", "domain") in ends

    await_that(told, watched.program)
