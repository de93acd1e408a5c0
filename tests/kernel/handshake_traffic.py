"""Known TLS traffic: a real nginx that logs what each handshake agreed on, and clients of several kinds."""

import contextlib
import re
import socket
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from tests.certificates import Authority, Certificate
from tests.kernel.loopback import until

_NGINX: Final = """
worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
  log_format agreed '$remote_port|$ssl_protocol|$ssl_cipher|$ssl_server_name|$ssl_alpn_protocol';
  access_log {folder}/access.log agreed; client_header_timeout 600s;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  ssl_certificate {certificate}; ssl_certificate_key {key}; ssl_protocols TLSv1.2 TLSv1.3;
  server {{ listen 127.0.0.1:{port} ssl http2; location / {{ return 200 "hello\\n"; }} }}
}}
"""


class Agreed(NamedTuple):
    """What both ends of a connection agreed on, by the server's own word.

    :param protocol: of ALPN.
    """

    version: str
    cipher: str
    server_name: str
    protocol: str


@dataclass(frozen=True)
class Nginx:
    """A server, and the file in which it logs each request."""

    port: int
    log: Path

    def agreed(self) -> dict[int, Agreed]:
        """By the client's port."""
        names = iana_names()
        found = {}
        for line in self.log.read_text().splitlines():
            port, version, cipher, *texts = line.split("|")
            name, protocol = ("" if text == "-" else text for text in texts)
            found[int(port)] = Agreed(version.removeprefix("TLSv"), names[cipher], name, protocol)
        return found


def iana_names() -> dict[str, str]:
    """Names of cipher suites in IANA's registry by those of OpenSSL, as OpenSSL prints both."""
    command = ["openssl", "ciphers", "-stdname", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {ours: iana for iana, ours in re.findall(r"^(\S+)\s+- (\S+)", listed, re.MULTILINE)}


@contextlib.contextmanager
def nginx(folder: Path, certificate: Certificate) -> Iterator[Nginx]:
    """One worker, on a port of the loopback."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder.mkdir()
    configuration = folder / "nginx.conf"
    files = {"certificate": certificate.certificate, "key": certificate.key}
    configuration.write_text(_NGINX.format(folder=folder, port=port, **files))
    process = subprocess.Popen(["/usr/sbin/nginx", "-c", configuration, "-e", folder / "error.log"])
    try:
        assert until(lambda: (folder / "pid").exists() and _listens(port), 20)
        yield Nginx(port, folder / "access.log")
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    with contextlib.suppress(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port)).close()
        return True
    return False


def curl(port: int, authority: Authority, name: str, *options: str) -> None:
    """One request to a server by this name."""
    there = (
        "--cacert",
        str(authority.ca),
        "--resolve",
        f"{name}:{port}:127.0.0.1",
        f"https://{name}:{port}/",
    )
    subprocess.run(["curl", "-sSk", *options, *there], check=True, capture_output=True)


def s_client(port: int, *options: str) -> None:
    """One request by OpenSSL's own client."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-quiet", *options]
    asked = b"GET / HTTP/1.0\r\n\r\n"
    subprocess.run(command, input=asked, check=False, capture_output=True, timeout=20)


def context(**attributes: object) -> ssl.SSLContext:
    """Of a client that believes any server."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


def in_pieces(port: int, name: str, size: int) -> tuple[int, bytes]:
    """A request on a connection whose reads and writes have ``size`` bytes; the client's port, and its hello."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context().wrap_bio(incoming, outgoing, server_hostname=name)
    with socket.create_connection(("127.0.0.1", port)) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        hello = b""
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                written = outgoing.read()
                hello = hello or written
                _send(peer, written, size)
                incoming.write(peer.recv(size))
        tls.write(b"GET / HTTP/1.0\r\n\r\n")
        _send(peer, outgoing.read(), size)
        peer.recv(1 << 16)
        return peer.getsockname()[1], hello


def _send(peer: socket.socket, data: bytes, size: int) -> None:
    for begin in range(0, len(data), size):
        peer.sendall(data[begin : begin + size])


def padded(hello: bytes, size: int) -> bytes:
    """A client's hello with an extension of this size, that no server knows, ahead of all others."""
    record, body = hello[:5], hello[9:]
    at = 2 + 32
    at += 1 + body[at]
    at += 2 + int.from_bytes(body[at : at + 2], "big")
    at += 1 + body[at]
    length = int.from_bytes(body[at : at + 2], "big")
    unknown = b"\x2a\x2a" + size.to_bytes(2, "big") + bytes(size)
    body = body[:at] + (length + len(unknown)).to_bytes(2, "big") + unknown + body[at + 2 :]
    message = b"\x01" + len(body).to_bytes(3, "big") + body
    return record[:3] + len(message).to_bytes(2, "big") + message


def greeting(name: str) -> bytes:
    """The hello of a client that calls a server by this name."""
    outgoing = ssl.MemoryBIO()
    tls = context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()
