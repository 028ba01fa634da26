"""The Prometheus text format, version 0.0.4."""

from __future__ import annotations

from collections.abc import Iterator

from ondol.infrastructure.telemetry.catalogue import Metric
from ondol.infrastructure.telemetry.metrics import ABSENT, Registry

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


def exposition(registry: Registry) -> bytes:
    """All series of a registry, metric by metric. A metric that has none is told by its head, so that dashboards know it."""
    lines: dict[str, list[str]] = {metric.name: _head(metric) for metric in registry.metrics.values()}
    for series, cells in registry.rows():
        metric = series.metric
        if metric.kind == "gauge" and cells[0] == ABSENT:
            continue
        pairs = [f'{name}="{value.translate(_ESCAPES)}"' for name, value in zip(metric.labels, series.labels, strict=True)]
        if metric.kind == "histogram":
            lines[metric.name] += _histogram(metric, pairs, cells)
        else:
            lines[metric.name].append(f"{metric.name}{_braced(pairs)} {_told(cells[0], metric.scale)}")
    # A lone surrogate in a label must not cost the whole page.
    return ("\n".join(line for of_metric in lines.values() for line in of_metric) + "\n").encode("utf-8", "replace")


def _head(metric: Metric) -> list[str]:
    text = metric.help.replace("\\", "\\\\").replace("\n", "\\n")
    return [f"# HELP {metric.name} {text}", f"# TYPE {metric.name} {metric.kind}"]


def _histogram(metric: Metric, pairs: list[str], cells: list[int]) -> Iterator[str]:
    count = 0
    for bound, within in zip((*metric.bounds, None), cells[:-1], strict=True):
        count += within
        edge = "+Inf" if bound is None else _told(bound, metric.scale)
        braced = _braced([*pairs, f'le="{edge}"'])
        yield f"{metric.name}_bucket{braced} {count}"
    yield f"{metric.name}_sum{_braced(pairs)} {_told(cells[-1], metric.scale)}"
    yield f"{metric.name}_count{_braced(pairs)} {count}"


def _braced(pairs: list[str]) -> str:
    return "{" + ",".join(pairs) + "}" if pairs else ""


def _told(value: int, scale: int) -> str:
    return str(value) if scale == 1 else repr(value / scale)
