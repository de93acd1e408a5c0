"""A real Alertmanager, which sends what it is told to a receiver."""

import contextlib
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.ports import free_port
from tests.server_process import ServerProcess, required

CONFIG: Final = """
route: {{receiver: here, group_by: [incident], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}
receivers: [{{name: here, webhook_configs: [{{url: "{url}", send_resolved: true}}]}}]
"""


def _ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/-/ready", timeout=5):
            return True
    except OSError:
        return False


@contextlib.contextmanager
def alertmanager(folder: Path, receiver: str) -> Iterator[str]:
    """Its URL, once it is ready.

    :param receiver: URL of the webhook that it tells.
    """
    required("prometheus-alertmanager", "prometheus-alertmanager")
    (folder / "config.yml").write_text(CONFIG.format(url=receiver))
    url = f"http://127.0.0.1:{free_port()}"
    command = ["prometheus-alertmanager", "--config.file=config.yml", "--storage.path=data"]
    command += [f"--web.listen-address={url.removeprefix('http://')}", "--cluster.listen-address="]
    server = ServerProcess(command, folder, lambda: _ready(url)).start()
    try:
        yield url
    finally:
        server.kill()
