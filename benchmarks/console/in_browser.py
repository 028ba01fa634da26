"""What a person's browser makes of each page: when something is seen, and what stands in the way of people who use it otherwise."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, sync_playwright

from benchmarks.console.server_side import percentile
from benchmarks.console.stand import SESSION, Stand

LANGUAGES: Final = ("ko", "en")
FLAGS: Final = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
_PAINTED: Final = """() => new Promise(done => {
  const told = () => { const [first] = performance.getEntriesByName("first-contentful-paint"); if (first) done(first.startTime); return first };
  if (!told()) new PerformanceObserver(told).observe({type: "paint", buffered: true});
})"""


class NoBrowser(Exception):
    """Chromium is not installed on this machine."""


@dataclass(slots=True)
class Seen:
    """What was seen of some pages in one language.

    Attributes:
        paints: milliseconds from the click to the first text, by address.
        faults: serious and critical faults that axe found, each with its page.
        foreign: addresses of other hosts that a page asked for.
    """

    paints: dict[str, float] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)


@contextlib.contextmanager
def opened(stand: Stand, language: str) -> Iterator[Page]:
    """A window of Chromium in which the owner is signed in.

    Raises:
        NoBrowser: there is none.
    """
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        raise NoBrowser("Chromium is not installed.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        context = browser.new_context(
            locale="ko-KR" if language == "ko" else "en-GB", viewport={"width": 1280, "height": 820}, reduced_motion="reduce"
        )  # fmt: skip
        context.add_cookies([{"name": SESSION, "value": stand.token, "url": stand.address}])
        yield context.new_page()
        browser.close()


def look(stand: Stand, addresses: Sequence[str], language: str, until: float) -> Seen:
    """Open each page in one language, as far as there is time.

    Args:
        until: by the clock of `time.monotonic`.
    """
    seen, axe, host = Seen(), Axe(), urlsplit(stand.address).netloc
    with opened(stand, language) as page:
        page.on("request", lambda request: None if urlsplit(request.url).netloc in (host, "") else seen.foreign.append(request.url))
        page.goto(stand.address)  # the assets are kept from now on, as they are by everybody who comes again
        for address in addresses:
            if time.monotonic() > until:
                break
            page.goto(stand.address + address)
            seen.paints[address] = float(page.evaluate(_PAINTED))
            found = axe.run(page).response["violations"]
            seen.faults += [f"{address} ({language}): {fault['id']}" for fault in found if fault["impact"] in {"serious", "critical"}]
    return seen


def browser_figures(stand: Stand, addresses: Sequence[str], until: float) -> dict[str, Any]:
    """The figures of all pages in both languages, by name; the two are looked at side by side."""
    with ThreadPoolExecutor(len(LANGUAGES)) as pool:
        both = list(pool.map(lambda language: look(stand, addresses, language, until), LANGUAGES))
    paints = {f"{address} ({language})": ms for language, seen in zip(LANGUAGES, both, strict=True) for address, ms in seen.paints.items()}
    slowest = sorted(paints.items(), key=lambda item: -item[1])[:5]
    return {
        "first_paint_p95_ms": percentile(list(paints.values()), 0.95),
        "first_paint_max_ms": percentile(list(paints.values()), 1.0),
        "first_paint_slowest_ms": {name: round(ms, 1) for name, ms in slowest},
        "axe_serious_violations": sum(len(seen.faults) for seen in both) if paints else None,
        "axe_faults": [fault for seen in both for fault in seen.faults],
        "axe_pages": len(paints),
        "requests_to_other_hosts": sum(len(seen.foreign) for seen in both),
    }
