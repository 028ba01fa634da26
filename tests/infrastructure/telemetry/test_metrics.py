"""The registry counts exactly and within bounds; Prometheus's own parser reads the page."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from ondol.infrastructure.telemetry.catalogue import METRICS, Metric, catalogue, reference_table
from ondol.infrastructure.telemetry.exposition import exposition
from ondol.infrastructure.telemetry.metrics import OTHER, Registry

PLAIN = (
    Metric("c_total", "counter", "Counts\nover \\ lines.", ("model",)),
    Metric("g", "gauge", "Stands.", (), 1_000_000, join="max"),
    Metric("h_seconds", "histogram", "Spreads.", ("model",), 1_000_000, (100, 1_000)),
)


def samples(page: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """All samples of a page, by name and sorted labels."""
    found: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    for family in text_string_to_metric_families(page.decode()):
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            assert key not in found
            found[key] = sample.value
    return found


def test_the_catalogue_is_well_named() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    for metric in METRICS:
        assert metric.name.startswith("ondol_")
        assert metric.name.endswith("_total") == (metric.kind == "counter")
        assert (metric.kind == "histogram") == bool(metric.bounds)
        assert list(metric.bounds) == sorted(set(metric.bounds))
        assert f"`{metric.name}`" in reference_table()
    assert not any("tenant" in metric.labels for metric in METRICS)
    assert {metric.name for metric in catalogue(tenants=True) if "tenant" in metric.labels} == {
        "ondol_requests_total", "ondol_tokens_total", "ondol_cost_nano_total",
    }  # fmt: skip


@given(st.text(max_size=120))
def test_any_label_is_read_as_it_was_told(text: str) -> None:
    registry = Registry(PLAIN)
    registry.add("c_total", (text,), 3)
    (found,) = (dict(labels)["model"] for (name, labels) in samples(exposition(registry)) if name == "c_total")
    assert found == text[:100]


def test_half_a_character_does_not_cost_the_page() -> None:
    registry = Registry(PLAIN)
    registry.add("c_total", ("a\ud800",))
    assert samples(exposition(registry))["c_total", (("model", "a?"),)] == 1


@given(st.lists(st.integers(0, 5_000), max_size=50))
def test_a_histogram_says_how_many_are_not_above_each_bound(values: list[int]) -> None:
    registry = Registry(PLAIN)
    start = registry.cell("h_seconds", ("m",))
    bounds = registry.metrics["h_seconds"].bounds
    for value in values:
        registry.values[start + sum(value > bound for bound in bounds)] += 1
        registry.values[start + len(bounds) + 1] += value
    found = samples(exposition(registry))
    for edge, most in (("0.0001", 100), ("0.001", 1_000), ("+Inf", 10**9)):
        assert found["h_seconds_bucket", (("le", edge), ("model", "m"))] == sum(value <= most for value in values)
    assert found["h_seconds_count", (("model", "m"),)] == len(values)
    assert found["h_seconds_sum", (("model", "m"),)] == pytest.approx(sum(values) / 1e6)


def test_money_is_exact_where_floating_numbers_are_not() -> None:
    registry = Registry()
    registry.add("ondol_cost_nano_total", ("m", "KRW"), 2**53)
    registry.add("ondol_cost_nano_total", ("m", "KRW"))
    assert b'currency="KRW"} 9007199254740993\n' in exposition(registry)


def test_labels_are_bounded() -> None:
    registry = Registry(PLAIN, label_values_max=3)
    for number in range(10):
        registry.add("c_total", (f"m{number}",))
    found = samples(exposition(registry))
    assert found == {("c_total", (("model", f"m{number}"),)): 1.0 for number in range(3)} | {("c_total", (("model", OTHER),)): 7.0}


def test_label_sets_are_bounded_and_what_is_lost_is_counted() -> None:
    registry = Registry(series_max=5)
    for number in range(50):
        registry.add("ondol_requests_total", (f"r{number % 7}", f"m{number}", "answered"))
    found = samples(exposition(registry))
    requests = {labels: value for (name, labels), value in found.items() if name == "ondol_requests_total"}
    assert len(requests) == 6
    assert sum(requests.values()) == 50
    assert requests[("model", OTHER), ("outcome", OTHER), ("route", OTHER)] == 45
    assert found["ondol_metric_series_other_total", (("metric", "ondol_requests_total"),)] == 45


def test_a_gauge_that_nobody_tells_is_not_told() -> None:
    registry = Registry(PLAIN)
    registry.put("g", 1.5)
    assert samples(exposition(registry)) == {("g", ()): 1.5}
    registry.clear_gauges()
    assert samples(exposition(registry)) == {}


def test_an_unknown_metric_or_label_is_a_mistake() -> None:
    registry = Registry(PLAIN)
    with pytest.raises(KeyError):
        registry.cell("nothing")
    with pytest.raises(ValueError, match="has the labels"):
        registry.cell("c_total", ("a", "b"))


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from("abc"), st.integers(0, 9)), max_size=60))
def test_the_sum_of_workers_is_what_one_worker_would_have_counted(events: list[tuple[int, str, int]]) -> None:
    workers = [Registry(PLAIN) for _ in range(3)]
    alone = Registry(PLAIN)
    for place, model, count in events:
        workers[place].add("c_total", (model,), count)
        alone.add("c_total", (model,), count)
    summed = Registry(PLAIN)
    for worker in workers:
        for series, cells in worker.rows():
            summed.merge(series.metric.name, series.labels, cells)
    assert samples(exposition(summed)) == samples(exposition(alone))
