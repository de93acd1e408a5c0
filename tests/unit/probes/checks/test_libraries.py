"""What `doctor` says of TLS libraries."""

from pathlib import Path

import pytest

from probes.checks import libraries
from probes.checks.libraries import check_libraries
from probes.http.config import HttpConfig
from tests.unit.probes.tls.test_boringssl import SOURCE, built
from tests.unit.probes.userspace.test_follower import library, running

__all__ = ["library"]


def test_libraries_are_counted_and_those_not_seen_are_named(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each file once, however many processes run it."""
    folder = library.parent / "unsure"
    folder.mkdir()
    source = "const char padding[2000000] = {1};\n" + SOURCE.replace("SSL_", "ssl_").replace("(134)", "(135)")
    unsure = built(folder, source)
    (folder / "proc").mkdir()
    with running(library) as first, running(library) as second, running(unsure) as third:
        monkeypatch.setattr(libraries, "processes", lambda: [first, second, third])
        used, unseen = check_libraries(HttpConfig())
    assert (used.status, used.detail) == ("ok", "OpenSSL in 1 file")
    assert unseen.detail.startswith(f"{unsure}: BoringSSL: no candidate for SSL_do_handshake")


@pytest.mark.parametrize(
    ("config", "detail"),
    [(HttpConfig(tls="off"), "http.tls is off"), (HttpConfig(enabled="off"), "http.enabled is off")],
)
def test_nothing_is_looked_for_where_it_is_off(config: HttpConfig, detail: str) -> None:
    """And the key that says so is named."""
    (check,) = check_libraries(config)
    assert (check.status, check.detail) == ("not needed", detail)
