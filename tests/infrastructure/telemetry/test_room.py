"""Telemetry as the settings say it."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path

import pytest

from ondol.core.config import MetricsSettings, TelemetrySettings, load_settings
from ondol.core.errors import SettingsError
from ondol.infrastructure.telemetry.room import open_telemetry, sampling_ratio
from ondol.infrastructure.telemetry.trace_context import TraceContext
from tests.infrastructure.telemetry.samples import RECORD, Receiver, plain
from tests.infrastructure.telemetry.test_metrics import samples


def named(_tenant_id: uuid.UUID) -> str:
    return "acme"


def test_without_a_collector_nothing_is_exported(tmp_path: Path) -> None:
    async def run() -> bytes:
        async with open_telemetry(MetricsSettings(), TelemetrySettings(), tmp_path, named) as observer:
            assert observer._export is None
            observer.observe(RECORD, overhead_us=10)
            return await observer.scrape()

    found = samples(asyncio.run(run()))
    assert found["ondol_tokens_total", (("kind", "input"), ("model", "helper"))] == 120
    assert sampling_ratio(TelemetrySettings()) == 0.0
    assert sampling_ratio(TelemetrySettings(otlp_endpoint="http://c", trace_one_in=0)) == 0.0


def test_with_one_spans_go_out_and_the_drain_is_counted(tmp_path: Path) -> None:
    async def run() -> tuple[Receiver, bytes]:
        async with Receiver().listening() as receiver:
            telemetry = TelemetrySettings(otlp_endpoint=receiver.url + "/", otlp_headers="x-key=v", identities=True, service_name="north")
            metrics = MetricsSettings(tenants=True, label_values_max=1)
            async with open_telemetry(metrics, telemetry, tmp_path, named) as observer:
                context = TraceContext(RECORD.id, ratio=sampling_ratio(telemetry))
                context.outgoing()
                observer.observe(RECORD, overhead_us=10, context=context)
            async with open_telemetry(metrics, TelemetrySettings(), tmp_path, named) as observer:
                return receiver, await observer.scrape()

    receiver, page = asyncio.run(run())
    assert [head["x-key"] for head in receiver.heads] == ["v", "v"]
    assert plain(receiver.traces[0].resource_spans[0].resource.attributes)["service.name"] == "north"
    assert str(RECORD.person_id) in str(receiver.spans)
    found = samples(page)
    assert found["ondol_otlp_exported_total", (("signal", "traces"),)] == 4
    assert found["ondol_tokens_total", (("kind", "input"), ("model", "helper"), ("tenant", "acme"))] == 120


def test_a_wrong_address_is_told_at_the_start(tmp_path: Path) -> None:
    async def run() -> None:
        async with open_telemetry(MetricsSettings(), TelemetrySettings(otlp_endpoint="collector:4317"), tmp_path, named):
            pass

    with pytest.raises(SettingsError, match="otlp_endpoint"):
        asyncio.run(run())


def test_the_variables_of_opentelemetry_are_honoured(tmp_path: Path) -> None:
    (tmp_path / "ondol.yaml").write_text("{}")
    settings = load_settings(
        tmp_path / "ondol.yaml",
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_EXPORTER_OTLP_HEADERS": "k=secret", "ONDOL_TELEMETRY_TRACE_ONE_IN": "4"},
    )
    assert settings.telemetry.otlp_endpoint == "http://c:4318"
    assert sampling_ratio(settings.telemetry) == 0.25
    assert "secret" not in repr(settings)
