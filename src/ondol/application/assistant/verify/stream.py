"""Checks an answer while it is written: a sentence goes out when it has been checked, and as the policy says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast, get_args

from ondol.application.assistant.citations import CitationGate
from ondol.application.assistant.verify.claims import Passage
from ondol.application.assistant.verify.verdict import Reason, Span, Verdict, Verified, verify_sentence
from ondol.application.knowledge.sentences import split_sentences
from ondol.core.errors import RequestError

Showing: TypeAlias = Literal["show", "strike", "remove"]

_MARK = re.compile(r"\[(\d{1,3})\]")
_CONTINUES = re.compile(r"(?:\s?\[\d{1,3}\])*[.!?,;:)»”’\"'。！？]{0,3}\s*")
_LEADING_MARKS = re.compile(r"(?:\s?\[\d{1,3}\])+[.!?,;:)»”’\"'。！？]{0,3}")
_FENCE = re.compile(r"^[ \t]*(?:```|~~~).*$", re.MULTILINE)
_TRAILING_MARKS = re.compile(r"(?:\s?\[\d{1,3}\])+[.!?,;:。！？]{0,3}\s*\Z")


@dataclass(frozen=True, slots=True)
class VerificationPolicy:
    """What becomes of sentences that their sources do not bear out.

    Attributes:
        unsupported, partial: shown as they are (and told in the answer's summary), struck through, or left out.
    """

    unsupported: Showing = "remove"
    partial: Showing = "show"

    def of(self, verdict: Verdict) -> Showing:
        """What is done with a sentence of this verdict."""
        return "show" if verdict == "supported" else self.partial if verdict == "partial" else self.unsupported


def verification_policy(settings: Any) -> VerificationPolicy:
    """Read an assistant's setting `verification`: ``{"unsupported": "remove", "partial": "show"}``.

    Raises:
        RequestError: when it says anything else.
    """
    told = settings if settings is not None else {}
    if not isinstance(told, dict) or not set(told) <= {"unsupported", "partial"} or not all(value in get_args(Showing) for value in told.values()):
        raise RequestError(
            "`verification` of an assistant may set `unsupported` and `partial`, each to show, strike or remove.",
            "Mend the assistant's settings.",
            code="invalid_setting",
            param="verification",
        )
    return VerificationPolicy(**cast("dict[str, Showing]", told))


@dataclass(frozen=True, slots=True)
class Checked:
    """One sentence of an answer and what was found.

    Attributes:
        start, end: where it stands in what went out, half-open, in characters; -1 when it was left out.
        numbers: of the sources that it cites.
        spans: sentences of those sources that it rests on; `source` is the number of the source.
    """

    start: int
    end: int
    verdict: Verdict
    coverage: float
    numbers: tuple[int, ...]
    spans: tuple[Span, ...]
    reasons: tuple[Reason, ...]

    @property
    def is_left_out(self) -> bool:
        """Whether it was not shown."""
        return self.start < 0


class AnswerVerifier:
    """Takes a model's text in pieces and gives out what is cited and checked.

    Args:
        passages: what the model was given, in order; marks run from 1.

    Attributes:
        checked: the sentences so far, in order.
        text: all that went out.
    """

    def __init__(self, passages: Sequence[Passage], policy: VerificationPolicy) -> None:
        self.checked: list[Checked] = []
        self.text = ""
        self._gate = CitationGate(len(passages))
        self._passages = passages
        self._policy = policy
        self._waiting = ""

    @property
    def cited(self) -> list[int]:
        """Numbers of the sources of what went out, in order."""
        shown = [number for one in self.checked if not one.is_left_out for number in one.numbers]
        return sorted(set(shown))

    def push(self, piece: str) -> Iterator[str]:
        """Take the next piece of the model's text and give what may be shown now."""
        for cited in self._gate.push(piece):
            if self._waiting and _CONTINUES.fullmatch(cited) is None:
                yield from self._settle()
            self._waiting += cited
        if self._waiting and self._gate.has_moved_on:
            yield from self._settle()

    def finish(self) -> Iterator[str]:
        """Give what of the rest may be shown."""
        self._waiting += "".join(self._gate.finish())
        yield from self._settle()

    def add(self, text: str, quotes: Sequence[tuple[str, int]]) -> str:
        """Add words that are not the model's, and give what goes out: they are not checked, but the quotes in them are.

        Args:
            quotes: sentences in the order in which they stand there, each before its mark, and the numbers of their sources.
        """
        begin, place = len(self.text), 0
        for quote, number in quotes:
            sentence = f"{quote} [{number}]"
            start = text.index(sentence, place)
            place = start + len(sentence)
            verified = check_sentence(sentence, [self._passages[number - 1]])
            spans = tuple(Span(number, span.start, span.end) for span in verified.spans)
            self.checked.append(Checked(begin + start, begin + place, verified.verdict, verified.coverage, (number,), spans, verified.reasons))
        return "".join(self._give(text))

    def _settle(self) -> Iterator[str]:
        waiting, self._waiting = self._waiting, ""
        pieces = list(_sentences(waiting))
        marks = [tuple(dict.fromkeys(int(number) for number in _MARK.findall(waiting[start:end]))) for start, end in pieces]
        place = 0
        for number, (start, end) in enumerate(pieces):
            # A mark cites what stands before it, back to the mark before.
            own = marks[number] or next((later for later in marks[number + 1 :] if later), self._last_numbers())
            before, sentence = waiting[place:start], waiting[start:end]
            place = end
            shown = self._check(before, sentence, own)
            if shown:
                yield shown
        yield from self._give(waiting[place:])

    def _check(self, before: str, sentence: str, numbers: tuple[int, ...]) -> str:
        cited = [self._passages[number - 1] for number in numbers if 1 <= number <= len(self._passages)]
        verified = check_sentence(sentence, cited)
        showing = self._policy.of(verified.verdict)
        shown = "" if showing == "remove" else _struck(sentence) if showing == "strike" else sentence
        out = "".join(self._give(before + shown)) if shown else ""
        start = len(self.text) - len(shown) if shown else -1
        spans = tuple(Span(numbers[span.source], span.start, span.end) for span in verified.spans)
        self.checked.append(
            Checked(start, start + len(shown) if shown else -1, verified.verdict, verified.coverage, numbers, spans, verified.reasons)
        )
        return out

    def _give(self, text: str) -> Iterator[str]:
        if not self.text:
            text = text.lstrip()
        if text:
            self.text += text
            yield text

    def _last_numbers(self) -> tuple[int, ...]:
        return self.checked[-1].numbers if self.checked else ()


def cited_sentences(text: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The sentences of a text that is whole, each with the numbers that it cites: its own marks, or else the next ones in its paragraph.

    Where a paragraph ends without a mark, its last sentences cite nothing.
    """
    pieces = list(_sentences(text))
    marks = [tuple(dict.fromkeys(int(number) for number in _MARK.findall(text[start:end]))) for start, end in pieces]
    numbers: tuple[int, ...] = ()
    found: list[tuple[str, tuple[int, ...]]] = []
    for place in reversed(range(len(pieces))):
        start, end = pieces[place]
        following = pieces[place + 1][0] if place + 1 < len(pieces) else end
        if "\n\n" in text[end:following]:
            numbers = ()
        numbers = marks[place] or numbers
        found.append((text[start:end], numbers))
    yield from reversed(found)


def summary_of(checked: Sequence[Checked]) -> dict[str, Any]:
    """The `verification` of an answer's `ondol` field: how many sentences were found what, and each that was shown with its exact spans.

    Of a sentence that was left out it says only that there was one and why by kind: its words are not the reader's.
    """
    counts = {verdict: sum(one.verdict == verdict for one in checked) for verdict in get_args(Verdict)}
    return {
        "sentences": len(checked),
        **counts,
        "left_out": sum(one.is_left_out for one in checked),
        "checks": [_told(one) for one in checked],
    }


def _told(one: Checked) -> dict[str, Any]:
    told: dict[str, Any] = {"verdict": one.verdict, "coverage": round(one.coverage, 2), "sources": list(one.numbers)}
    if one.is_left_out:
        return {**told, "left_out": True, "reasons": sorted({reason.kind for reason in one.reasons})}
    reasons = [{"kind": reason.kind, "said": reason.said} for reason in one.reasons]
    spans = [{"n": span.source, "start": span.start, "end": span.end} for span in one.spans]
    return {"start": one.start, "end": one.end, **told, "spans": spans, "reasons": reasons}


def _sentences(text: str) -> Iterator[tuple[int, int]]:
    """Sentences with the marks that follow them: a mark behind the full stop belongs to the sentence before it."""
    spans = split_sentences(text)
    place = 0
    while place < len(spans):
        start, end = spans[place]
        place += 1
        while place < len(spans):
            following, last = spans[place]
            marks = _LEADING_MARKS.match(text, following)
            if marks is None:
                break
            if marks.end() < last and text[marks.end() : last].strip():
                spans[place] = (marks.end() + len(text[marks.end() : last]) - len(text[marks.end() : last].lstrip()), last)
                end = marks.end()
                break
            end = last
            place += 1
        yield start, end


def check_sentence(sentence: str, cited: Sequence[Passage]) -> Verified:
    """The verdict on a sentence or a block of code, with its marks."""
    return _verify_code(sentence, cited) if _FENCE.search(sentence) else verify_sentence(sentence, cited)


def _verify_code(block: str, cited: Sequence[Passage]) -> Verified:
    """Code is quoted, not retold: each of its lines must stand in the passages."""
    lines = ["".join(line.split()).lower() for line in _MARK.sub("", _FENCE.sub("", block)).splitlines()]
    lines = [line for line in lines if line]
    held = [line for line in lines if any(line in one.squeezed for one in cited)]
    coverage = len(held) / len(lines) if lines else 1.0
    if coverage == 1.0:
        return Verified("supported", coverage)
    missing = next(line for line in lines if line not in held)
    return Verified("partial" if held else "unsupported", coverage, (Reason("words", missing[:100]),))


def _struck(sentence: str) -> str:
    marks = _TRAILING_MARKS.search(sentence)
    words = sentence[: marks.start()] if marks else sentence
    return f"~~{words}~~{sentence[len(words) :]}"
