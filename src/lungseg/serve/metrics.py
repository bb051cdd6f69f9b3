"""Numbers for Prometheus."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import Scope

from lungseg.serve.jobs import ServedJob

SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 600)


class Metrics:
    """What is counted."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "lungseg_requests", "Answers.", ("method", "route", "status"), registry=self._registry
        )
        self._jobs = Counter(
            "lungseg_jobs", "Jobs that are over.", ("state",), registry=self._registry
        )
        self._seconds = Histogram(
            "lungseg_job_seconds",
            "From the end of the upload to the result.",
            buckets=SECONDS,
            registry=self._registry,
        )

    def watch(self, name: str, about: str, value: Callable[[], float]) -> None:
        """Adds a number that is looked up when it is asked for."""
        Gauge(f"lungseg_{name}", about, registry=self._registry).set_function(value)

    def request(self, scope: Scope, status: int) -> None:
        """Counts an answer under the pattern of its address, which has neither names nor ids in
        it.
        """
        route = getattr(scope.get("route"), "path", "other")
        method = scope["method"] if scope["method"] in ("GET", "POST", "DELETE") else "other"
        self._requests.labels(method, route, str(status)).inc()

    def job(self, job: ServedJob) -> None:
        """Counts a job that is over."""
        self._jobs.labels(job.state).inc()
        if job.state == "done" and job.ended is not None:
            self._seconds.observe(job.ended - job.created)

    def text(self) -> bytes:
        """In Prometheus's text form."""
        return generate_latest(self._registry)
