"""The generated pages of the documentation are what the code says."""

from __future__ import annotations

from pathlib import Path

from scripts.reference import REFERENCE, commands_page, errors_page, metrics_page, pages, settings_page, stale_pages


def test_the_committed_pages_are_current() -> None:
    assert stale_pages(REFERENCE) == [], "run `make docs`"


def test_a_changed_page_is_noticed(tmp_path: Path) -> None:
    for name, text in pages().items():
        (tmp_path / name).write_text(text, "utf-8")
    assert stale_pages(tmp_path) == []
    (tmp_path / "settings.md").write_text("something else", "utf-8")
    assert stale_pages(tmp_path) == ["settings.md"]


def test_the_pages_hold_what_they_are_for() -> None:
    assert "`http.port`" in settings_page()
    assert "## ondol up" in commands_page()
    assert "| `rate_limit_exceeded` | 429 |" in errors_page()
    assert "| `ondol_requests_total` | counter |" in metrics_page()
