"""Which passages beyond the best few are read: those that look as if they held an answer of the form that a question asks for."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeAlias

from ondol.application.assistant.definition import defines
from ondol.application.assistant.doing import bounds
from ondol.application.assistant.forms import Form
from ondol.application.assistant.listing import Listed, enumerates, heads, is_headed
from ondol.application.assistant.words import lower
from ondol.application.knowledge.search import Evidence

PROMISING_MAX = 6
"""So many passages beyond the usual number are read."""
PROMISING_MIN = 0.5
RUNNING_ON_MAX = 3
"""Of so many passages those beside them are read as well."""
FOREIGN_PENALTY = 0.5
"""A passage in another language than the question promises less."""

Grader: TypeAlias = Callable[[Evidence], float]

_ALONE = re.compile(r"(?m)(?:\A|(?<=\n\n))[^\n.:;]{2,60}(?=\n\n)")
"""A line that may be a heading inside a passage."""
_LISTS = re.compile(r"(?m)^(?:[-*+•·]|\d{1,2}[.)])\s+\S|^[^;:\n]{1,80}: [^;\n]+; [^;:\n]{1,80}: \S|^[`*_\"]?[^:\n]{1,60} : \S")


def graders(form: Form, question: str) -> tuple[Grader, ...]:
    """How to tell what promises an answer; none where the best passages are as good as any."""
    if form.subjects:
        return tuple(_of_subject(subject) for subject in form.subjects)
    if form.listed is not None:
        return (_of_listed(form.listed),)
    return (_of_counted(form.counted, question),) if form.counted is not None else ()


def with_promising(form: Form, question: str, evidence: Sequence[Evidence], usual: int, language: str) -> tuple[Evidence, ...]:
    """The usual number of best passages, and of the others those that promise most; for several subjects some of each.

    Args:
        language: of the question; passages in it come before others.
    """
    usual_ones, others = tuple(evidence[:usual]), evidence[usual:]
    chosen: list[Evidence] = []
    kinds = graders(form, question)
    for grader in kinds:
        graded = [
            (grader(found) - (0.0 if found.version.language == language else FOREIGN_PENALTY), -place)
            for place, found in enumerate(others)
            if found not in chosen
        ]
        best = sorted((grade for grade in graded if grade[0] >= PROMISING_MIN), reverse=True)[: PROMISING_MAX // len(kinds)]
        chosen += [others[-place] for _, place in best]
    return usual_ones + tuple(chosen)


def may_run_on(form: Form, evidence: Sequence[Evidence]) -> tuple[Evidence, ...]:
    """The passages that hold a part of a list that is asked for, if it may begin before them or go on behind them; the surest first."""
    if form.listed is None:
        return ()
    listed = form.listed
    graded = [
        (is_headed(found.headings[-1] if found.headings else found.version.details.title, listed), -place)
        for place, found in enumerate(evidence)
        if _LISTS.search(found.text)
    ]
    return tuple(evidence[-place] for grade, place in sorted(graded, reverse=True)[:RUNNING_ON_MAX] if grade >= PROMISING_MIN)


def _of_subject(subject: str) -> Grader:
    return lambda found: defines(subject, found)


def _of_listed(listed: Listed) -> Grader:
    def grade(found: Evidence) -> float:
        """Where the headings name the things, and all the more where a list or a sentence that counts up stands below them."""
        whole = heads("\n".join((found.version.details.title, *found.headings)), listed)
        name = found.headings[-1] if found.headings else found.version.details.title
        above = (name, *_ALONE.findall(found.text))
        nearest, tight = max(heads(line, listed) for line in above), max(is_headed(line, listed) for line in above)
        return 0.5 * whole + 0.5 * nearest + 0.3 * tight + 0.5 * (_LISTS.search(found.text) is not None or enumerates(found.text) >= 1.0) - 0.5

    return grade


def _of_counted(counted: str, question: str) -> Grader:
    """Where a limit is told, and all the more the more words of the question are beside it."""
    words = Listed(question)

    def grade(found: Evidence) -> float:
        bound = bounds(lower(found.text), counted)
        return bound * (0.5 + heads("\n".join((found.version.details.title, *found.headings, found.text)), words)) if bound else 0.0

    return grade
