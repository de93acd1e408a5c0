"""NATS in the guest, and the configurations of an agent and an engine that meet there."""

import socket
import subprocess
from pathlib import Path
from typing import Final

AGENT: Final = Path("/etc/tailrace/tailrace.yaml")
ENGINE: Final = Path("/etc/tailrace/engine.yaml")


def start_bus() -> int:
    """The unit ``bus``; its port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    server = f"nats-server --jetstream --store_dir /run/nats --addr 127.0.0.1 --port {port}"
    subprocess.run(["systemd-run", "--quiet", "--unit=bus", *server.split()], check=True)
    return port


def configure(port: int, flows: str) -> None:
    """An engine that writes flows to a file."""
    bus = f"bus: {{url: nats://127.0.0.1:{port}}}\n"
    AGENT.write_text(AGENT.read_text() + bus)
    ENGINE.write_text(f"{bus}sinks: [{{name: jsonl, settings: {{path: {flows}}}}}]\n")
