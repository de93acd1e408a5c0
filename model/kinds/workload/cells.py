"""What people read about a pair of workloads; the rows are those of JSON lines."""

from model.histogram import Histogram
from model.rows.words import endpoint_text, printable
from model.text.table import Row
from model.text.units import duration_text


def workload_text(row: Row, side: str) -> str:
    """``shop/cart``: the name in its namespace, if it has one."""
    name, namespace = (printable(row.get(f"{side}.workload.{part}", "")) for part in ("name", "namespace"))
    return f"{namespace}/{name}" if namespace else name or kind_text(row, side)


def called_text(row: Row) -> str:
    """The server's workload and port: ``coredns:53/udp``."""
    called = endpoint_text(workload_text(row, "server"), row.get("server.port", 0))
    return f"{called}/udp" if row.get("network.transport") == "udp" else called


def kind_text(row: Row, side: str) -> str:
    """``Deployment``."""
    return printable(row.get(f"{side}.workload.kind", "")) or "-"


def place_text(row: Row, side: str) -> str:
    """The zone, or ``-``."""
    return printable(row.get(f"{side}.cloud.availability_zone", "")) or "-"


def quantile_text(row: Row, measure: str, share: float) -> str:
    """A quantile of a histogram of nanoseconds, or ``-``."""
    told = row.get(measure)
    if not told:
        return "-"
    counts = Histogram(dict(zip(told["buckets"], told["counts"], strict=True)))
    return duration_text(counts.quantile(share))
