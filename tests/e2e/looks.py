"""How pages of the console look, as facts that are the same on every machine.

Where the parts that a layout gives their place stand, and their colours, sizes of type and corners as the style sheets make them. Letters differ from
machine to machine, so no pixels are compared. `scripts/pictures.py` takes the facts anew, and a picture beside them for people.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from playwright.sync_api import Browser, Page

STORED: Final = Path(__file__).with_name("looks.json")
PAGES: Final = ("/sign-in", "/", "/home", "/usage", "/keys", "/keys/new", "/guard/try")
FRAME: Final = (".bar", ".brand", ".side", "main", "main h1", ".page-head", ".side-link[aria-current]")
"""Parts of every page with a frame; a section that is new is compared by them at once."""
CALM_TILE: Final = ".tile:not(.bad, .caution)"
"""A tile whose figure is as it should be: which ones are depends on what else the platform was asked meanwhile."""
PARTS: Final = (
    *FRAME, ".lead", ".tiles", CALM_TILE, f"{CALM_TILE} dt", f"{CALM_TILE} dd", ".chart", ".part h2", ".table-scroll", ".table th", ".table td",
    ".segments a", ".button.primary", ".field", ".field label", ".field input", ".field textarea", ".composer", ".composer textarea", ".example",
    "#switch-language",
)  # fmt: skip
PLACED: Final = frozenset({".bar", ".side", "main", ".page-head", ".tiles", ".chart", ".table-scroll", ".field", ".composer"})
"""Parts whose place and width come from the layout and not from the words in them."""
NEAR_PX: Final = 24
"""A scroll bar may take its place or not."""

Facts: TypeAlias = dict[str, dict[str, Any]]
"""Of each part that is seen: the computed values, and for those that are placed the left edge and the width in CSS pixels."""

_READ: Final = """([parts, placed]) => Object.fromEntries(parts.flatMap(part => {
  const shown = [...document.querySelectorAll(part)].find(one => one.checkVisibility() && one.getClientRects().length);
  if (!shown) return [];
  const style = getComputedStyle(shown), box = shown.getBoundingClientRect();
  const facts = {
    ink: style.color, ground: style.backgroundColor, type: style.fontSize, weight: style.fontWeight, corner: style.borderTopLeftRadius,
    display: style.display,
  };
  if (placed.includes(part)) Object.assign(facts, {left: Math.round(box.left), width: Math.round(box.width)});
  return [[part, facts]];
}))"""


@dataclass(frozen=True, slots=True)
class Look:
    """A way in which people see the console."""

    name: str
    language: Literal["ko", "en"] = "ko"
    scheme: Literal["light", "dark"] = "light"
    width: int = 1280

    @contextmanager
    def window(self, browser: Browser, state: Any = None) -> Iterator[Page]:
        """A window that shows it, of whoever the state of a browser says."""
        context = browser.new_context(
            locale="ko-KR" if self.language == "ko" else "en-GB", color_scheme=self.scheme, viewport={"width": self.width, "height": 820},
            reduced_motion="reduce", storage_state=state,
        )  # fmt: skip
        try:
            yield context.new_page()
        finally:
            context.close()


LOOKS: Final = (Look("light"), Look("dark", scheme="dark"), Look("english", language="en"), Look("phone", width=390))


def facts_of(page: Page) -> Facts:
    """The facts of the page that a window shows."""
    found: Facts = page.evaluate(_READ, [list(PARTS), sorted(PLACED)])
    return found


def differences(wanted: Mapping[str, Mapping[str, Any]], found: Facts) -> list[str]:
    """What differs from the facts that are wanted, in words. Parts that nobody wants may be there."""
    told = []
    for part, facts in wanted.items():
        seen = found.get(part)
        if seen is None:
            told.append(f"{part} is not seen")
            continue
        for name, value in facts.items():
            if abs(value - seen[name]) > NEAR_PX if isinstance(value, int) else value != seen[name]:
                told.append(f"{part}: {name} is {seen[name]}, not {value}")
    return told


def read_stored() -> dict[str, dict[str, Facts]]:
    """The stored facts by look and page."""
    stored: dict[str, dict[str, Facts]] = json.loads(STORED.read_text("utf-8"))
    return stored


def write_stored(facts: Mapping[str, Mapping[str, Facts]]) -> None:
    """Store facts, a line for each part, so that a change is read in a diff."""
    looks = []
    for look, pages in facts.items():
        shown = []
        for address, parts in pages.items():
            lines = ",\n".join(f"   {json.dumps(part)}: {json.dumps(values)}" for part, values in parts.items())
            shown.append(f"  {json.dumps(address)}: {{\n{lines}\n  }}")
        looks.append(f" {json.dumps(look)}: {{\n" + ",\n".join(shown) + "\n }")
    STORED.write_text("{\n" + ",\n".join(looks) + "\n}\n", "utf-8")
