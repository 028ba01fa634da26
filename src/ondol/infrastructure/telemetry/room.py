"""Telemetry of one worker, from its settings."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from ondol.core.config import MetricsSettings, TelemetrySettings
from ondol.infrastructure.telemetry.catalogue import catalogue
from ondol.infrastructure.telemetry.collector import Collector, parse_headers
from ondol.infrastructure.telemetry.metrics import Registry
from ondol.infrastructure.telemetry.observer import Observer
from ondol.infrastructure.telemetry.otlp import Exporter


@contextlib.asynccontextmanager
async def open_telemetry(
    metrics: MetricsSettings, telemetry: TelemetrySettings, folder: Path | None, tenant_name: Callable[[uuid.UUID], str]
) -> AsyncIterator[Observer]:
    """The worker's observer, for as long as this lasts.

    Args:
        folder: where all workers of this installation on this machine keep their cells.
        tenant_name: a tenant's short name, for the label that `metrics.tenants` adds.

    Raises:
        SettingsError: the collector cannot be reached in the way that is set.
    """
    names = tenant_name if metrics.tenants else None
    registry = Registry(catalogue(tenants=metrics.tenants), label_values_max=metrics.label_values_max)
    async with contextlib.AsyncExitStack() as stack:
        exporter: Exporter | None = None
        if telemetry.otlp_endpoint:
            collector = Collector(telemetry.otlp_endpoint, parse_headers(telemetry.otlp_headers), telemetry.otlp_authority)
            exporter = Exporter(
                collector,
                registry,
                service=telemetry.service_name,
                ratio=sampling_ratio(telemetry),
                identities=telemetry.identities,
                family=telemetry.token_metrics,
            )
        # The exporter ends first, so that what it drops at the end is written too.
        observer = await stack.enter_async_context(Observer(folder, export=exporter, tenant_name=names, registry=registry))
        if exporter is not None:
            await stack.enter_async_context(exporter)
        yield observer


def sampling_ratio(telemetry: TelemetrySettings) -> float:
    """The share of traces that is exported: 0 where nothing is."""
    return 1 / telemetry.trace_one_in if telemetry.otlp_endpoint and telemetry.trace_one_in else 0.0
