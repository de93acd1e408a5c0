"""The racks are held to the contract of all enrichers."""

import asyncio
from pathlib import Path

from tailrace_enricher_racks import Racks, RacksConfig

from tailrace.api import KeyKind
from tailrace.testing import EnricherContract


class TestRacks(EnricherContract):
    """A file that is not there."""

    enricher_class = Racks

    def make(self, folder: Path) -> Racks:
        return Racks(RacksConfig(str(folder / "racks.csv"), seconds=0.01, entries=self.limit))

    def key(self, number: int) -> tuple[KeyKind, str]:
        return KeyKind.NODE, f"node-{number}"

    def teach(self, enricher: Racks, number: int, at_ns: int) -> None:
        enricher.learn({f"node-{number}": f"rack-{at_ns}"}, at_ns)


def test_a_node_that_moves_has_its_rack_from_then_on(tmp_path: Path) -> None:
    """The file is read at the start, and again when it changed."""
    file = tmp_path / "racks.csv"
    file.write_text("node,rack\nnode-1,r7\n")

    async def move() -> None:
        racks = Racks(RacksConfig(str(file), seconds=0.01))
        await racks.start("node-1")
        assert racks.lookup(KeyKind.NODE, "node-1", 0) == {"rack.name": "r7"}
        version = racks.version
        file.write_text("node,rack\nnode-1,r8\n")
        async with asyncio.timeout(10):
            while racks.version == version:  # noqa: ASYNC110 - a file has no event
                await asyncio.sleep(0.01)
        assert racks.lookup(KeyKind.NODE, "node-1", 0) == {"rack.name": "r7"}
        assert racks.lookup(KeyKind.NODE, "node-1", 1 << 62) == {"rack.name": "r8"}
        await racks.close()

    asyncio.run(move())
