"""Sinks whose packages are optional: they say what to install, and nothing else needs it."""

import subprocess
import sys

import pytest

from engine.config import SinkConfig
from engine.plugins.sinks import make_sinks
from model.errors import UsageError
from model.ledger import Ledger
from sinks.fan_out import FanOut

EXTRAS = [
    (
        SinkConfig("parquet", {"path": "/tmp"}),
        "pyarrow",
        "sink parquet: it needs pyarrow: pip install 'tailrace[parquet]'",
    ),
    (SinkConfig("otlp"), "grpc", "sink otlp: it needs grpcio for gRPC: pip install 'tailrace[otlp]'"),
    (SinkConfig("kafka"), "aiokafka", "sink kafka: it needs aiokafka: pip install 'tailrace[kafka]'"),
    (
        SinkConfig("jsonl", {"compress": "zstd"}),
        "zstandard",
        "sink jsonl: compression needs zstandard: pip install 'tailrace[zstd]'",
    ),
]


@pytest.mark.parametrize(("wanted", "module", "said"), EXTRAS, ids=lambda each: getattr(each, "name", ""))
async def test_a_missing_package_is_one_line(
    wanted: SinkConfig, module: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the start, with the command that installs it, and exit code 2."""
    for name in [name for name in sys.modules if name.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    fan_out = FanOut(make_sinks([wanted], "flows"), Ledger())
    with pytest.raises(UsageError) as caught:
        await fan_out.start()
    assert str(caught.value) == f"{said} into the same environment"
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", ["parquet", "otlp", "kafka", "jsonl"])
def test_a_sink_is_loaded_without_its_packages(name: str) -> None:
    """What is optional is imported when the sink is opened, so that all sinks can be listed."""
    code = (
        "import sys; from engine.plugins.registry import SINK, load, plugin_named;"
        f"load(plugin_named(SINK, {name!r}));"
        "print(sorted({'pyarrow', 'grpc', 'aiokafka', 'zstandard'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"
