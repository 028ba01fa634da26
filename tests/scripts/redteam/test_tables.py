"""The tables of scans."""

from __future__ import annotations

from ondol.infrastructure.guard.garak_report import DetectorQuality, GarakReport, Tally
from scripts.redteam.tables import changes_of, lines_of_change, lines_of_scan, rows_of, totals_of

QUALITIES = {"dan.DAN": DetectorQuality(1.0, 0.75)}


def report(*tallies: Tally) -> GarakReport:
    return GarakReport("0.17.1", tallies, frozenset(tally.probe for tally in tallies))


BEFORE = report(Tally("p.A", "dan.DAN", 10, 10, 0, 10, 10, 0, 0, 0), Tally("p.B", "x.X", 4, 0, 4, 0, 0, 0, 0, 0))
AFTER = report(Tally("p.A", "dan.DAN", 10, 10, 0, 10, 4, 8, 3, 0), Tally("p.B", "x.X", 4, 4, 0, 4, 0, 4, 0, 0))


def test_rows_hold_each_rate_and_why_one_is_absent() -> None:
    first, second = rows_of(BEFORE, QUALITIES)
    assert (first["raw"]["value"], first["corrected"]["value"], first["correction"]) == (1.0, 1.0, "corrected")
    assert (second["raw"], second["corrected"], second["correction"]) == (None, None, "no_answers")
    assert rows_of(AFTER, QUALITIES)[1]["correction"] == "no_metrics"
    assert rows_of(AFTER, QUALITIES)[0]["corrected"]["value"] == 0.2


def test_two_scans_are_compared_where_both_were_judged() -> None:
    (change,) = changes_of(BEFORE, AFTER)
    assert (change["probe"], change["change"]["value"]) == ("p.A", 0.9)
    assert change["change"]["low"] < 0.9 < change["change"]["high"] <= 1.0


def test_tables_have_one_line_for_each_row() -> None:
    before, after = rows_of(BEFORE, QUALITIES), rows_of(AFTER, QUALITIES)
    told = list(lines_of_scan("The guard watches", before))
    assert len(told) == 4 and "100% (72% to 100%)" in told[2] and told[3].endswith("-")
    changed = list(lines_of_change(before, after, changes_of(BEFORE, AFTER)))
    assert len(changed) == 2 and "10% (2% to 40%)" in changed[1]


def test_totals_are_sums() -> None:
    assert totals_of(AFTER) == {"judged": 14, "hits": 4, "refused": 12, "refused_hits": 3, "unanswered": 0, "korean": 0}
