"""Every metric of the registry, with its one-line meaning, and the middleware that times requests.

No label comes from outside: endpoints are route templates, algorithms are cut to the 50 first seen. So models add no
series. Those that say when a counter began are left out: they would double the number.
"""

from __future__ import annotations

import time

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_MOST_ALGORITHMS = 50
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0)
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class Metrics:
    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        own = self.registry
        self.downloads = Counter("model_downloads_total", "Files served whole", ["algorithm"], registry=own)
        self.registrations = Counter("model_registrations_total", "Models registered", ["algorithm"], registry=own)
        self.active_models = Gauge("active_models_total", "Models whose status is active", registry=own)
        self.storage_bytes = Gauge("storage_usage_bytes", "Sum of the sizes of all versions' files", registry=own)
        self.request_seconds = Histogram(
            "api_request_duration_seconds",
            "From the request's head to the answer's last byte",
            ["endpoint", "method", "status"],
            buckets=_BUCKETS,
            registry=own,
        )
        self.projection_lag = Gauge(
            "projection_lag_events", "Log records not projected yet", ["partition"], registry=own
        )
        self.projected = Counter("projected_records_total", "Records projected", ["topic"], registry=own)
        self.published = Counter("published_records_total", "Events published to the feed", registry=own)
        self.ownership = Gauge("partition_owned", "1 if this instance owns the partition", ["partition"], registry=own)
        self.queue_depth = Gauge("command_queue_depth", "Commands waiting", ["partition"], registry=own)
        self.verdicts = Counter("log_records_total", "Log records by the guard's verdict", ["verdict"], registry=own)
        self.dead_letters = Counter("dead_letters_total", "Records dead-lettered", ["reason"], registry=own)
        self.parked_models = Gauge("parked_models", "Models that wait for an operator", ["partition"], registry=own)
        self.open_streams = Gauge("event_streams_open", "Streams of server-sent events", registry=own)
        self.dropped_streams = Counter(
            "event_streams_dropped_total", "Streams ended because their clients did not read", registry=own
        )
        self.corrupt_blobs = Counter(
            "blobs_corrupt_total", "Times that a file was found not to have its SHA-256", ["found_by"], registry=own
        )
        self.scans = Counter("artifact_scans_total", "Files scanned, by the verdict", ["verdict"], registry=own)
        self._algorithms: set[str] = set()

    def downloaded(self, algorithm: str) -> None:
        self.downloads.labels(self._label(algorithm)).inc()

    def registered(self, algorithm: str) -> None:
        self.registrations.labels(self._label(algorithm)).inc()

    def _label(self, algorithm: str) -> str:
        if algorithm not in self._algorithms:
            if len(self._algorithms) >= _MOST_ALGORITHMS:
                return "other"
            self._algorithms.add(algorithm)
        return algorithm

    def judged(self, partition: int, verdict: str) -> None:
        self.verdicts.labels(verdict).inc()

    def state_changed(self, partition: int, state: str) -> None:
        self.ownership.labels(partition).set(1 if state == "owning" else 0)

    def exposition(self) -> bytes:
        return generate_latest(self.registry)


class RequestMetrics:
    """ASGI middleware: times each request under its route's template."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            route = scope.get("route")
            endpoint = getattr(route, "path", "unmatched")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            elapsed = time.perf_counter() - began
            self._metrics.request_seconds.labels(endpoint, method, str(status)).observe(elapsed)
