"""A real ClickHouse for tests: Debian's, on free ports, with a folder of its own."""

import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from tests.ports import free_port
from tests.server_process import ServerProcess, required

_CONFIG = """<yandex>
<logger><level>warning</level><console>1</console></logger>
<http_port>{port}</http_port><tcp_port>{tcp}</tcp_port><interserver_http_port>{other}</interserver_http_port>
<listen_host>127.0.0.1</listen_host><path>{data}/</path><tmp_path>{data}/tmp/</tmp_path>
<user_files_path>{data}/user_files/</user_files_path><users_config>users.xml</users_config>
<default_profile>default</default_profile><default_database>default</default_database>
<mark_cache_size>16777216</mark_cache_size><max_server_memory_usage>0</max_server_memory_usage>
</yandex>"""
_USERS = """<yandex><profiles><default/></profiles><quotas><default/></quotas><users><default>
<password>{password}</password><networks><ip>127.0.0.1</ip></networks><profile>default</profile>
<quota>default</quota></default></users></yandex>"""


class ClickHouseServer:
    """One server.

    :param data: where its tables are; in ``folder`` by default.
    """

    password = "not-hunter2"

    def __init__(self, folder: Path, data: Path | None = None) -> None:
        required("clickhouse-server", "clickhouse-server")
        folder.mkdir(exist_ok=True)
        self.port = free_port()
        settings = {
            "port": self.port,
            "tcp": free_port(),
            "other": free_port(),
            "data": data or folder / "data",
        }
        (folder / "config.xml").write_text(_CONFIG.format(**settings))
        (folder / "users.xml").write_text(_USERS.format(password=self.password))
        self.process = ServerProcess(["clickhouse-server", "--config-file=config.xml"], folder, self._ready)

    @property
    def url(self) -> str:
        """Of its HTTP interface."""
        return f"http://127.0.0.1:{self.port}"

    def ask(self, query: str) -> str:
        """What it answers, as text.

        :raises AssertionError: if that is an error.
        """
        request = urllib.request.Request(
            f"{self.url}/",
            query.encode(),
            {"X-ClickHouse-User": "default", "X-ClickHouse-Key": self.password},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return str(answer.read().decode(errors="replace").strip())
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{query}: {error.read().decode()}") from None

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/ping", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False
