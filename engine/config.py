"""Configuration: a YAML file, then the environment, then the command line; each key checked, none ignored."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args, get_origin, get_type_hints

import msgspec

from alerts.config import AlertsConfig
from engine.listen_address import address_and_port
from engine.secrets import guard, guarded
from engine.yaml_text import BadYaml, read_yaml
from enrichers.cloud.config import CloudConfig
from enrichers.dns_config import ENTRIES, DnsConfig, Entries
from enrichers.docker.config import DockerConfig
from enrichers.kubernetes.config import KubernetesConfig
from enrichers.process.config import ProcessConfig
from model.errors import UsageError
from model.globs import check_globs
from model.settings import UrlSecret, secrets_in
from model.silence import PlannedSilence
from probes.conntrack.config import NatConfig
from probes.dns.config import QueriesConfig
from probes.drops.config import DropsConfig
from probes.envoy.config import EnvoyConfig
from probes.http.config import HttpConfig
from probes.listeners.config import ListenersConfig
from probes.tcp.config import TcpConfig
from probes.udp.config import UdpConfig
from sinks.limits import Limits
from store.config import QUERY_MEMORY, QUERY_THREADS, StoreConfig
from web.config import WebConfig

PREFIX = "TAILRACE_"

LogLevel = Literal["debug", "info", "warning", "error"]
LOG_LEVELS: Final = get_args(LogLevel)

#: Schemes of bus URLs.
BUSES = ("memory", "nats")


class DnsSection(QueriesConfig, frozen=True):
    """Queries of DNS, and names of hosts that nothing else knows.

    :param reverse: whether the system's resolver is asked for names of addresses.
    :param entries: addresses remembered.
    """

    reverse: bool = False
    entries: Entries = ENTRIES

    @property
    def of_addresses(self) -> DnsConfig:
        """What the enricher of names gets."""
        return DnsConfig(self.reverse, self.entries)


class JoinConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How the two ends of connections are put together.

    :param flows: connections known at once, by an engine so many for each partition there is; past it those that
        ended make room, then those longest silent.
    :param wait_seconds: for which an engine waits, from a second's first report on, for those of other nodes.
    """

    flows: Annotated[int, msgspec.Meta(ge=16, le=1 << 24)] = 262144
    wait_seconds: Annotated[float, msgspec.Meta(ge=0, le=60)] = 1.5


class WorkloadsConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How flows are summed up.

    :param pairs: of workloads in one second; what is beyond is one row of the kind ``other``.
    :param endpoints: kinds of requests between workloads in one second; what is beyond is one row of the kind
        ``other`` for each status.
    """

    pairs: Annotated[int, msgspec.Meta(ge=1, le=1 << 22)] = 50_000
    endpoints: Annotated[int, msgspec.Meta(ge=1, le=1 << 22)] = 20_000


class BusConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What carries messages between actors.

    :param url: ``memory://`` for one process; agents and engines: ``nats://…`` (docs/nats.md).
    """

    url: Annotated[str, UrlSecret("password", "token")] = "memory://"

    def __repr__(self) -> str:
        """Without the URL, which may hold a password."""
        return f"BusConfig({self.url.partition('://')[0]}://…)"

    def __post_init__(self) -> None:
        if self.url.partition("://")[0] not in BUSES:
            raise ValueError(f"bus.url must begin with one of {', '.join(f'{name}://' for name in BUSES)}")


class AgentConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What an agent keeps while NATS is away.

    :param buffer_bytes: of messages in memory; past it the spool takes them, or the oldest are dropped.
    :param spool_path: a file; empty for none.
    :param spool_bytes: of messages in the spool; past it the oldest are dropped.
    """

    buffer_bytes: Annotated[int, msgspec.Meta(ge=1 << 20)] = 64 << 20
    spool_path: str = ""
    spool_bytes: Annotated[int, msgspec.Meta(ge=1 << 20)] = 1 << 30


class SinkConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One sink.

    :param name: as installed.
    :param settings: as ``tailrace plugins NAME`` lists them.
    :param stage: which rows it gets; empty: what the key ``stage`` of all says.
    :param where: a filter of rows (docs/filters.md).
    :param fields: patterns of the fields that rows have, or ``brief``; none: all.
    :param every: seconds that rows are summed up for at most; 0: not at all.
    """

    name: str
    settings: dict[str, Any] = {}
    stage: str = ""
    where: str = ""
    fields: list[str] | str = []
    every: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 0
    queue: dict[str, Any] = {}
    retry: dict[str, Any] = {}
    batch: dict[str, Any] = {}

    def limits(self, path: str, defaults: Limits = Limits()) -> Limits:  # noqa: B008 - nothing changes it
        """Of its queue, retries and batches.

        :param path: of the sink, for errors.
        :param defaults: those of its kind.
        :raises UsageError: if a limit is unknown or out of bounds.
        """
        given = {"queue": self.queue, "retry": self.retry, "batch": self.batch}
        whole = {name: msgspec.to_builtins(getattr(defaults, name)) | each for name, each in given.items()}
        try:
            return msgspec.convert(whole, Limits)
        except msgspec.ValidationError as error:
            what = f"configuration: {str(error).replace('`$', f'`{path}')}"
            raise UsageError(what, "see docs/configuration.md") from None

    def __repr__(self) -> str:
        """Without the settings: which of them are secret the sink alone knows."""
        return f"SinkConfig({self.name})"


class EnricherConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """An enricher that has no section of its own.

    :param name: as installed.
    :param settings: as ``tailrace plugins NAME`` lists them.
    """

    name: str
    settings: dict[str, Any] = {}

    def __repr__(self) -> str:
        """Without the settings: which of them are secret the enricher alone knows."""
        return f"EnricherConfig({self.name})"


class KeptConfig(StoreConfig, frozen=True):
    """The store of this machine: written by ``run``, read by ``serve`` and commands.

    :param enabled: whether ``run`` keeps who talks to whom; ``auto``: where it can; ``on``: or the start is refused.
    :param query_memory: bytes that questions take at most, one after the other.
    :param query_threads: that one question takes at most.
    """

    enabled: Literal["auto", "on", "off"] = "auto"
    query_memory: Annotated[int, msgspec.Meta(ge=64 << 20)] = QUERY_MEMORY
    query_threads: Annotated[int, msgspec.Meta(ge=1, le=64)] = QUERY_THREADS


class MetricsConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Tailrace's own figures for Prometheus.

    :param listen: ``address:port``; empty for none.
    """

    listen: str = ""

    def __post_init__(self) -> None:
        if self.listen:
            address_and_port(self.listen)


class TroubleConfig(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Edges that are worse than they were, and incidents made of them.

    :param enabled: whether ``run`` looks for them, and tells ``alerts.targets``; ``auto``: where ``path`` can be
        written; ``on``, or ``auto`` with targets or rules: or the start is refused.
    :param path: a folder for incidents and for what was learnt.
    :param tick_seconds: that are looked at together; with fewer it finds trouble sooner, and is wrong more often.
    :param silences: of which nobody is told: planned maintenance, what is known and wanted.
    """

    enabled: Literal["auto", "on", "off"] = "auto"
    path: Annotated[str, msgspec.Meta(min_length=1)] = "/var/lib/tailrace/trouble"
    tick_seconds: Annotated[int, msgspec.Meta(ge=1, le=60)] = 10
    silences: Annotated[list[PlannedSilence], msgspec.Meta(max_length=500)] = []

    def __post_init__(self) -> None:
        names = [silence.name for silence in self.silences]
        if twice := next((name for name in names if names.count(name) > 1), ""):
            raise ValueError(f"two silences are called {twice}: give one another name")


class Config(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Everything that can be configured.

    :param node: the name of this node in all output; the host name by default.
    :param names: of networks and addresses: ``10.20.0.0/16: payments-db``; the longest prefix wins.
    :param namespaces: network namespaces to report: names or patterns of names in /run/netns, or paths; empty
        for all of the machine.
    :param probes: of other packages: by the name under which they are installed, or ``module:NAME``.
    :param enrichers: of other packages.
    :param stage: what sinks get: flows, the deltas that they are made of, the workloads that they are summed up to,
        requests, the endpoints that those are summed up to, or rows of another kind by its plural; several with
        commas between them.
    """

    node: str = ""
    namespaces: list[str] = []
    tcp: TcpConfig = TcpConfig()
    nat: NatConfig = NatConfig()
    process: ProcessConfig = ProcessConfig()
    http: HttpConfig = HttpConfig()
    envoy: EnvoyConfig = EnvoyConfig()
    udp: UdpConfig = UdpConfig()
    listeners: ListenersConfig = ListenersConfig()
    drops: DropsConfig = DropsConfig()
    probes: dict[str, Literal["auto", "on", "off"]] = {}
    docker: DockerConfig = DockerConfig()
    cloud: CloudConfig = CloudConfig()
    names: dict[str, str] = {}
    dns: DnsSection = DnsSection()
    join: JoinConfig = JoinConfig()
    workloads: WorkloadsConfig = WorkloadsConfig()
    bus: BusConfig = BusConfig()
    agent: AgentConfig = AgentConfig()
    kubernetes: KubernetesConfig = KubernetesConfig()
    enrichers: list[EnricherConfig] = []
    stage: str = "flows"
    sinks: list[SinkConfig] = []
    store: KeptConfig = KeptConfig()
    web: WebConfig = WebConfig()
    trouble: TroubleConfig = TroubleConfig()
    alerts: AlertsConfig = AlertsConfig()
    metrics: MetricsConfig = MetricsConfig()
    log_level: LogLevel = "warning"

    def __post_init__(self) -> None:
        check_globs("namespaces", self.namespaces)
        if self.alerts.rules and self.trouble.enabled == "off":
            raise ValueError("alerts.rules are not watched: set trouble.enabled: on, or take them out")

    @property
    def node_name(self) -> str:
        """``node``, or the host name."""
        return self.node or os.uname().nodename


def unwatched(config: Config) -> Config:
    """The same for who looks at this machine beside a ``run``: trouble and alerts are that one's."""
    return msgspec.structs.replace(config, trouble=TroubleConfig("off"), alerts=AlertsConfig())


def load_config(path: Path | None, environment: Mapping[str, str], log_level: str | None = None) -> Config:
    """The configuration of a file and the environment; ``TAILRACE_TCP_SLOTS`` is ``tcp.slots``.

    :param log_level: of the command line, which goes before.
    :raises UsageError: if the file cannot be read, or a key is unknown or of the wrong type, with its path.
    """
    settings = _read(path) if path else {}
    _overlay(settings, environment)
    _spell_on_and_off(settings)
    if log_level:
        settings["log_level"] = log_level
    guard(secrets_in(Config, settings))
    try:
        config = msgspec.convert(settings, Config, strict=True)
    except msgspec.ValidationError as error:
        what = guarded(f"configuration{f' {path}' if path else ''}: {error}")
        raise UsageError(what, "see docs/configuration.md") from None
    for place, sink in enumerate(config.sinks):
        sink.limits(f"$.sinks[{place}]")
    return config


def _read(path: Path) -> dict[str, Any]:
    try:
        loaded = read_yaml(path.read_bytes())
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", "name a file that exists") from error
    except BadYaml as error:
        raise UsageError(f"configuration {path}: {error}", "see docs/configuration.md") from error
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise UsageError(f"{path} holds no keys", "see docs/configuration.md")
    return loaded


def _overlay(settings: dict[str, Any], environment: Mapping[str, str]) -> None:
    """Puts TAILRACE_… over what the file says; values are YAML, so that lists and numbers can be written."""
    keys = {name: (where, kind) for name, where, kind in _keys(Config, ())}
    for name, text in sorted(environment.items()):
        if not name.startswith(PREFIX):
            continue
        if name not in keys:
            raise UsageError(f"unknown variable {name}", f"known: {', '.join(sorted(keys))}")
        where, kind = keys[name]
        target = settings
        for part in where[:-1]:
            target = target.setdefault(part, {})
            if not isinstance(target, dict):
                raise UsageError(f"{name} sets a key of `{part}`, which the file gives another form")
        target[where[-1]] = text if kind is str else _value(text)


def _spell_on_and_off(settings: dict[str, Any]) -> None:
    """YAML reads a bare ``off`` as false: where a key wants the word, it is put back."""
    for _, where, kind in _keys(Config, ()):
        section: Any = settings
        for part in where[:-1]:
            section = section.get(part) if isinstance(section, dict) else None
        if not isinstance(section, dict) or where[-1] not in section:
            continue
        value = section[where[-1]]
        if "off" in get_args(kind):
            section[where[-1]] = _word(value)
        elif get_origin(kind) is dict and "off" in get_args(get_args(kind)[1]) and isinstance(value, dict):
            section[where[-1]] = {name: _word(word) for name, word in value.items()}


def _word(value: Any) -> Any:
    """``on`` or ``off`` for what YAML read as a truth value."""
    return ("on" if value else "off") if isinstance(value, bool) else value


def _keys(struct: type[msgspec.Struct], above: tuple[str, ...]) -> list[tuple[str, tuple[str, ...], Any]]:
    """Each variable's name, the path of its key, and the key's type."""
    found: list[tuple[str, tuple[str, ...], Any]] = []
    for name, kind in get_type_hints(struct).items():
        path = (*above, name)
        if get_origin(kind) is None and isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            found += _keys(kind, path)
        else:
            found.append((PREFIX + "_".join(path).upper(), path, kind))
    return found


def _value(text: str) -> Any:
    try:
        return read_yaml(text.encode())
    except BadYaml:
        return text
