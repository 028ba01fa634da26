"""Every metric that a worker tells: one row each, from which the registry, the reference page and the checks of dashboards are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MICRO = 1_000_000

_REQUEST_US = (
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    300_000_000,
)
_OVERHEAD_US = (100, 200, 300, 400, 500, 750, 1_000, 1_500, 2_000, 3_000, 5_000, 10_000, 25_000, 100_000, 1_000_000)
_FIRST_TOKEN_US = (
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    200_000,
    300_000,
    500_000,
    750_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    30_000_000,
)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. Values are kept as whole numbers, so that sums are exact.

    Attributes:
        labels: in their order; `TENANT` is added to the first of them by setting.
        scale: a kept value is so many times what is told (microseconds: a million to a second).
        bounds: of a histogram's buckets, in kept units; each bucket holds what is not above its bound, one more all the rest.
        join: how the values of several workers become one. Counters and histograms are always added.
        by_tenant: gets the label `tenant` where `metrics.tenants` is set.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    scale: int = 1
    bounds: tuple[int, ...] = ()
    join: Literal["sum", "max"] = "sum"
    by_tenant: bool = False

    @property
    def width(self) -> int:
        """Cells of one series: a histogram has its buckets and their sum, all others one."""
        return len(self.bounds) + 2 if self.kind == "histogram" else 1


REQUESTS = Metric("ondol_requests_total", "counter", "Requests that were read and accounted for.", ("route", "model", "outcome"), by_tenant=True)
TOKENS = Metric(
    "ondol_tokens_total",
    "counter",
    "Tokens: input and output. Of these: cached and cache_write (input), reasoning (output), estimated (told by no upstream).",
    ("model", "kind"),
    by_tenant=True,
)
COST = Metric("ondol_cost_nano_total", "counter", "Cost in nano-units (1e-9) of the currency.", ("model", "currency"), by_tenant=True)
DURATION = Metric(
    "ondol_request_duration_seconds", "histogram", "From a request's first byte to its answer's last.", ("route", "model"), MICRO, _REQUEST_US
)
OVERHEAD = Metric("ondol_overhead_seconds", "histogram", "What the gateway itself took, without upstreams.", ("route",), MICRO, _OVERHEAD_US)
FIRST_TOKEN = Metric(
    "ondol_time_to_first_token_seconds", "histogram", "From a request's first byte to the first of its stream.", ("model",), MICRO, _FIRST_TOKEN_US
)
STAGES = Metric("ondol_stage_seconds_total", "counter", "Time of requests by stage: queue, guard (reading), upstream.", ("stage",), MICRO)
LIMITED = Metric("ondol_limit_rejections_total", "counter", "Requests that a limit or budget refused.", ("limit",))
REFUSED = Metric("ondol_refused_requests_total", "counter", "Requests refused before they could be accounted for: no key, no such model.", ("code",))
VERDICTS = Metric("ondol_guard_verdicts_total", "counter", "The guard's decisions: the strictest of each request and stage.", ("stage", "decision"))
UPSTREAM = Metric("ondol_upstream_requests_total", "counter", "Requests to providers, each attempt.", ("provider", "outcome"))
BREAKER = Metric("ondol_breaker_state", "gauge", "Circuit breaker: 0 closed, 1 half open, 2 open; the worst.", ("provider", "model"), join="max")
IN_FLIGHT = Metric("ondol_in_flight", "gauge", "Requests that are being answered now.")
CONNECTIONS = Metric("ondol_connections", "gauge", "Open connections of callers.")
CONNECTIONS_OPENED = Metric("ondol_connections_opened_total", "counter", "Connections that callers opened.")
CONNECTIONS_REFUSED = Metric("ondol_connections_refused_total", "counter", "Connections above the limit, answered 503.")
CONNECTIONS_TIMED_OUT = Metric("ondol_connections_timed_out_total", "counter", "Connections closed because a time-out passed.")
HTTP_ANSWERS = Metric("ondol_http_answers_total", "counter", "Answers of the server on all paths, by status class (2xx).", ("class",))
HTTP_LEFT = Metric("ondol_http_left_total", "counter", "Callers who hung up before their answer was whole.")
RECORDS_WAITING = Metric("ondol_records_waiting", "gauge", "Request records in memory because the disk takes none.")
SPOOL_BYTES = Metric("ondol_spool_bytes", "gauge", "Bytes of request records on disk that Postgres has not taken.", join="max")
RECORDS_WRITTEN = Metric("ondol_records_written_total", "counter", "Request records that Postgres took.")
RECORDS_DROPPED = Metric(
    "ondol_records_dropped_total", "counter", "Request records lost or put aside: dropped, unreadable, refused or unowned.", ("reason",)
)
LEASES = Metric("ondol_leases_outstanding", "gauge", "Leases of limits and budgets that workers hold.")
POSTGRES_AGE = Metric("ondol_postgres_age_seconds", "gauge", "Since Postgres last answered; the worst worker's.", (), MICRO, join="max")
WORKERS = Metric("ondol_workers", "gauge", "HTTP workers that run.")
CPU = Metric("ondol_process_cpu_seconds_total", "counter", "CPU time of the HTTP workers.", (), MICRO)
MEMORY = Metric("ondol_process_resident_memory_bytes", "gauge", "Resident memory of the HTTP workers.")
OTLP_EXPORTED = Metric("ondol_otlp_exported_total", "counter", "What a collector took: spans, and metric reports.", ("signal",))
OTLP_DROPPED = Metric(
    "ondol_otlp_dropped_total",
    "counter",
    "Spans and metric reports that no collector took; a request that was never written counts as one.",
    ("signal", "reason"),
)
SERIES_OTHER = Metric(
    "ondol_metric_series_other_total", "counter", "Times that a new label set came after the bound was reached; it counts as `other`.", ("metric",)
)

METRICS: tuple[Metric, ...] = (
    REQUESTS, TOKENS, COST, DURATION, OVERHEAD, FIRST_TOKEN, STAGES, LIMITED, REFUSED, VERDICTS, UPSTREAM, BREAKER, IN_FLIGHT, CONNECTIONS,
    CONNECTIONS_OPENED, CONNECTIONS_REFUSED, CONNECTIONS_TIMED_OUT, HTTP_ANSWERS, HTTP_LEFT, RECORDS_WAITING, SPOOL_BYTES, RECORDS_WRITTEN,
    RECORDS_DROPPED, LEASES, POSTGRES_AGE, WORKERS, CPU, MEMORY, OTLP_EXPORTED, OTLP_DROPPED, SERIES_OTHER,
)  # fmt: skip

TENANT = "tenant"


def catalogue(*, tenants: bool = False) -> tuple[Metric, ...]:
    """All metrics, with a label for the tenant on some where that is wished."""
    if not tenants:
        return METRICS
    return tuple(_with_tenant(metric) if metric.by_tenant else metric for metric in METRICS)


def _with_tenant(metric: Metric) -> Metric:
    return Metric(
        metric.name, metric.kind, metric.help, (*metric.labels, TENANT), metric.scale, metric.bounds, metric.join, by_tenant=True
    )  # fmt: skip


def reference_table() -> str:
    """The metrics as a Markdown table, for the reference pages."""
    rows = [f"| `{row.name}` | {row.kind} | {', '.join(f'`{label}`' for label in row.labels)} | {row.help} |" for row in METRICS]
    return "\n".join(["| metric | kind | labels | what it tells |", "|---|---|---|---|", *rows])
