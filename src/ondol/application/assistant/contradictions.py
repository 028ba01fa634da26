"""Documents that say different things: two sentences of different documents that are alike but for one figure, where both are valid now.

A false alarm costs more trust than one that is missed. So both sentences must speak of the same things and of nothing else, below titles and headings
that narrow neither, deny the same and bound alike, and differ in one amount, one date or their times of day.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from ondol.application.assistant.types import Cited
from ondol.application.assistant.verify.amounts import Amount, amounts_of, clocks_of, dates_of
from ondol.application.assistant.verify.claims import Claim, read_claim, synonyms_of, terms_of
from ondol.application.assistant.words import stem_words
from ondol.application.knowledge.search import Evidence
from ondol.application.knowledge.sentences import split_sentences
from ondol.application.knowledge.store import ReadableVersion
from ondol.application.prompts import Language

PASSAGES_MAX = 8
"""The best passages of a search are looked through."""
SAID_MAX = 4
"""The sentences of an answer that are compared with them."""
SENTENCE_CHARACTERS_MAX = 400
SURE_TERMS = 4
"""Sentences that share so many words may stand below headings of which one says more."""

_DOING = """
take pay paid process complete handle make made give given get go happen occur last do done issue provide be become within usual normal current
처리 지급 완료 진행 소요 걸리 걸린다 이루어지 되 하 받 주 안 이내 내 이후 현재 보통 통상
"""
_KINDS = """
policy guide faq notice manual handbook document page info information term rule regulation overview announcement version draft update detail
open hour time
정책 안내 규정 공지 지침 문서 매뉴얼 약관 사항 정보 개요 자료 질문 자주 버전 안내문 공고 가이드 도움말 편람 내용 운영 이용 시간
"""
_WITHOUT_SUBJECT = frozenset((*_DOING.split(), *stem_words(_DOING.split())))
_OF_DOCUMENTS = frozenset((*_KINDS.split(), *stem_words(_KINDS.split())))
_INTRODUCED: Mapping[Language, str] = MappingProxyType(
    {
        "ko": "문서마다 내용이 다릅니다. 더 새로운 문서의 내용을 먼저 보여 드립니다.",
        "en": "The documents do not agree here; the newer one comes first.",
    }
)
_NEVER_DENIED = frozenset({"에", "에서", "으로", "의"})
"""`5일 안에` denies nothing."""
_BOUNDS = re.compile(
    r"\b(?:at least|minimum|or more|more than|from|at most|maximum|up to|or less|or fewer|less than|about|around|approximately)\b"
    r"|최소|최대|이상|이하|미만|초과|넘|약(?=\s?\d)|정도|평균",
    re.IGNORECASE,
)
_OLDEST = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Two sentences that cannot both be right; `source` of each is its index in the evidence."""

    newer: Cited
    older: Cited


def find_contradiction(said: Sequence[Cited], evidence: Sequence[Evidence]) -> Contradiction | None:
    """What contradicts a sentence that an answer rests on, if anything does.

    Args:
        said: sentences of the evidence that the answer quotes or rests on.
        evidence: what the asker may read, best first; the first `PASSAGES_MAX` are looked through.
    """
    for one in said[:SAID_MAX]:
        if len(one.text) > SENTENCE_CHARACTERS_MAX or "|" in one.text or not _figures(one.text):
            continue
        for place, item in enumerate(evidence[:PASSAGES_MAX]):
            if item.version.document_id == evidence[one.source].version.document_id:
                continue
            for start, end in split_sentences(item.text):
                other = Cited(item.text[start:end], place, start, end)
                if _contradicts(one, other, evidence):
                    first, second = sorted((one, other), key=lambda each: _newness(evidence[each.source].version), reverse=True)
                    return Contradiction(first, second)
    return None


def told_contradiction(found: Contradiction, evidence: Sequence[Evidence], numbers: Mapping[int, int], language: Language) -> str:
    """Both sentences with their marks, versions and dates, the newer one first, below a line that says that they differ."""
    lines = [_INTRODUCED[language], ""]
    for each in (found.newer, found.older):
        lines.append(f"- {each.text} [{numbers[each.source]}] ({_dated(evidence[each.source].version, language)})")
    return "\n".join(lines)


def contradiction_extension(found: Contradiction, evidence: Sequence[Evidence], numbers: Mapping[int, int]) -> list[dict[str, Any]]:
    """The `contradictions` of an answer's `ondol` field: the sources, the newer one first."""
    return [
        {
            "n": numbers[each.source],
            "quote": each.text,
            "version": evidence[each.source].version.declared_version,
            "valid_from": _day(evidence[each.source].version.valid_from),
            "valid_until": _day(evidence[each.source].version.valid_until),
        }
        for each in (found.newer, found.older)
    ]


def _contradicts(one: Cited, other: Cited, evidence: Sequence[Evidence]) -> bool:
    if len(other.text) > SENTENCE_CHARACTERS_MAX or "|" in other.text or not _differ_in_one(one.text, other.text):
        return False
    here, there = evidence[one.source], evidence[other.source]
    if not _is_valid_beside(here.version, there.version):
        return False
    claim, against = read_claim(one.text), read_claim(other.text)
    if not _alike(claim, against):
        return False
    shared = _subject(claim)
    narrower = [_only(_headings(first), _headings(second), shared) for first, second in ((here, there), (there, here))]
    if len(shared) >= SURE_TERMS:
        return not all(narrower)
    return not any(narrower) and (len(shared) > 1 or not _headings(here).isdisjoint(_headings(there)))


def _figures(text: str) -> bool:
    return bool(amounts_of(text) or dates_of(text) or clocks_of(text))


def _differ_in_one(text: str, other: str) -> bool:
    """Whether two sentences have the same kinds of figures, and all but one of them the same."""
    amounts, others = _by_unit(amounts_of(text)), _by_unit(amounts_of(other))
    if {unit: len(values) for unit, values in amounts.items()} != {unit: len(values) for unit, values in others.items()}:
        return False
    differing = sum(values != others[unit] for unit, values in amounts.items())
    if any(values != others[unit] and (len(values) > 1 or not unit) for unit, values in amounts.items()):
        return False
    dates, other_dates = dates_of(text), dates_of(other)
    if len(dates) != len(other_dates):
        return False
    unlike = [(mine, theirs) for mine, theirs in zip(dates, other_dates, strict=True) if not mine.is_same(theirs)]
    if any(bool(mine.year) != bool(theirs.year) or bool(mine.day) != bool(theirs.day) for mine, theirs in unlike):
        return False
    clocks = [sorted(minutes for minutes, _, _ in clocks_of(each)) for each in (text, other)]
    if len(clocks[0]) != len(clocks[1]):
        return False
    return differing + len(unlike) + (clocks[0] != clocks[1]) == 1


def _by_unit(amounts: Sequence[Amount]) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for amount in amounts:
        values.setdefault(amount.unit, []).append(str(amount.value))
    return {unit: sorted(told) for unit, told in values.items()}


def _alike(claim: Claim, other: Claim) -> bool:
    """Whether two sentences speak of the same things, and neither of more; deny the same, and take the same sides."""
    if set(claim.identifiers()) != set(other.identifiers()) or set(claim.names()) != set(other.names()):
        return False
    mine, theirs = _subject(claim), _subject(other)
    if not all(_holds(theirs, term) for term in mine) or not all(_holds(mine, term) for term in theirs):
        return False
    (denied, sides), (other_denied, other_sides) = _turns(claim), _turns(other)
    is_turned = any(-side in other_sides for side in sides)
    return denied == other_denied and not is_turned and _bounds(claim.said) == _bounds(other.said)


def _turns(claim: Claim) -> tuple[frozenset[str], frozenset[int]]:
    """What a sentence denies, and which sides of pairs of opposites it takes."""
    clauses = claim.clauses()
    denied = frozenset(term for clause in clauses for term in clause.denied if term not in _NEVER_DENIED)
    return denied, frozenset(side for clause in clauses for side in clause.sides)


def _bounds(text: str) -> frozenset[str]:
    """The words that bound its figures on one side."""
    return frozenset(found.lower() for found in _BOUNDS.findall(text))


def _subject(claim: Claim) -> frozenset[str]:
    return claim.terms - _WITHOUT_SUBJECT


def _headings(item: Evidence) -> frozenset[str]:
    return terms_of(" ".join((item.version.details.title, *item.headings))) - _OF_DOCUMENTS


def _only(terms: frozenset[str], others: frozenset[str], shared: frozenset[str]) -> bool:
    """Whether headings say something that neither the others nor the sentences do."""
    return any(not _holds(others | shared, term) for term in terms)


def _holds(terms: frozenset[str], term: str) -> bool:
    return term in terms or not terms.isdisjoint(synonyms_of(term))


def _is_valid_beside(version: ReadableVersion, other: ReadableVersion) -> bool:
    """Whether there is a moment at which both are valid."""
    begins = max(version.valid_from or _OLDEST, other.valid_from or _OLDEST)
    ends = [each.valid_until for each in (version, other) if each.valid_until is not None]
    return not ends or begins < min(ends)


def _newness(version: ReadableVersion) -> tuple[datetime, int, int]:
    return version.valid_from or _OLDEST, version.declared_version, version.id.int


def _dated(version: ReadableVersion, language: Language) -> str:
    """A version and since when it holds, in words."""
    number, since, until = version.declared_version, _day(version.valid_from), _day(version.valid_until)
    if language == "ko":
        told = [f"「{version.details.title}」", f"버전 {number}" if number else "", f"{since}부터" if since else "", f"{until}까지" if until else ""]
    else:
        told = [f"“{version.details.title}”", f"version {number}" if number else ""]
        told += [f"valid from {since}" if since else "", f"valid until {until}" if until else ""]
    return ", ".join(filter(None, told))


def _day(moment: datetime | None) -> str | None:
    return moment.date().isoformat() if moment is not None else None
