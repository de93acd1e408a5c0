"""Plug-ins of other people, each with one fault."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tests.environment import write_project

_SINK: Final = '''
import sys, time
from tailrace.api import PluginConfig, SinkError

class Good:
    """Takes everything."""
    Config = PluginConfig
    def __init__(self, config): pass
    async def open(self, kinds): pass
    async def write(self, batch): pass
    async def flush(self): pass
    async def close(self): pass
'''

#: Sinks by name, derived from a good one.
_SINKS: Final = {
    "no_method": "class Sink(Good):\n    flush = None\n",
    "no_config": "class Sink(Good):\n    Config = dict\n",
    "bad_init": "class Sink(Good):\n    def __init__(self, config): raise ValueError('no\\nway')\n",
    "bad_open": "class Sink(Good):\n    async def open(self, kinds): raise OSError('no disk')\n",
    "refuses": "class Sink(Good):\n    async def open(self, kinds): raise SinkError('no table', 'make it')\n",
    "away": "class Sink(Good):\n"
    "    async def open(self, kinds): raise SinkError('no server', 'start it', retryable=True)\n",
    "exits": "class Sink(Good):\n    async def open(self, kinds): sys.exit(7)\n",
    "loses": "class Sink(Good):\n    async def write(self, batch): raise SinkError('no', reason='refused')\n",
    "blocks": "class Sink(Good):\n    async def write(self, batch): time.sleep(3600)\n",
    "twin": "class Sink(Good):\n    pass\n",
    "secret": "from typing import Annotated\nfrom tailrace.api import Secret\n"
    "class Config(PluginConfig):\n"
    '    """What it needs.\n\n    :param token: of the user.\n    :param number: of tries.\n    """\n'
    "    token: Annotated[str, Secret()]\n    number: int = 3\n"
    "class Sink(Good):\n"
    '    """Says its secret in every way it can."""\n'
    "    Config = Config\n"
    "    def __init__(self, config): self._config = config\n"
    "    async def open(self, kinds):\n"
    "        import logging\n"
    "        logging.getLogger('x').warning('%s with %s', self._config, self._config.token)\n"
    "    async def write(self, batch): raise ValueError(f'{self._config.token} is wrong')\n"
    "    async def flush(self): pass\n",
}

_ENRICHER: Final = '''
from tailrace.api import EnricherStatistics, KeyKind, PluginConfig

class Good:
    """Knows nobody."""
    Config, name, kinds, version, live = PluginConfig, "good", frozenset({KeyKind.NODE}), 0, False
    def __init__(self, config): pass
    async def start(self, node): pass
    async def close(self): pass
    def lookup(self, kind, value, at_ns): return None
    def statistics(self): return EnricherStatistics(0, 0, 0, 0, 0, 0.0)

class Nameless(Good):
    name = property(lambda self: self.nothing)

class Named(Good):
    name = "kubernetes"

class Failing(Good):
    async def start(self, node): raise ValueError("no source")
'''


def faulty_projects(folder: Path) -> Iterable[Path]:
    """Two distributions; both have a sink ``twin``."""
    modules = {f"faulty_{name}.py": f"{_SINK}\n{source}" for name, source in _SINKS.items()}
    modules |= {"faulty_imports.py": "import a_library_that_is_not_there\n", "faulty_enrichers.py": _ENRICHER}
    sinks = {name: f"faulty_{name}:Sink" for name in _SINKS}
    sinks |= {
        "bad_import": "faulty_imports:Sink",
        "no_object": "faulty_loses:Nothing",
        "no_class": "faulty_loses:time",
    }
    enrichers = {
        name: f"faulty_enrichers:{name.capitalize()}" for name in ("nameless", "named", "failing", "good")
    }
    plugins = {"tailrace.sinks": sinks, "tailrace.enrichers": enrichers}
    yield write_project(folder / "faulty", "faulty-plugins", modules, plugins)
    other = {"other_twin.py": f"{_SINK}\nclass Sink(Good):\n    pass\n"}
    yield write_project(
        folder / "other", "other-twin", other, {"tailrace.sinks": {"twin": "other_twin:Sink"}}
    )
