"""What a server counts, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Figures:
    """Counters of one server."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        place = self._registry
        path = ("path",)
        self.requests = Counter("fw_requests", "Requests by path and status.", ("path", "status"), registry=place)
        self.seconds = Histogram(
            "fw_request_seconds", "From the first byte to the answer.", path, buckets=SECONDS, registry=place
        )
        self.batches = Histogram("fw_batch_inputs", "Inputs computed together.", buckets=SIZES, registry=place)
        self.under_way = Gauge("fw_requests_under_way", "Requests that are being answered.", registry=place)
        self.model = Gauge("fw_model_info", "The model that answers.", ("name", "version"), registry=place)
        self.unlogged = Counter("fw_log_left_out", "Answers that the log could not take.", registry=place)
        self.reloads = Counter("fw_model_reloads", "Looks that found another model.", ("outcome",), registry=place)

    def text(self) -> bytes:
        """Everything, in Prometheus' text format."""
        return generate_latest(self._registry)
