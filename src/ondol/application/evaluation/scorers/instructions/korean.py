"""Instructions that only Korean knows: levels of speech, syllables, letters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TypeAlias

from ondol.application.evaluation.scorers.instructions.arguments import Arguments, BadArgument
from ondol.application.knowledge.sentences import split_sentences

_IsRight: TypeAlias = Callable[[str], bool]

_SYLLABLE = re.compile("[가-힣]")
_OTHER_LETTER = re.compile("[^\\W\\d_가-힣\u1100-\u11ff\u3130-\u318f]")
_HANJA = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_LEADING = re.compile(r"[^\w]*")
_TRAILING = re.compile(r"[^가-힣A-Za-z0-9]+\Z")
_FORMAL = re.compile(r"(?:니다|니까|십시오|십시다|시오)\Z")
_POLITE = re.compile(r"[요죠]\Z")
_PLAIN = re.compile(r"(?:[다까]|[냐니라자지])\Z")


def ends_formally(text: str, _told: Arguments) -> bool:
    """Every Korean sentence ends in 합쇼체: `-습니다`, `-ㅂ니까`, `-십시오`."""
    return _all_end(text, lambda ending: _FORMAL.search(ending) is not None)


def ends_politely(text: str, _told: Arguments) -> bool:
    """Every Korean sentence ends in 해요체: `-요`, `-죠`."""
    return _all_end(text, lambda ending: _POLITE.search(ending) is not None)


def ends_plainly(text: str, _told: Arguments) -> bool:
    """Every Korean sentence ends in 해라체: `-다`, `-냐`, `-라`, `-자`, and not in 합쇼체."""
    return _all_end(text, lambda ending: _PLAIN.search(ending) is not None and _FORMAL.search(ending) is None)


def counts_syllables(text: str, told: Arguments) -> bool:
    """Hangul syllables, as `relation` and `num_syllables` say."""
    return told.compares(len(_SYLLABLE.findall(text)), "relation", "num_syllables")


def counts_characters(text: str, told: Arguments) -> bool:
    """Characters without white space, as Korean forms count them by `공백 제외`, as `relation` and `num_characters` say."""
    return told.compares(len("".join(text.split())), "relation", "num_characters")


def is_hangul_only(text: str, _told: Arguments) -> bool:
    """All letters are Hangul, and there is one; figures and punctuation do not count."""
    return _OTHER_LETTER.search(text) is None and _SYLLABLE.search(text) is not None


def has_no_hanja(text: str, _told: Arguments) -> bool:
    """No Chinese character stands in it."""
    return _HANJA.search(text) is None


def is_acrostic(text: str, told: Arguments) -> bool:
    """삼행시: as many lines as `word` has syllables, each beginning with its own; a line may say the syllable in front, as in `김: 김이 나는`."""
    word = "".join(told.text("word").split())
    if not _SYLLABLE.fullmatch(word[:1]):
        raise BadArgument("`word` is a Korean word")
    lines = [line for line in (_LEADING.sub("", line, count=1) for line in text.splitlines()) if line]
    return len(lines) == len(word) and all(line.startswith(syllable) for line, syllable in zip(lines, word, strict=True))


def _all_end(text: str, is_right: _IsRight) -> bool:
    endings = list(_endings(text))
    return bool(endings) and all(map(is_right, endings))


def _endings(text: str) -> Iterator[str]:
    """The sentences with Hangul, without what stands behind their last word; headings and lines of a list without a verb are sentences too."""
    for start, end in split_sentences(text):
        sentence = text[start:end]
        if _SYLLABLE.search(sentence):
            yield _TRAILING.sub("", sentence[-200:])
