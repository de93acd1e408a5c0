"""Real QUIC: a server and a client of aioquic, each a program of its own."""

import asyncio
import contextlib
import ssl
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from aioquic.asyncio.client import connect
from aioquic.asyncio.server import serve
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection

from tests.certificates import Authority

#: So many protocols that a hello needs a second datagram.
MANY: Final = tuple(f"a-protocol-of-many-{number:03}" for number in range(60))
COMMAND: Final = (sys.executable, "-m", __name__)


@contextlib.contextmanager
def quic_server(
    folder: Path, address: str, port: int, place: Sequence[str] = (), *, retry: bool = False
) -> Iterator["subprocess.Popen[str]"]:
    """A server of ``h3``, which is ready.

    :param place: what the command is put behind.
    :param retry: whether clients have to show with a second first packet that their address is theirs.
    """
    certificate = Authority(folder / "authority").signed("shop.example")
    arguments = ["serve", address, str(port), str(certificate.certificate), str(certificate.key)]
    arguments += ["retry"] if retry else []
    process = subprocess.Popen([*place, *COMMAND, *arguments], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def call(address: str, port: int, name: str, protocols: Sequence[str], place: Sequence[str] = ()) -> int:
    """A client that has shaken hands, pinged and ended: the port that it called from."""
    arguments = ["call", address, str(port), name, ",".join(protocols)]
    command = [*place, *COMMAND, *arguments]
    return int(subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout)


def first_datagrams(name: str, protocols: Sequence[str]) -> list[bytes]:
    """What a client sends before it is answered."""
    configuration = QuicConfiguration(alpn_protocols=list(protocols), server_name=name)
    connection = QuicConnection(configuration=configuration)
    connection.connect(("127.0.0.1", 1), now=0.0)
    return [datagram for datagram, _ in connection.datagrams_to_send(now=0.0)]


async def _serve(address: str, port: int, chain: str, key: str, retry: str = "") -> None:
    configuration = QuicConfiguration(is_client=False, alpn_protocols=["h3"])
    configuration.load_cert_chain(chain, key)
    await serve(address, port, configuration=configuration, retry=bool(retry))
    print("ready", flush=True)
    await asyncio.Event().wait()


async def _call(address: str, port: int, name: str, protocols: str) -> None:
    configuration = QuicConfiguration(
        alpn_protocols=protocols.split(","), server_name=name or None, verify_mode=ssl.CERT_NONE
    )
    async with connect(address, port, configuration=configuration) as client:
        await client.ping()
        transport = client._transport
        assert transport
        print(transport.get_extra_info("sockname")[1])


def main(command: str, address: str, port: str, *others: str) -> None:
    """One of the two programs."""
    run = _serve if command == "serve" else _call
    asyncio.run(run(address, int(port), *others))


if __name__ == "__main__":
    main(*sys.argv[1:])
