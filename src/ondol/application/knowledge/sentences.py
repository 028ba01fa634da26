"""Sentences of Korean and English text, by rules and in one pass.

Preferring too long to too short: a sentence that is cut in two is quoted wrongly, two that stay together are only checked together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

LOOK_BACK_CHARS = 40
"""So much before a full stop is looked at."""

# A run of terminators with closing quotes and brackets, then space or the end. A line end always ends a sentence.
_END = re.compile(
    r"(?P<line>\n)"
    r"|(?P<stop>[.!?\u2026]+)(?P<closing>[\"'\u201d\u2019\u300d\u300f)\]*_]*)(?=\s|\Z)"
    r"|(?P<full>[\u3002\uff01\uff1f]+[\"'\u201d\u2019\u300d\u300f)\]]*)"
    r"|(?<=[\uac00-\ud7a3])(?P<tight>[.!?]+)(?=[\uac00-\ud7a3])"
)
_BACKTICKS = re.compile("`+")

# The word before a full stop, with the stops inside it (as in "e.g").
_WORD_BEFORE = re.compile(r"[^\s(\[\"'\u201c\u2018\u300c\u300e]+$")
_NEXT_WORD = re.compile(r"\s*[\"'\u201c\u2018(\[*_]*(\S{1,30})")

# Never the end of a sentence.
_ABBREVIATIONS = frozenset(
    {
        "e.g",
        "i.e",
        "cf",
        "vs",
        "viz",
        "approx",
        "mr",
        "mrs",
        "ms",
        "dr",
        "prof",
        "rev",
        "gen",
        "sen",
        "rep",
        "gov",
        "st",
        "mt",
        "fig",
        "figs",
        "eq",
        "eqs",
        "sec",
        "secs",
        "ch",
        "vol",
        "vols",
        "no",
        "nos",
        "pp",
        "ed",
        "eds",
        "al",
        "ca",
        "incl",
        "excl",
        "resp",
        "dept",
        "est",
        "tel",
        "ext",
        "fr",
        "jan",
        "feb",
        "mar",
        "apr",
        "jun",
        "jul",
        "aug",
        "sep",
        "sept",
        "oct",
        "nov",
        "dec",
        "mon",
        "tue",
        "wed",
        "thu",
        "fri",
        "sat",
        "sun",
    }
)
# The end of a sentence only where a word follows that begins one.
_MAYBE_END = frozenset(
    {"inc", "ltd", "co", "corp", "llc", "etc", "jr", "sr", "a.m", "p.m", "u.s", "u.k", "u.n", "e.u", "ph.d", "b.c", "a.d", "d.c", "v", "bros", "plc"}
)
_STARTERS = frozenset(
    {
        "the",
        "this",
        "that",
        "these",
        "those",
        "it",
        "its",
        "he",
        "she",
        "we",
        "you",
        "they",
        "i",
        "a",
        "an",
        "in",
        "on",
        "at",
        "if",
        "when",
        "while",
        "for",
        "from",
        "to",
        "by",
        "with",
        "as",
        "but",
        "and",
        "or",
        "so",
        "however",
        "therefore",
        "there",
        "here",
        "please",
        "our",
        "your",
        "their",
        "his",
        "her",
        "all",
        "any",
        "each",
        "some",
        "no",
        "not",
        "after",
        "before",
        "once",
        "since",
        "until",
        "unless",
        "although",
        "because",
        "then",
        "also",
        "use",
        "see",
        "set",
        "run",
        "open",
        "click",
        "select",
        "enter",
        "go",
        "add",
        "check",
        "make",
        "sure",
        "do",
        "does",
        "is",
        "are",
        "can",
        "what",
        "how",
        "why",
        "which",
        "who",
        "where",
    }
)
# Korean words before "no full stop" numbers are dates or headings ("2026. 4. 1.", "제1조.", "가.").
_NUMBER = re.compile(r"[0-9]{1,4}")
_DATE_BEFORE = re.compile(r"[0-9]\.\s+[0-9]{1,2}$")
_LIST_MARKER = re.compile(r"(?:[-*+•·]\s+)?(?:[0-9]{1,3}(?:\.[0-9]{1,3})*|[A-Za-z]|[ivxIVX]{1,5}|[가나다라마바사아자차카타파하])")
_LABEL = re.compile(r"(?:[-*+•·]\s+)?[^\s.!?]{1,12}\s[0-9]{1,3}")
_KOREAN_ENDING = re.compile(
    "(?:니다|습니까|세요|셔요|어요|아요|해요|돼요|예요|에요|이다|한다|된다|있다|없다|했다|였다|았다|었다|는다|네요|군요|지요|죠|까요|나요)$"
)


def split_sentences(text: str) -> list[tuple[int, int]]:
    """Half-open character offsets of the sentences, in order, without the white space around them.

    Every character that is not white space belongs to exactly one sentence. Ends are ``.``, ``?``, ``!``, ``…`` before white space, their
    full-width forms, and line ends; not those in abbreviations, dates, numbers, addresses, list markers or code in backticks.
    Linear in the length of the text.
    """
    sentences: list[tuple[int, int]] = []
    start = 0
    for end in _ends(text):
        _add(sentences, text, start, end)
        start = end
    _add(sentences, text, start, len(text))
    return sentences


def _add(sentences: list[tuple[int, int]], text: str, start: int, end: int) -> None:
    piece = text[start:end]
    stripped = piece.strip()
    if stripped:
        begin = start + len(piece) - len(piece.lstrip())
        sentences.append((begin, begin + len(stripped)))


def _ends(text: str) -> Iterator[int]:
    code = _code_spans(text)
    span_start, span_end = next(code, (len(text), len(text)))
    start = 0
    for match in _END.finditer(text):
        while match.start() >= span_end and span_end < len(text):
            span_start, span_end = next(code, (len(text), len(text)))
        if span_start <= match.start() < span_end:
            continue
        if _is_end(text, match, start):
            start = match.end()
            yield start


def _code_spans(text: str) -> Iterator[tuple[int, int]]:
    """Code between equal runs of backticks. Runs of one or two do not reach over a line end, longer ones (fences) do."""
    runs = [(match.start(), match.end()) for match in _BACKTICKS.finditer(text)]
    following: list[int | None] = [None] * len(runs)  # the next run of the same length
    last: dict[int, int] = {}
    for index in range(len(runs) - 1, -1, -1):
        length = runs[index][1] - runs[index][0]
        following[index] = last.get(length)
        last[length] = index
    index = 0
    next_line_end = -1
    while index < len(runs):
        begin, after = runs[index]
        partner = following[index]
        if next_line_end < after:
            found = text.find("\n", after)
            next_line_end = found if found >= 0 else len(text)
        if partner is None or (after - begin < 3 and runs[partner][0] > next_line_end):
            index += 1
            continue
        yield begin, runs[partner][1]
        index = partner + 1


def _is_end(text: str, match: re.Match[str], start: int) -> bool:
    """Whether a terminator ends the sentence that began at `start`."""
    if match["line"] or match["full"]:
        return True
    before = text[max(start, match.start() - LOOK_BACK_CHARS) : match.start()]
    korean = _KOREAN_ENDING.search(before) is not None
    if match["tight"]:
        return korean and not text.startswith("한국", match.end())
    following = _NEXT_WORD.match(text, match.end())
    word = following[1] if following is not None else ""
    stop, closing = match["stop"], match["closing"]
    if not word or korean:
        return True
    if stop != ".":
        if stop.strip(".") == "" or stop.endswith("\u2026"):  # an ellipsis
            return word[0].isupper()
        return not (closing and word[0].islower())
    return _full_stop_ends(before, word, len(before) == match.start() - start)


def _full_stop_ends(before: str, following: str, is_whole: bool) -> bool:
    """Whether a single full stop ends a sentence.

    Args:
        before: the text of the sentence up to the full stop, or the end of it.
        following: the word after it.
        is_whole: whether `before` reaches back to the sentence's beginning.
    """
    if is_whole and (_LIST_MARKER.fullmatch(before.strip()) or _LABEL.fullmatch(before.strip())):
        return False
    found = _WORD_BEFORE.search(before)
    word = found[0] if found is not None else ""
    if word.lower() in _ABBREVIATIONS:
        return False
    is_initial = len(word) == 1 and word.isascii() and word.isupper()  # as in "J. Smith"
    if is_initial or word.lower() in _MAYBE_END:
        return following[0].isupper() and following.strip(".,;:!?\"')]}").lower() in _STARTERS
    if _NUMBER.fullmatch(word) and (following[0].isdigit() or _DATE_BEFORE.search(before)):
        return following[0].isascii() and following[0].isupper()  # "2026. 4. 1. 부터" is a date
    return True
