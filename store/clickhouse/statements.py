"""What is asked beside the sums of edges, as statements; pure."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from store.clickhouse.sums import OpenPart, among, listed, of_parts
from store.clickhouse.tables import CHAINS_FULL, CHAINS_NEW, LOST, PRESENCE_FULL, PRESENCE_NEW
from store.reading import Window
from store.segments.tables import CHAINS

_MINUTE: Final = 60


def chains(database: str, parts: Sequence[OpenPart], window: Window, ids: np.ndarray | None) -> str:
    """Asks for the sums of edges and ways: ``s0``, … in the order of the table; ``f`` and ``l`` its seconds.

    :param parts: that are open.
    :param window: of whole minutes.
    """
    sums = CHAINS.named("sum")
    picked = ", ".join(["edge, way, first_s, last_s", *sums])
    where = f"begin_s >= {window.from_s} AND begin_s < {window.to_s}{listed('edge', ids)}"
    sources = [
        f"SELECT {picked} FROM {database}.{CHAINS_FULL.name} FINAL WHERE {where} AND NOT ({among(parts)})",
        f"SELECT {picked} FROM {database}.{CHAINS_NEW.name} FINAL WHERE {where} AND {of_parts(parts)}",
    ]
    added = ", ".join(f"sum({name}) AS s{place}" for place, name in enumerate(sums))
    return (
        f"SELECT edge, way, min(first_s) AS f, max(last_s) AS l, {added} FROM ({' UNION ALL '.join(sources)}) "
        "GROUP BY edge, way ORDER BY edge, way"
    )


def presence(database: str, parts: Sequence[OpenPart], window: Window) -> str:
    """Asks for minutes (``at``) and their seconds (``s``) by node.

    Those of the window, and of each node the last one before it and the first one after it. A row that is read twice
    changes nothing.

    :param parts: that are open.
    :param window: of whole minutes.
    """
    columns = "node, begin_s, seconds"
    source = (
        f"SELECT {columns} FROM {database}.{PRESENCE_FULL.name} UNION ALL "
        f"SELECT {columns} FROM {database}.{PRESENCE_NEW.name} WHERE {of_parts(parts)}"
    )

    def minutes(where: str) -> str:
        return (
            f"SELECT node, begin_s AS at, groupBitOr(seconds) AS s FROM ({source}) WHERE {where} "
            "GROUP BY node, begin_s"
        )

    def one(which: str, where: str) -> str:
        picked = f"{which}(at) AS a, arg{which.title()}(s, at) AS b"
        return (
            f"SELECT node, a AS at, b AS s FROM (SELECT node, {picked} FROM ({minutes(where)}) GROUP BY node)"
        )

    all_three = [
        minutes(f"begin_s >= {window.from_s} AND begin_s < {window.to_s}"),
        one("max", f"begin_s < {window.from_s}"),
        one("min", f"begin_s >= {window.to_s}"),
    ]
    return f"SELECT node, at, s FROM ({' UNION ALL '.join(all_three)})"


def losses_in(database: str, window: Window) -> str:
    """Asks for what was lost by node, stage, reason and minute: ``n``; ``f`` and ``l`` its seconds."""
    return (
        "SELECT node, stage, reason, begin_s, sum(lost) AS n, min(first_s) AS f, max(last_s) AS l "
        f"FROM {database}.{LOST.name} FINAL "
        f"WHERE begin_s < {window.to_s} AND begin_s >= {window.from_s - _MINUTE} "
        "GROUP BY node, stage, reason, begin_s"
    )
