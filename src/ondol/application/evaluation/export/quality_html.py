"""The quality report as one HTML file to show to people: no script, nothing from elsewhere, figures only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from typing import Final, Literal, TypeAlias

from markupsafe import Markup

import ondol
from ondol.application.evaluation.export.html import BAR_WIDTH, PACKAGE, Bar, bar_of, environment, hash_of, shown
from ondol.application.evaluation.export.quality import LANGUAGE, Line, PartName, Quality, State, state_of
from ondol.application.evaluation.export.quality_words import QUALITY_WORDS, Language, QualityWords, told
from ondol.application.evaluation.export.report import Figure
from ondol.application.evaluation.statistics.intervals import BOUNDS

Tone: TypeAlias = Literal["good", "bad", "open", ""]
TONES: Final[dict[State, Tone]] = {"reached": "good", "likely": "good", "open": "open", "missed": "bad", "plain": ""}
GROUPS: Final[dict[str, tuple[State, ...]]] = {"good": ("reached",), "bad": ("missed",), "open": ("likely", "open")}
SLICE_VALUES_SHOWN_MAX: Final = 40


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure as it is shown: its value, its bar, how good it is, and on how many cases it rests."""

    value: str
    bar: Bar | None
    tone: Tone
    cases: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A metric as it is shown.

    Attributes:
        label: in a few words; `name` is the suite's own, where the label stands twice in its part.
        sentence: what it says, with its value.
        interval, goal: in words; empty where there is none.
        cells: of each language of the report; None where it was not told apart.
    """

    label: str
    name: str
    sentence: str
    interval: str
    goal: str
    state: State
    tone: Tone
    whole: Cell
    cells: tuple[Cell | None, ...]
    line: Line


@dataclass(frozen=True, slots=True, kw_only=True)
class Sliced:
    """The metrics of a part by the values of one slice."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell | None, ...]], ...]


def quality_page(quality: Quality, *, title: str, made_at: datetime, language: Language = "en") -> str:
    """The page.

    Args:
        title: whose quality it is.
    """
    package, words = resources.files(PACKAGE), QUALITY_WORDS[language]
    style = "".join((package / name).read_text("utf-8") for name in ("report.css", "quality.css"))
    rows = {part: _rows(quality, part, language) for part in quality.parts}
    counts = Counter(line.state for line in quality.lines("reached", "likely", "open", "missed"))
    template = environment().from_string((package / "quality.html").read_text("utf-8"))
    return template.render(
        quality=quality,
        title=title,
        made_at=made_at,
        language=language,
        words=words,
        style=Markup(style),  # noqa: S704 - they are files of ours
        style_hash=hash_of(style),
        tone="bad" if counts["missed"] else "open" if counts["open"] else "good" if counts else "",
        verdict=_verdict(words, counts),
        rows=rows,
        leads={part: _lead(part, lines) for part, lines in rows.items()},
        groups=[(group, [row for lines in rows.values() for row in lines if row.state in states]) for group, states in GROUPS.items()],
        sliced={part: _sliced(lines, words) for part, lines in rows.items()},
        gaps=[_gap(quality, number, rows, words) for number in range(len(quality.gaps))],
        costs=_costs(quality),
        lost=next((source.report.lost for source in quality.sources if source.report.lost is not None), None),
        tones={"PASS": "good", "FAIL": "bad"},
        width=BAR_WIDTH,
        version=ondol.__version__,
    )


def _verdict(words: QualityWords, counts: Counter[State]) -> str:
    """The report in a few sentences."""
    goals, reached = counts.total(), counts["reached"] + counts["likely"]
    if not goals:
        return words.no_goals
    said = [(words.all_reached if reached == goals else words.some_reached).format(goals=goals, reached=reached)]
    further: tuple[tuple[str, State], ...] = ((words.likely_count, "likely"), (words.open_count, "open"), (words.missed_count, "missed"))
    return " ".join(said + [sentence.format(counts[state]) for sentence, state in further if counts[state]])


def _rows(quality: Quality, part: PartName, language: Language) -> tuple[Row, ...]:
    lines = quality.parts[part]
    labels = [told(line, part, language)[0] for line in lines]
    return tuple(_row(line, part, quality.languages, language, is_twice=labels.count(label) > 1) for line, label in zip(lines, labels, strict=True))


def _row(line: Line, part: PartName, languages: Sequence[str], language: Language, *, is_twice: bool) -> Row:
    words, figure = QUALITY_WORDS[language], line.figure
    label, sentence = told(line, part, language)
    unit, interval = figure.metric.unit, figure.interval
    nothing = line.wanted == 0 and figure.metric.better == "lower" and interval is not None and interval.value == 0
    goal = ""
    if line.wanted is not None:
        form = words.goal_least if figure.metric.better == "higher" else words.goal_most
        goal = words.goal_none if line.wanted == 0 and figure.metric.better == "lower" else form.format(shown(line.wanted, unit))
    between = ""
    if nothing:
        between = words.none_found.format(f"{len(figure.measured.values):,}")
    elif interval is not None and interval.high > interval.low and _value(figure) != "0":
        between = words.interval.format(low=shown(interval.low, unit), high=shown(interval.high, unit))
    return Row(
        label=label,
        name=figure.metric.name if is_twice else "",
        sentence=f"{label}: {between}." if nothing else sentence.format(value=_value(figure)),
        interval="" if nothing else between,
        goal=goal,
        state=line.state,
        tone=TONES[line.state],
        whole=_cell(figure, line.wanted),
        cells=tuple(None if (found := line.of(each)) is None else _cell(found, line.wanted) for each in languages),
        line=line,
    )


def _cell(figure: Figure, wanted: float | None) -> Cell:
    measured = figure.measured
    bar = (
        bar_of(figure, wanted) if wanted is not None or figure.metric.unit in BOUNDS else None
    )  # a scale without an end needs a goal to say anything
    return Cell(_value(figure), bar, TONES[state_of(figure, wanted)], len(measured.values), measured.total)


def _value(figure: Figure) -> str:
    if figure.interval is not None and figure.metric.unit == "nano" and not figure.interval.value:
        return "0"
    return shown(figure.interval.value if figure.interval is not None else None, figure.metric.unit)


def _lead(part: PartName, rows: Sequence[Row]) -> Row | None:
    """What stands for a part on the first screen: the first share with a goal, of a run that tells of the part alone where there is one."""
    goals = [row for row in rows if row.state != "plain" and row.line.figure.metric.unit == "share"] or list(rows)
    own = [row for row in goals if row.line.run.digests.target_name.startswith(f"{part}/")]
    return next(iter(own or goals), None)


def _sliced(rows: Sequence[Row], words: QualityWords) -> list[Sliced]:
    """The metrics of a part by each slice but the language, which has columns of its own."""
    names = dict.fromkeys(name for row in rows for name, _ in row.line.slices if name != LANGUAGE)
    tables = []
    for name in names:
        columns = [row for row in rows if any(each == name for each, _ in row.line.slices)]
        values = list(dict.fromkeys(value for row in columns for each, value in row.line.slices if each == name))[:SLICE_VALUES_SHOWN_MAX]
        told_rows = []
        for value in values:
            found = [row.line.slices.get((name, value)) for row in columns]
            cells = tuple(None if one is None else _cell(one, row.line.wanted) for one, row in zip(found, columns, strict=True))
            told_rows.append((words.values.get(value, value), cells))
        labels = tuple(f"{row.label} · {row.name}" if row.name else row.label for row in columns)
        tables.append(Sliced(name=words.slices.get(name, name), columns=labels, rows=tuple(told_rows)))
    return tables


def _gap(quality: Quality, number: int, rows: dict[PartName, tuple[Row, ...]], words: QualityWords) -> str:
    gap = quality.gaps[number]
    row = next(row for lines in rows.values() for row in lines if row.line is gap.line)
    low, high = (_value(found) if (found := gap.line.of(each)) is not None else "" for each in (gap.worse, gap.better))
    names = [words.languages.get(each, each) for each in (gap.worse, gap.better)]
    return words.gap.format(label=row.label, worse=names[0], low=low, better=names[1], high=high)


def _costs(quality: Quality) -> list[tuple[str, str]]:
    """What all answers cost and what a thousand would, by currency."""
    spent = quality.spent
    return [(_money(nano, currency), _money(1_000 * nano / max(1, spent.answers), currency)) for currency, nano in sorted(spent.cost_nano.items())]


def _money(nano: float, currency: str) -> str:
    return f"{nano / 1e9:,.2f} USD" if currency == "USD" else f"{nano / 1e9:,.0f} {currency}"
