"""What is declared, and not written as a class: probes with their hooks, kinds of rows with their columns."""

import re

import msgspec

from model.kind import Kind
from model.probe import Probe
from model.schema_page import type_text


class ListedFeature(msgspec.Struct, frozen=True):
    """Something that a probe does.

    :param ways: to get it, best first: the first that the kernel takes is used. Each is the hooks that are attached
        together.
    :param loss: what is missing without it; empty if the probe cannot do without.
    """

    name: str
    purpose: str
    ways: list[list[str]]
    loss: str


class ListedColumn(msgspec.Struct, frozen=True):
    """One column of a kind of rows."""

    name: str
    type: str
    unit: str
    meaning: str


def features_of(probe: Probe) -> list[ListedFeature]:
    """In the order in which they are attached."""
    return [
        ListedFeature(
            feature.name,
            feature.purpose,
            [[part.name for part in hook.parts] for hook in feature.alternatives],
            "" if feature.required else feature.loss,
        )
        for feature in probe.features
    ]


def switch_of(probe: Probe) -> str:
    """Where the configuration says whether it is attached, with what can stand there; empty if it always is."""
    if probe.switch is None:
        return ""
    ways = dict.fromkeys(hook.way for feature in probe.features for hook in feature.alternatives if hook.way)
    key = probe.switch.key or f"probes.{probe.name}"
    return f"{key}: {' | '.join(('auto', *(ways if probe.switch.key else ('on',)), 'off'))}"


def columns_of(kind: Kind) -> list[ListedColumn]:
    """As the schema page has them."""
    return [
        ListedColumn(column.name, type_text(column), column.counted_in, column.meaning)
        for column in kind.columns
    ]


def stage_of(kind: Kind) -> str:
    """How a sink asks for its rows; empty if all sinks get them, or it has none."""
    return f"stage: {kind.plural}" if kind.columns and not kind.to_all_sinks else ""


def probe_summary(probe: Probe) -> str:
    """What it sees, in one line."""
    return probe.purpose or "; ".join(feature.purpose for feature in probe.features)


def kind_summary(kind: Kind) -> str:
    """How its page begins, or the columns."""
    sentence = re.split(r"[.:] ", " ".join(kind.page.split()), maxsplit=1)[0].rstrip(".")
    return sentence or ", ".join(column.name for column in kind.columns)
