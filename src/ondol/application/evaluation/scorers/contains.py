"""`contains_all`, `contains_any`, `not_contains`: words that an answer must say, or must not.

A figure is found only whole: `5GB` does not stand in `15GB`, nor `30,800` in `130,800`, nor `19` in `19.5`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from ondol.application.evaluation.scorers.base import Rule, Scorer, Tools, skipped
from ondol.application.evaluation.scorers.reference import bad_fact, too_long
from ondol.application.evaluation.scorers.settings import WORD_CHARACTERS_MAX, WORDS_MAX, Settings
from ondol.application.evaluation.types import Answer, Case, Score

Groups: TypeAlias = tuple[tuple[str, ...], ...]
"""Of each group, any one of its spellings will do."""

_GOES_ON_BEHIND = re.compile(r"[.,]?\d")
_GOES_ON_BEFORE = re.compile(r"\d[.,]?\Z")


def load_contains_all(name: str, settings: Mapping[str, Any], _tools: Tools) -> Scorer:
    """1 where every group of `facts.must_contain` has a spelling in the answer, else 0; with `partial`, the share of the groups.

    Groups are lists of spellings; a plain word is a group of one. A case without that fact must hold one of its expected answers.
    Settings: `words` (a list that holds for all cases instead), `partial` (false), `ignore_case` (true).
    """
    told = Settings(name, settings)
    words, partial, form = told.words("words"), told.flag("partial", default=False), _form(told)
    told.close()

    def score(groups: Groups, text: str) -> Score:
        missing = [list(group) for group in groups if not any(says(text, form(word)) for word in group)]
        value = 1 - len(missing) / len(groups) if partial else float(not missing)
        reason = f"it does not say {' or '.join(missing[0])}"[:500] if missing else ""
        return Score(value=value, reason=reason, details={"missing": missing})

    return Rule(name=name, of=_over(words, "must_contain", form, score))


def load_contains_any(name: str, settings: Mapping[str, Any], _tools: Tools) -> Scorer:
    """1 where any spelling of any group of `facts.must_contain`, or of the expected answers, stands in the answer; else 0.

    Settings: `words`, `ignore_case` (true).
    """
    told = Settings(name, settings)
    words, form = told.words("words"), _form(told)
    told.close()

    def score(groups: Groups, text: str) -> Score:
        found = next((word for group in groups for word in group if says(text, form(word))), None)
        return Score(value=float(found is not None), details={} if found is None else {"found": found})

    return Rule(name=name, of=_over(words, "must_contain", form, score))


def load_not_contains(name: str, settings: Mapping[str, Any], _tools: Tools) -> Scorer:
    """1 where none of `facts.must_not_contain` stands in the answer, else 0. A case without words to avoid is not spoken of.

    Settings: `words`, `ignore_case` (true).
    """
    told = Settings(name, settings)
    words, form = told.words("words"), _form(told)
    told.close()

    def score(groups: Groups, text: str) -> Score:
        found = [word for group in groups for word in group if says(text, form(word))]
        return Score(value=float(not found), reason=f"it says {found[0]}"[:500] if found else "", details={"found": found})

    return Rule(name=name, of=_over(words, "must_not_contain", form, score))


def says(text: str, word: str) -> bool:
    """Whether a word stands in a text, figures at its ends whole. Both are in the same form."""
    begins_with_digit, ends_with_digit = word[:1].isdigit(), word[-1:].isdigit()
    start = text.find(word)
    while start >= 0 and word:
        end = start + len(word)
        is_cut = (begins_with_digit and _GOES_ON_BEFORE.search(text[max(0, start - 2) : start])) or (
            ends_with_digit and _GOES_ON_BEHIND.match(text, end)
        )
        if not is_cut:
            return True
        start = text.find(word, start + 1)
    return False


def _form(told: Settings) -> Callable[[str], str]:
    ignore_case = told.flag("ignore_case", default=True)

    def form(text: str) -> str:
        text = " ".join(unicodedata.normalize("NFKC", text).split())
        return text.casefold() if ignore_case else text

    return form


def _over(words: tuple[str, ...], fact: str, form: Callable[[str], str], score: Callable[[Groups, str], Score]) -> Callable[[Case, Answer], Score]:
    """Finds the groups that hold for a case, and scores the answer in its form."""

    def of(case: Case, answer: Answer) -> Score:
        if refused := too_long(answer):
            return refused
        told = case.facts.get(fact)
        if words:
            groups: Groups | None = tuple((word,) for word in words)
        elif told is None:
            groups = (case.expected,) if case.expected and fact == "must_contain" else ()
        else:
            groups = _groups(told)
        if groups is None:
            return bad_fact(case, fact, "is a list of words, or of lists of spellings")
        return score(groups, form(answer.text)) if groups else skipped(f"the case says no `{fact}`")

    return of


def _groups(told: Any) -> Groups | None:
    if not isinstance(told, list | tuple) or len(told) > WORDS_MAX:
        return None
    groups = tuple(tuple(group) if isinstance(group, list | tuple) else (group,) for group in told)
    return groups if all(group and len(group) <= WORDS_MAX and _are_words(group) for group in groups) else None


def _are_words(group: Iterable[Any]) -> bool:
    return all(isinstance(word, str) and word.strip() and len(word) <= WORD_CHARACTERS_MAX for word in group)
