"""The truth of the beds agrees with what the kernel itself says."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.beds.kernel_view import conntrack, established, resolve
from tests.beds.network import FAMILIES, NAMESPACES, bed, execute
from tests.beds.rules import KINDS, POOL_PORTS
from tests.beds.scenes import BY_NAME, SCENES, Stage, stage
from tests.beds.watch import scaled

pytestmark = pytest.mark.kernel


@pytest.fixture(params=KINDS)
def played(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    """All scenes with each kind of rules."""
    with bed() as made, stage(made, request.param, tmp_path) as playing:
        playing.play_all(scaled(10))
        yield playing


def test_the_truth_is_what_conntrack_says(played: Stage) -> None:
    """Each connection comes from the client's tuple to the server's by as many entries as its scene has."""
    tables = [conntrack(place.namespace) for place in (played.bed.client, played.bed.router)]
    truth = played.truth()
    for exchange in truth:
        way = resolve(exchange.client, tables)
        assert way[-1] == exchange.server, exchange
        assert len(way) - 1 == BY_NAME[exchange.scene.split("-")[0]].rewritings, exchange
    assert Counter(exchange.scene for exchange in truth) == {
        f"{scene.name}-{family}": scaled(10) for scene in SCENES for family in FAMILIES
    }
    assert sum(map(len, tables)) == scaled(10) * sum(scene.rewritings for scene in SCENES) * 2


def test_scenes_are_what_their_names_say(played: Stage) -> None:
    """Source and destination are rewritten where the scene says so, and only there."""
    for exchange in played.truth():
        client, server = exchange.client, exchange.server
        name = exchange.scene.split("-")[0]
        own_source = client[:2] == server[:2]
        own_destination = client[2:] == server[2:]
        assert own_source == (name not in ("snat", "masquerade", "both", "hairpin", "two_hops")), exchange
        assert own_destination == (name in ("direct", "snat", "masquerade")), exchange
        assert (server.source_port in range(POOL_PORTS[0], POOL_PORTS[1] + 1)) == (name == "snat"), exchange


def test_open_connections_are_what_ss_says(tmp_path: Path) -> None:
    """While they are held both ends are open in the namespaces of the truth; afterwards none is."""
    with bed() as made, stage(made, "nftables", tmp_path) as playing:
        playing.play_all(2, hold=True)
        open_ends = set().union(*(established(place.namespace) for place in made.places))
        playing.release()
        truth = playing.truth()
        left = set().union(*(established(place.namespace) for place in made.places))
    ours = {tuple(exchange.client) for exchange in truth}
    theirs = {(*exchange.server[2:], *exchange.server[:2]) for exchange in truth}
    assert open_ends == ours | theirs
    assert len(open_ends) == 2 * 2 * 2 * len(SCENES)
    assert left == set()


def test_a_bed_leaves_nothing(tmp_path: Path) -> None:
    """Namespaces are gone after a failure as well, and so are those of a test run that was killed."""
    execute("ip", "netns", "add", "tr-4194304-0-client")  # above every process id
    names: list[str] = []

    def fail() -> None:
        with bed() as made, stage(made, "legacy", tmp_path):
            names.extend(place.namespace for place in made.places)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert len(names) == 4
    left = {path.name for path in NAMESPACES.iterdir()}
    assert not left & {*names, "tr-4194304-0-client"}
