"""Servers that want an nkey or credentials, as users have them: agent, engine and their errors."""

import base64
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nkeys  # type: ignore[import-untyped]  # ships no types
import pytest

from engine.nats.address import connection_of
from engine.nats.connection import ConnectionRefused, connect
from tests.integration.test_roles import Adding, agent, engine
from tests.nats_server import REASON_TO_SKIP, NatsServer
from tests.running_role import running
from tests.scripted_source import ScriptedSource

pytestmark = pytest.mark.skipif(bool(REASON_TO_SKIP), reason=REASON_TO_SKIP)

#: Limits of an account that has none.
UNLIMITED = dict.fromkeys(
    (
        *("subs", "data", "payload", "imports", "exports", "conn", "leaf"),
        *("mem_storage", "disk_storage", "streams", "consumer"),
    ),
    -1,
)


class Key:
    """A key pair of NATS: ``seed`` and ``public`` are its two texts."""

    def __init__(self, kind: int) -> None:
        self.seed: bytes = nkeys.encode_seed(os.urandom(32), kind)
        self._pair = nkeys.from_seed(bytearray(self.seed))
        self.public: str = self._pair.public_key.decode()

    def token(self, subject: "Key", name: str, claims: dict[str, Any]) -> str:
        """A JWT that this key gives to another one."""
        head = {"typ": "JWT", "alg": "ed25519-nkey"}
        body = {
            "jti": name,
            "iat": int(time.time()),
            "iss": self.public,
            "sub": subject.public,
            "name": name,
            "nats": claims | {"version": 2},
        }
        signed = b".".join(_base64(json.dumps(part).encode()) for part in (head, body))
        return (signed + b"." + _base64(self._pair.sign(signed))).decode()


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def nkey_user(folder: Path) -> tuple[str, str]:
    """A server's configuration, and the query of a user whom it knows by a public key."""
    user = Key(nkeys.PREFIX_BYTE_USER)
    (folder / "user.nk").write_bytes(user.seed)
    return f"authorization {{ users: [ {{ nkey: {user.public} }} ] }}", f"nkey_seed={folder / 'user.nk'}"


def jwt_user(folder: Path) -> tuple[str, str]:
    """The same by JWTs: an operator trusts an account, the account a user."""
    operator, system, account, user = (
        Key(kind)
        for kind in (
            nkeys.PREFIX_BYTE_OPERATOR,
            nkeys.PREFIX_BYTE_ACCOUNT,
            nkeys.PREFIX_BYTE_ACCOUNT,
            nkeys.PREFIX_BYTE_USER,
        )
    )
    limits = {"type": "account", "limits": UNLIMITED | {"wildcards": True}}
    plain = {"type": "account", "limits": {name: -1 for name in UNLIMITED if "stor" not in name}}
    allowed = {"type": "user", "pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1}
    (folder / "user.creds").write_text(
        f"-----BEGIN NATS USER JWT-----\n{account.token(user, 'user', allowed)}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{user.seed.decode()}\n------END USER NKEY SEED------\n"
    )
    configuration = f"""
        operator: {operator.token(operator, "operator", {"type": "operator"})}
        system_account: {system.public}
        resolver: MEMORY
        resolver_preload: {{
            {system.public}: {operator.token(system, "SYS", plain)}
            {account.public}: {operator.token(account, "tailrace", limits)}
        }}"""
    return configuration, f"credentials={folder / 'user.creds'}"


@pytest.fixture(params=[nkey_user, jwt_user])
def secured(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[NatsServer, str]]:
    """A server that lets one user in, and the query of that user."""
    make: Callable[[Path], tuple[str, str]] = request.param
    configuration, query = make(tmp_path)
    (tmp_path / "nats.conf").write_text(configuration)
    server = NatsServer("-c", str(tmp_path / "nats.conf"))
    try:
        yield server.start(), query
    finally:
        server.remove()


async def test_agent_and_engine_come_in_with_their_keys(secured: tuple[NatsServer, str]) -> None:
    """Rows go through, also after the server was killed and the same user came again."""
    server, user = secured
    url, source, sink = server.url(query=f"partitions=1&{user}"), ScriptedSource(), Adding()
    async with running(engine(url, sink)), running(agent(url, source)):
        source.second(10)
        await sink.until(lambda: sink.bytes >= 10)
        server.kill()
        source.second(10)
        server.start()
        await sink.until(lambda: sink.bytes >= 20)
    assert sink.bytes == source.sent


async def test_who_has_no_key_or_another_is_told_so(secured: tuple[NatsServer, str], tmp_path: Path) -> None:
    """One sentence that names what to check, and nothing of the keys."""
    server, _ = secured
    stranger = Key(nkeys.PREFIX_BYTE_USER)
    (tmp_path / "stranger.nk").write_bytes(stranger.seed)
    for query in ("", f"nkey_seed={tmp_path / 'stranger.nk'}"):
        with pytest.raises(ConnectionRefused, match="refuses the credentials") as caught:
            await connect(connection_of(server.url(query=query)))
        assert stranger.seed.decode() not in str(caught.value)
        assert not caught.value.absent
