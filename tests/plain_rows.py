"""Rows of a batch by a plain loop: every column as it is, what indexes point to in place of them.

What tests compare with: ``Batch.rows`` makes the same in columns, with words for codes, and leaves out what is empty.
"""

from collections.abc import Iterator
from typing import Any

from model.addresses import address_text
from model.batch import Batch
from model.kinds.delta.tables import HANDSHAKE_FIELDS
from model.kinds.drop import Dropped
from model.kinds.workload import PARTS


def plain_rows(batch: Batch) -> Iterator[dict[str, Any]]:
    """Each row, with numbers for codes and flags."""
    lists = {name: column.tolist() for name, column in batch.columns.items()}
    for values in zip(*lists.values(), strict=True):
        row: dict[str, Any] = {}
        for name, value in zip(lists, values, strict=True):
            row |= _said(batch, name, value)
        yield row


def _said(batch: Batch, name: str, value: Any) -> dict[str, Any]:
    stem, _, last = name.rpartition(".")
    if last == "index":
        return _pointed_to(batch, stem, value)
    if last == "address" and isinstance(value, bytes):
        return {name: address_text(value)}
    return {name: value.decode(errors="replace") if isinstance(value, bytes) else value}


def _pointed_to(batch: Batch, stem: str, index: int) -> dict[str, Any]:
    end, _, what = stem.rpartition(".")
    side = f"{end}." if end else ""
    if what == "cgroup":
        return {f"{stem}.path": batch.tables["cgroups"][index]}
    if what == "entity":
        return {stem: dict(batch.tables["entities"][index])}
    if what == "nat":
        return {stem: [hop.as_dict() for hop in batch.tables["chains"][index]]}
    if what == "tls":
        return dict(zip(HANDSHAKE_FIELDS, batch.tables["handshakes"][index], strict=True))
    if what == "drop":
        said = batch.tables["dropped"][index]
        return {f"drop.{name}": text for name, text in zip(Dropped._fields, said, strict=True)}
    if what in ("requests", "queries"):
        return {}
    if what == "name":
        return {stem: batch.tables["names"][index]}
    if what == "route":
        return {"http.route": batch.tables["routes"][index]}
    if what == "question":
        return {"dns.question.name": batch.tables["questions"][index]}
    if what == "node":
        return dict(zip((f"{side}node", f"{side}boot"), batch.tables["nodes"][index], strict=True))
    if what == "workload":
        parts = batch.tables["workloads"][index]
        return {side + part: value for part, value in zip(PARTS, parts, strict=True)}
    return {stem: batch.tables["histograms"][index].as_dict()}
