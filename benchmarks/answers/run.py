"""How often answers are right: `python -m benchmarks.answers [--quick] [--json]`."""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.answers.base import Told, open_base
from benchmarks.answers.questions import Question, Verdict, golden, judge, korquad, ordinary
from benchmarks.data import DataAbsent
from benchmarks.machine import machine
from ondol.application.evaluation.statistics.rates import wilson

KORQUAD_COUNT = 200


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="without KorQuAD, neither its questions nor its paragraphs; under 50 s")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.add_argument("--wrong", action="store_true", help="print the questions that were not answered right")
    options = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory(prefix="ondol-benchmark-") as temporary:
            Path(temporary).chmod(0o711)
            figures, told = asyncio.run(run(Path(temporary, "data"), quick=options.quick))
    except DataAbsent as absent:
        sys.exit(str(absent))
    show(figures)
    if options.wrong:
        show_wrong(told)
    if options.json:
        print(json.dumps(figures, ensure_ascii=False))


async def run(folder: Path, *, quick: bool) -> tuple[dict[str, object], list[tuple[Question, Told]]]:
    """All figures, by name, and what was said to each question.

    Args:
        folder: for the installation's data.
    """
    questions = [*ordinary(), *([] if quick else korquad(KORQUAD_COUNT)), *golden()]
    async with open_base(folder, with_korquad=not quick) as base:
        told = [(question, await base.ask(question.assistant, question.text, question.asker)) for question in questions]
    seconds = [item.seconds for _, item in told]
    return {
        "sets": table_of([(question, judge(question, item)) for question, item in told]),
        "leaks": sum(words in item.everything for question, item in told for words in question.hidden),
        "answer_p50_ms": round(statistics.median(seconds) * 1000, 1),
        "answer_p95_ms": round(statistics.quantiles(seconds, n=20)[18] * 1000, 1),
        "machine": machine(),
    }, told


def table_of(judged: Sequence[tuple[Question, Verdict]]) -> list[dict[str, object]]:
    """For each set and language how many were right, refused and wrong, and the share of what was to be with its interval.

    To be is `refused` where the documents do not hold the answer, else `right`.
    """
    counts: dict[tuple[str, str], Counter[Verdict]] = {}
    wanted: dict[tuple[str, str], Verdict] = {}
    for question, verdict in judged:
        key = (question.part, question.language)
        counts.setdefault(key, Counter())[verdict] += 1
        wanted[key] = "right" if question.answerable or question.hidden else "refused"
    rows: list[dict[str, object]] = []
    for (part, language), counted in sorted(counts.items()):
        total = counted.total()
        good = counted[wanted[part, language]]
        rate = wilson(good, total)
        numbers = {verdict: counted[verdict] for verdict in ("right", "refused", "wrong")}
        interval = {"share": round(rate.value, 3), "low": round(rate.low, 3), "high": round(rate.high, 3)}
        rows.append({"set": part, "language": language, "asked": total, **numbers, **interval})
    return rows


def show(figures: dict[str, object]) -> None:
    """The table for people."""
    print(f"{'set':24} {'':3} {'asked':>5} {'right':>6} {'refused':>8} {'wrong':>6}  as it should be")
    sets = figures["sets"]
    assert isinstance(sets, list)
    for row in sets:
        interval = f"{row['share']:.1%} ({row['low']:.1%} to {row['high']:.1%})"
        print(f"{row['set']:24} {row['language']:3} {row['asked']:5} {row['right']:6} {row['refused']:8} {row['wrong']:6}  {interval}")
    print(f"\nleaks {figures['leaks']}; an answer takes {figures['answer_p50_ms']} ms (p50), {figures['answer_p95_ms']} ms (p95)\n")


def show_wrong(told: Sequence[tuple[Question, Told]]) -> None:
    """What was asked and said where that was not as it should be."""
    for question, item in told:
        verdict = judge(question, item)
        if verdict != ("right" if question.answerable or question.hidden else "refused"):
            print(f"{question.part}, {verdict}: {question.text}\n    {' / '.join(item.text.splitlines())}\n    {', '.join(item.paths)}")


if __name__ == "__main__":
    main()
