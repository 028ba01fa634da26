"""Prompt injection and jailbreaks: rules over the squeezed view, and a linear model as a second opinion.

A rule is an anchor, a phrase that is rare in honest texts, and what has to stand near it: a verb of overriding beside an object of instruction beside
where those came from. The squeezed view has neither spaces nor signs, so that spacing tricks do not matter; what is honest about a match (a
question, a quotation, a negation) is looked up in the text as it was given. Rules named ``injection.direct`` are about what people type,
``injection.indirect`` about what stands in documents and tools' results and speaks to the model; a policy names the family that fits its stage.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from ondol.infrastructure.guard.checks.base import PatternCheck, ViewName
from ondol.infrastructure.guard.checks.injection_phrases import CHOSEONG_CHARACTERS_MIN, CHOSEONG_CONFIDENCE, MARKERS, PHRASES_KO
from ondol.infrastructure.guard.checks.injection_rules import RULES, InjectionRule
from ondol.infrastructure.guard.linear import LinearModels
from ondol.infrastructure.guard.patterns import Match, Pattern, PatternSet
from ondol.infrastructure.guard.text import GuardText
from ondol.infrastructure.guard.types import WHOLE_TEXT, Finding

CELL_CHARACTERS = 128
"""Anchors of one rule within one such cell are looked at together, so that a text made of anchors costs no more than its length."""
AROUND_CHARACTERS_MAX = 400
"""No rule looks further than this from its anchor, in characters of the squeezed view."""
ASKED_ABOUT_CHARACTERS_MAX = 400
"""A longer text is not excused as a question about an attack."""
QUOTE_CHARACTERS_MAX = 300
EXCUSED = 0.5
"""What is left of the confidence of a match that is quoted, asked about or negated."""
SUPPORTED_BY_MODEL = 0.4
"""What a model that is sure adds to a rule that is not sure by itself."""

TENSED_BLOCK_CHARACTERS = 64
TENSED_SHARE_MIN = 0.2
"""Where so much of a block has tensed or doubled consonants, which is several times the usual, sounds are made plain and it is looked at again."""

_LEADING = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"

_ASKING = re.compile(
    r"what (?:does|do|is|are)|what's|why |explain|meaning|how (?:do|can|should|would) (?:i|we|you|one)|how to|detect"
    r"|prevent|classif|defen[cds]|protect|mitigat|example of|in class|blog post|article|research"
    r"|뜻|의미|설명|왜 |위험|막으|막는|막아|탐지|분류|예방|방어|사례|뭔가요|뭐고|무엇인가요|교육|연구|필터가 필요"
)
_FIRST_PERSON = re.compile(
    r"(?:can|should|may|could|shall|do|did|must|if|when|why (?:did|does|do|should)|is it (?:ok|okay|safe|fine|legal|possible) for)"
    r" (?:i|we|my \w+|our \w+|people|one|he|she|they)(?: \w+){0,2} $"
    r"|how (?:do|can) (?:i|we) (?:make|get|configure|set) (?:\w+ ){1,3}$"
    r"|(?:told|tells|asks|asked|wants|tempted|decided|refused|chose)(?: me| us| him| her| them)? (?:not )?to $"
    r"|(?:do not|don't|never|is it (?:ok|okay|safe|fine|legal|possible) to) $"
)
_QUOTES = (("'", "'"), ('"', '"'), ("“", "”"), ("‘", "’"), ("「", "」"), ("`", "`"))


class InjectionCheck(PatternCheck):
    """Finds injections and jailbreaks.

    Confidence is that of the rule, halved when the match is quoted or asked about, or, for the models, one half at the threshold that was
    fixed on calibration texts. Rules: ``injection.direct.*``, ``injection.indirect.*``, with ``.model`` for the models' and ``.marker``
    for fake roles.
    """

    name = "injection"
    is_pure = True
    reach = WHOLE_TEXT
    view: ViewName = "squeezed"
    patterns: Sequence[Pattern]

    def __init__(self, models: LinearModels | None = None) -> None:
        """The models default to those that come with the guard."""
        self.models = models if models is not None else LinearModels.packaged()
        self._rules = (*RULES, *_choseong_rules())
        self.patterns = tuple(Pattern(rule.anchor) for rule in self._rules)

    @cached_property
    def false_alarm_rates(self) -> tuple[tuple[float, float], ...]:
        """Rates of false alarms of the direct model on calibration texts, each with the confidence that gives it."""
        return self.models.false_alarm_rates("direct")

    def confirm(self, text: GuardText, matches: Sequence[Match]) -> Sequence[Finding]:
        """Findings of rules, fake roles, models and of what is encoded in the text."""
        findings = self._by_rules(text, text.squeezed.text, self._rules, matches) if matches else []
        findings += _markers(text)
        plain = _plain_sounds(text.squeezed.text)
        if plain:
            rules, patterns = _plain_rules()
            findings += self._by_rules(text, plain, rules, patterns.scan(plain))
        if findings or not self.models.is_silent(text, "direct", "indirect"):
            findings = self._with_models(text, findings)
        for layer in text.layers:
            inner = [item for item in self.find(layer.text) if item.confidence >= 0.5]
            if inner:
                best = max(inner, key=lambda item: item.confidence)
                findings.append(replace(best, start=layer.start, end=layer.end, reason=f"decoded {layer.kind}"))
        return sorted(findings, key=lambda item: (item.start, item.end, item.rule)) if len(findings) > 1 else findings

    def _with_models(self, text: GuardText, findings: Sequence[Finding]) -> list[Finding]:
        """What rules found, made surer by the models, and what the models find by themselves."""
        scores = self.models.scores_of(text)
        findings = [_supported(item, scores["indirect" if ".indirect." in item.rule else "direct"].confidence) for item in findings]
        for family, entity in (("direct", "PROMPT_INJECTION"), ("indirect", "INDIRECT_INJECTION")):
            score = scores[family]
            if score.confidence >= 0.5:
                start, end = text.folded.span(score.start, score.end)
                confidence = score.confidence * (EXCUSED if _asked_about(text.original, start, end) else 1.0)
                findings.append(Finding(self.name, f"injection.{family}.model", start, end, confidence, "model", entity))
        return findings

    def _by_rules(self, text: GuardText, letters: str, rules: Sequence[InjectionRule], matches: Sequence[Match]) -> list[Finding]:
        cells: dict[tuple[int, int], tuple[int, int]] = {}
        for match in matches:
            cell = (match.pattern, match.start // CELL_CHARACTERS)
            first, last = cells.get(cell, (match.start, match.end))
            cells[cell] = (min(first, match.start), max(last, match.end))
        findings = []
        for (pattern, _), (first, last) in cells.items():
            rule = rules[pattern]
            span = _confirmed(rule, letters, first, last)
            if span is not None:
                start, end = text.squeezed.span(*span)
                confidence = rule.confidence * (EXCUSED if _asked_about(text.original, start, end) else 1.0)
                reason = "phrase" if confidence == rule.confidence else "quoted or asked about"
                findings.append(Finding(self.name, f"injection.{rule.name}", start, end, confidence, reason, rule.entity))
        return findings


def _choseong_rules() -> tuple[InjectionRule, ...]:
    """A rule for each of `PHRASES_KO` that looks for its first consonants; of other letters, all."""
    found: dict[str, InjectionRule] = {}
    for name, phrase in PHRASES_KO:
        letters = "".join(_LEADING[(ord(char) - 0xAC00) // 588] if "가" <= char <= "힣" else char.lower() for char in phrase if char.isalnum())
        if len(letters) >= CHOSEONG_CHARACTERS_MIN:
            found.setdefault(letters, InjectionRule(f"direct.{name}", letters, confidence=CHOSEONG_CONFIDENCE))
    return tuple(found.values())


@lru_cache(maxsize=1)
def _sounds() -> dict[int, int]:
    """Syllables with a tensed first consonant or a doubled last one, and the plain syllable that sounds nearly the same."""
    leading = {1: 0, 4: 3, 8: 7, 10: 9, 13: 12}
    final = {2: 1, 6: 4, 15: 8, 18: 17, 20: 19}
    found = {}
    for place in range(11172):
        first, vowel, last = place // 588, place // 28 % 21, place % 28
        plain = leading.get(first, first) * 588 + vowel * 28 + final.get(last, last)
        if plain != place:
            found[0xAC00 + place] = 0xAC00 + plain
    return found


@lru_cache(maxsize=1)
def _is_tensed() -> NDArray[np.bool_]:
    """For each code point below 0x10000, and one more for all others."""
    table = np.zeros(0x10001, np.bool_)
    table[list(_sounds())] = True
    return table


@lru_cache(maxsize=1)
def _plain_rules() -> tuple[tuple[InjectionRule, ...], PatternSet]:
    """The Korean rules with plain sounds in what they look for, and their automaton."""
    rules = tuple(
        replace(
            rule,
            anchor=rule.anchor.translate(_sounds()),
            needs=tuple(needed.translate(_sounds()) for needed in rule.needs),
            never=rule.never.translate(_sounds()),
        )
        for rule in RULES
        if any("가" <= char <= "힣" for char in rule.anchor) and ".direct" in f".{rule.name}"
    )
    patterns = PatternSet([Pattern(rule.anchor) for rule in rules])
    patterns.compile()
    return rules, patterns


def _plain_sounds(letters: str) -> str:
    """The text with plain sounds, or nothing when no part of it has more tensed or doubled consonants than people write."""
    if letters.isascii():
        return ""
    codes = np.frombuffer(letters.encode("utf-32-le", "surrogatepass"), np.uint32)
    tensed = _is_tensed().take(codes, mode="clip")
    starts, most = _tensed_blocks(len(letters))
    if b"\1" not in (np.add.reduceat(tensed, starts, dtype=np.int32) >= most).tobytes():
        return ""
    return letters.translate(_sounds())


@lru_cache(maxsize=256)
def _tensed_blocks(length: int) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
    """Where the blocks of a text of so many letters begin, and how many tensed or doubled consonants are too many in each."""
    starts = np.arange(0, length, TENSED_BLOCK_CHARACTERS)
    sizes = np.diff(np.append(starts, length))
    share = TENSED_SHARE_MIN if length > TENSED_BLOCK_CHARACTERS else 1e-9
    counts = np.arange(TENSED_BLOCK_CHARACTERS + 1)
    return starts, np.array([np.argmax(counts / size >= share) for size in sizes], np.int32)


def _confirmed(rule: InjectionRule, text: str, first: int, last: int) -> tuple[int, int] | None:
    """Where the anchor and what it needs stand, or None when something is missing."""
    last = min(last, first + CELL_CHARACTERS + AROUND_CHARACTERS_MAX)
    begin = max(first - rule.before, 0)
    window = text[begin : last + rule.after]
    low, high = first, last
    for needed in _needs(rule.needs):
        found = needed.search(window)
        if found is None:
            return None
        low, high = min(low, begin + found.start()), max(high, begin + found.end())
    if rule.never and _needs((rule.never,))[0].match(text[last : last + 16]):
        return None
    return low, high


@lru_cache(maxsize=256)
def _needs(expressions: tuple[str, ...]) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(expression) for expression in expressions)


def _markers(text: GuardText) -> list[Finding]:
    folded = text.folded.text
    findings = []
    if "<" in folded or "[" in folded or "###" in folded:
        for marker in MARKERS:
            place = folded.find(marker)
            if place >= 0:
                start, end = text.folded.span(place, place + len(marker))
                confidence = 0.45 * (EXCUSED if _asked_about(text.original, start, end) else 1.0)
                findings.append(Finding("injection", "injection.direct.marker", start, end, confidence, "fake role", "PROMPT_INJECTION"))
    return findings


def _supported(finding: Finding, model: float) -> Finding:
    """A rule that is not sure by itself becomes surer by what the model says."""
    if finding.confidence >= 0.5 or finding.reason.startswith("quoted"):
        return finding
    return replace(finding, confidence=min(finding.confidence + SUPPORTED_BY_MODEL * model, 0.95))


def _asked_about(original: str, start: int, end: int) -> bool:
    """Whether a short text quotes what was found and asks about it, or speaks of the writer's own doing."""
    before = original[max(start - 48, 0) : start].lower()
    if _FIRST_PERSON.search(before):
        return True
    if len(original) > ASKED_ABOUT_CHARACTERS_MAX:
        return False
    return _ASKING.search(_outside(original, start, end).lower()) is not None and _quoted(original, start, end)


def _quoted(original: str, start: int, end: int) -> bool:
    for opening, closing in _QUOTES:
        left = original.rfind(opening, max(start - QUOTE_CHARACTERS_MAX, 0), start + 1)
        right = original.find(closing, max(end - 1, start + 1), end + QUOTE_CHARACTERS_MAX)
        if left >= 0 and right >= 0 and left < right:
            return True
    # Somebody who asks what a phrase means may leave the quotation marks out.
    return original.lower().startswith(
        ("what does", "what is meant by", "why is", "why does", "explain why", "explain what", "how do i detect", "how do i prevent")
    )


def _outside(original: str, start: int, end: int) -> str:
    return original[:start] + " " + original[end:]
