"""What an agent and an engine count, read from their own listeners as Prometheus reads it."""

import asyncio
import urllib.request

from engine import graphs
from engine.config import Config, MetricsConfig
from tests.configured import configured
from tests.eventually import eventually
from tests.nats_server import NatsServer, nats_server
from tests.ports import free_port
from tests.running_role import running
from tests.scripted_sink import ScriptedSink
from tests.scripted_source import ScriptedSource

__all__ = ["nats_server"]

#: What the log on NATS counts, as its reader and its writers see it.
WRITER = {"resends", "reconnects", "waits", "streams_replaced"}
READER = {"fenced", "lapses", "expired", "rewound", "unreadable"}


async def figures(listen: str) -> dict[str, float]:
    """All samples by name and labels."""

    def read() -> str:
        with urllib.request.urlopen(f"http://{listen}/metrics", timeout=30) as answer:
            return str(answer.read().decode())

    lines = (await asyncio.to_thread(read)).splitlines()
    samples = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in samples}


async def test_agents_and_engines_count_actors_stages_and_their_bus(nats_server: NatsServer) -> None:
    """Rows by stage and messages by actor to the last one; of the bus also that its server was away."""
    url, source, sink = nats_server.url(), ScriptedSource(), ScriptedSink()
    ports = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    at_agent, at_engine = (Config(metrics=MetricsConfig(port)) for port in ports)
    engine = graphs.engine(at_engine, url, configured({"flows": sink}, "flows"))
    agent = graphs.agent(at_agent, url, source)

    def delivered(rows: int) -> bool:
        stages = agent.ledger.stages["outbox"], engine.ledger.stages["sink.flows"]
        return all(stage.delivered == rows for stage in stages)

    async with running(engine), running(agent):
        for _ in range(3):
            source.second(7)
        await eventually(lambda: delivered(21))
        nats_server.kill()
        nats_server.start()
        source.second(7)
        await eventually(lambda: delivered(28))
        before, behind = [await figures(port) for port in ports]
    assert before['tailrace_delivered_total{stage="outbox",unit="rows"}'] == 28
    assert before['tailrace_actor_rows_total{actor="enricher"}'] == 28
    assert behind['tailrace_actor_rows_total{actor="joiner"}'] == 28
    assert behind['tailrace_delivered_total{stage="sink.flows",unit="rows"}'] == 28
    for name in ("sockets", "nat", "messages", "bus"):
        assert before[f'tailrace_actor_messages_total{{actor="{name}"}}'] >= 4
    for seen, names in ((before, WRITER), (behind, WRITER | READER)):
        assert {name for name in names if f"tailrace_nats_{name}_total" in seen} == names
        assert seen["tailrace_nats_connected"] == 1
        assert seen["tailrace_nats_reconnects_total"] >= 1
