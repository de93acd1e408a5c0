"""Endpoints as OTLP metrics: the histograms of how long requests took, of one second each, in seconds."""

import math
from typing import Final

import numpy as np

from model.batch import Batch
from model.histogram import SCALE
from sinks.otlp.metrics import DELTA, SECOND_NS, Encoded, attributes_of, head, histogram_points
from sinks.otlp.wire import field, key_value
from sinks.request_metrics import REQUEST_METRICS

#: Buckets from nanoseconds to seconds: 239.2; values move by a fifth of a bucket, 1.5 %.
SHIFT: Final = round(math.log2(SECOND_NS) * 2**SCALE)
#: The field for attributes of a histogram's data point.
_ATTRIBUTES: Final = 1


def request_metrics_of(batch: Batch, resource: bytes, scope: bytes) -> Encoded:
    """A batch of endpoints as ``ExportMetricsServiceRequest``."""
    begins = batch.window - batch.columns["window.late_s"].astype(np.int64)
    begins_ns = (begins * SECOND_NS).tolist()
    workloads = attributes_of(batch, _ATTRIBUTES)
    parts, count = [], 0
    for metric in REQUEST_METRICS:
        rows = metric.rows(batch)
        attributes = dict(zip(rows.tolist(), metric.attributes(batch, rows), strict=True))
        encoded = {
            told: b"".join(field(_ATTRIBUTES, key_value(*each)) for each in told)
            for told in set(attributes.values())
        }
        whole = [
            workloads[row] + encoded[attributes[row]] if row in attributes else b""
            for row in range(len(batch))
        ]
        points = histogram_points(batch, metric.column, rows, whole, begins_ns, SHIFT, SECOND_NS)
        count += len(points)
        if points:
            named = head(metric.name, metric.description, "s")
            parts.append(field(2, named + field(10, b"".join(points) + b"\x10" + DELTA)))
    return Encoded(field(1, resource + field(2, scope + b"".join(parts))), count)
