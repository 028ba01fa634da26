"""JUnit's XML, as build servers read it: a result is a test case, what misses a threshold a failure, what has no answer or score an error."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from xml.sax.saxutils import escape, quoteattr

from ondol.application.evaluation.export.report import Report, Results, is_broken, missed_by, name_of
from ondol.application.evaluation.runs import Kept

TEXT_CHARACTERS_MAX = 4_000
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold in any form."""


async def junit_xml(report: Report, results: Results) -> AsyncIterator[str]:
    """The document, piece by piece."""
    run = report.run
    skipped = report.statuses["skipped"]
    failures = 0
    async for kept in results():
        failures += not is_broken(kept) and bool(missed_by(run, kept))
    counts = f'tests="{run.total}" failures="{failures}" errors="{report.broken}" skipped="{skipped}" time="{report.latency_ms / 1000:.3f}"'
    yield '<?xml version="1.0" encoding="UTF-8"?>\n'
    yield f"<testsuites name={_attribute(run.suite_name)} {counts}>\n"
    yield f'<testsuite name={_attribute(run.suite_name)} {counts} timestamp="{run.created_at:%Y-%m-%dT%H:%M:%S}" hostname="ondol">\n<properties>\n'
    for name, value in _properties(report):
        yield f"<property name={_attribute(name)} value={_attribute(value)}/>\n"
    yield "</properties>\n"
    async for kept in results():
        yield _case(report, kept)
    for number in range(skipped):
        yield f'<testcase name="not asked {number + 1}" classname={_attribute(run.suite_name)} time="0"><skipped/></testcase>\n'
    yield "</testsuite>\n</testsuites>\n"


def _case(report: Report, kept: Kept) -> str:
    run, result = report.run, kept.result
    name, time = _attribute(name_of(kept, run.repeats)), f"{result.answer.latency_ms / 1000:.3f}"
    head = f'<testcase name={name} classname={_attribute(run.suite_name)} time="{time}">'
    said = f"<system-out>{_text(result.answer.text)}</system-out>" if result.answer.text else ""
    if result.answer.status != "ok":
        status = result.answer.status
        return f"{head}<error type={_attribute(status)} message={_attribute(result.answer.error or status)}/>{said}</testcase>\n"
    broken = next(((name, score) for name, score in result.scores.items() if score.status not in ("ok", "skipped")), None)
    if broken is not None:
        told = f"{broken[0]}: {broken[1].reason or broken[1].status}"
        return f"{head}<error type={_attribute(broken[1].status)} message={_attribute(told)}/>{said}</testcase>\n"
    missed = missed_by(run, kept)
    if not missed:
        return f"{head}{said}</testcase>\n"
    reasons = "\n".join(f"{name} is {result.scores[name].value:g}. {result.scores[name].reason}" for name in missed)
    message = f"{', '.join(missed)} below what is wanted"
    return f'{head}<failure type="threshold" message={_attribute(message)}>{_text(reasons)}</failure>{said}</testcase>\n'


def _properties(report: Report) -> list[tuple[str, str]]:
    run = report.run
    told = [("run", str(run.id)), ("target", run.digests.target_name), ("suite", run.digests.suite), ("outcome", run.outcome or run.state)]
    for figure in report.figures:
        found = figure.measured
        value = "" if figure.interval is None else f"{figure.interval.value:.6g}"
        told.append((f"mean.{found.name}", value))
        told.append((f"coverage.{found.name}", f"{len(found.values)}/{found.total}"))
    return told


def _attribute(text: str) -> str:
    return quoteattr(_FORBIDDEN.sub("\ufffd", text[:TEXT_CHARACTERS_MAX]), {"\n": "&#10;", "\t": "&#9;", "\r": "&#13;"})


def _text(text: str) -> str:
    return escape(_FORBIDDEN.sub("\ufffd", text[:TEXT_CHARACTERS_MAX]), {"\r": "&#13;"})
