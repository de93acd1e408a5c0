"""Names of networks, addresses and ports."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enrichers.names import ConfiguredNames, NamesConfig
from model.enricher import KeyKind
from model.errors import UsageError


def name_in(names: dict[str, str], address: str) -> str | None:
    entity = ConfiguredNames(NamesConfig(names)).lookup(KeyKind.ADDRESS, address, 0)
    return entity["service.name"] if entity else None


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("10.20.1.1", "payments"),
        ("10.20.7.7", "primary"),
        ("10.21.1.1", "inside"),
        ("11.0.0.1", None),
        ("::ffff:10.20.7.7", "primary"),
        ("fd00::1", "six"),
        ("fd01::1", None),
        ("::ffff:192.0.2.9", "mapped"),
        ("192.0.2.9", "mapped"),
        ("no address", None),
    ],
)
def test_the_longest_prefix_wins(address: str, name: str | None) -> None:
    """An address within networks within networks has the name of the smallest; mapped IPv4 is IPv4."""
    names = {
        "10.0.0.0/8": "inside",
        "10.20.0.0/16": "payments",
        "10.20.7.7": "primary",
        "fd00::/16": "six",
        "::ffff:192.0.2.0/120": "mapped",
    }
    assert name_in(names, address) == name


@settings(deadline=None)  # the machine may be busy
@given(
    st.lists(st.tuples(st.integers(0, 255), st.integers(24, 32)), max_size=8, unique_by=lambda pair: pair[1]),
    st.integers(0, 255),
)
def test_it_agrees_with_a_search_from_end_to_end(pairs: list[tuple[int, int]], last: int) -> None:
    """Whatever the networks."""
    networks = [ip_network((f"10.0.0.{byte}", length), strict=False) for byte, length in pairs]
    address = ip_address(f"10.0.0.{last}")
    there = [network for network in networks if address in network]
    wanted = str(max(there, key=lambda network: network.prefixlen)) if there else None
    assert name_in({str(network): str(network) for network in networks}, str(address)) == wanted


@pytest.mark.parametrize("network", ["10.20.0.1/16", "10.0.0.0/33", "payments", "", "10.0.0"])
def test_a_bad_network_is_refused_with_its_path(network: str) -> None:
    """The user sees which key it is."""
    with pytest.raises(UsageError) as error:
        ConfiguredNames(NamesConfig({"10.0.0.0/8": "good", network: "bad"}))
    assert f"`names.{network}`" in str(error.value)
