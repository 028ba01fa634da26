"""What the server takes for each page: the work of making it, and the answers of the API that it waits for."""

from __future__ import annotations

import gzip
import re
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.console.crawl import SECTIONS, Patterns, Visited, console_routes, crawl
from benchmarks.console.stand import Stand
from ondol.application.console.assets import load_assets

LEFT_OUT: Final = ("/static/{digest}/{path:path}", "/documents/{version_id}/original", "/sign-in", "/welcome")
"""Files, and pages of those who are not signed in."""
SLOWEST: Final = 5
_ID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")


@dataclass(frozen=True, slots=True)
class Render:
    """One page, made once.

    Attributes:
        worked_ms: processor time of all threads of the worker, its driver of the database and the API's code included: all but waiting.
        whole_ms: until the whole page was there.
    """

    pattern: str
    address: str
    worked_ms: float
    whole_ms: float


def find_pages(stand: Stand) -> tuple[list[Visited], list[str]]:
    """The console's pages as its owner finds them, and the routes to which no link leads at present: nothing of theirs is there."""
    pages = [path for method, path in console_routes() if method == "GET" and path not in LEFT_OUT]
    patterns = Patterns.of([path for method, path in console_routes() if method == "GET"])
    with stand.client() as client:
        found = [one for one in crawl(client, patterns, SECTIONS, lambda pattern: pattern not in pages) if one.answer.status_code == 200]
    reached = {one.pattern for one in found}
    return found, [path for path in pages if path not in reached]


def render(stand: Stand, addresses: Iterable[tuple[str, str]], rounds: int) -> list[Render]:
    """Ask for pages, one after the other, several times. Each was asked for before."""
    found = []
    with stand.client() as client:
        for pattern, address in [*addresses] * rounds:
            began, process, own = time.perf_counter(), time.process_time(), time.thread_time()
            client.get(address)
            worked = (time.process_time() - process) - (time.thread_time() - own)
            found.append(Render(pattern, address, worked * 1e3, (time.perf_counter() - began) * 1e3))
    return found


def server_figures(stand: Stand, visited: Sequence[Visited], rounds: int) -> dict[str, Any]:
    """The figures of the server, by name."""
    stand.calls.clear()
    renders = render(stand, [(one.pattern, one.address) for one in visited], rounds)
    calls = [call for call in stand.calls if call.method == "GET"]
    pages, routes = defaultdict[str, list[float]](list), defaultdict[str, list[float]](list)
    for one in renders:
        pages[one.address].append(one.worked_ms)
    for call in calls:
        asked = "&".join(f"{name}={value}" for name, value in call.query if name in ("by", "step"))
        routes[f"{_ID.sub('{id}', call.path)}{'?' if asked else ''}{asked}"].append(call.waited_ms)
    return {
        "render_p95_ms": percentile([one.worked_ms for one in renders], 0.95),
        "render_p50_ms": percentile([one.worked_ms for one in renders], 0.5),
        "whole_page_p95_ms": percentile([one.whole_ms for one in renders], 0.95),
        "render_slowest_ms": _slowest(pages),
        "api_p95_ms": percentile([call.waited_ms for call in calls], 0.95),
        "api_p50_ms": percentile([call.waited_ms for call in calls], 0.5),
        "api_routes": len(routes),
        "api_slowest_ms": _slowest(routes),
        "assets_kb_compressed": assets_kb_compressed(),
    }


def assets_kb_compressed() -> float:
    """All style sheets, scripts and pictures, each compressed by gzip, in kilobytes."""
    return round(sum(len(gzip.compress(asset.body, 9, mtime=0)) for asset in load_assets().by_path.values()) / 1e3, 1)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of values does not exceed; 0 of none."""
    ordered = sorted(values)
    place = max(0, -(-int(share * 1000) * len(ordered) // 1000) - 1)
    return round(ordered[place], 1) if ordered else 0.0


def _slowest(times: dict[str, list[float]]) -> dict[str, float]:
    """Those whose 95th percentile is the largest."""
    told = {name: percentile(values, 0.95) for name, values in times.items()}
    return dict(sorted(told.items(), key=lambda item: -item[1])[:SLOWEST])
