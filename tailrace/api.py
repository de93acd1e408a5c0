"""What a sink, an enricher or a probe of another package imports: nothing else of Tailrace is public.

``docs/plugins.md`` shows how to write one, ``tailrace.testing`` tests it.
"""

from msgspec import Meta

from model.alert import Alert
from model.alert_target import AlertError, AlertTarget
from model.batch import Batch
from model.column import Column
from model.enricher import OPEN, Enricher, EnricherStatistics, Entity, Identity, KeyKind
from model.errors import SinkError, UsageError
from model.intervals import Intervals
from model.kind import Kind, own_subject
from model.kinds import kind_named, kinds
from model.probe import EventType, Feature, Hook, Place, Probe, Receiver, Ring, Switch
from model.settings import PluginConfig, Secret, UrlSecret
from model.sink import Sink
from model.tables import TEXTS, Table, text_field

__all__ = [
    "OPEN",
    "TEXTS",
    "Alert",
    "AlertError",
    "AlertTarget",
    "Batch",
    "Column",
    "Enricher",
    "EnricherStatistics",
    "Entity",
    "EventType",
    "Feature",
    "Hook",
    "Identity",
    "Intervals",
    "KeyKind",
    "Kind",
    "Meta",
    "Place",
    "PluginConfig",
    "Probe",
    "Receiver",
    "Ring",
    "Secret",
    "Sink",
    "SinkError",
    "Switch",
    "Table",
    "UrlSecret",
    "UsageError",
    "kind_named",
    "kinds",
    "own_subject",
    "text_field",
]
