"""One network and one running Tailrace for all tests of drops."""

from collections.abc import Iterator

import pytest

from tests.kernel.drops.bed import SERVER_ADDRESS, Watched, send, watched
from tests.kernel.nat_network import ADDRESSES, nat_network


@pytest.fixture(scope="package")
def dropping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """It tells drops, flows and listeners; neighbours are known."""
    folder = tmp_path_factory.mktemp("drops")
    with nat_network() as network, watched(network, folder, "drops,flows,listeners") as made:
        for address in (SERVER_ADDRESS, ADDRESSES[6][3]):
            send(network, address, 9)
        yield made
