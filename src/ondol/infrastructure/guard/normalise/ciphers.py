"""Words written another way: rot13, backwards, or typed on the other language's keyboard. Found by the words that are known."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ondol.infrastructure.guard.normalise.found import Found
from ondol.infrastructure.guard.normalise.jamo import FINAL_PAIRS, KEYS, VOWEL_PAIRS, composed, decomposed
from ondol.infrastructure.guard.normalise.tracked import Codes
from ondol.infrastructure.guard.normalise.words import ENGLISH, KOREAN, is_english

HITS_MIN = 2
"""Known words, different ones, before a run is read as a cipher: one may be chance."""
WORDS_TO_HIT_MAX = 5
"""Of so many words of a run at least one is known."""
KEY_LETTERS_MIN = 6
"""One Korean word typed on the English keyboard is enough when it has so many letters."""
KEYED_WORD_MAX = 60
RUN_CHARACTERS_MAX = 1_000_000

_SYLLABLES = 11_172
_PAIR_FACTOR = np.uint32(31)
TOGETHER_CHARACTERS = 2 * HITS_MIN * WORDS_TO_HIT_MAX * 12
"""The hits that begin a run stand within this: so many words of a generous length, and as much again."""
_WORD = re.compile(r"[A-Za-z][A-Za-z]{2,}+")
_HANGUL_WORD = re.compile(r"[가-힣][가-힣]++")
_JAMO_WORD = re.compile(r"[가-힣ㄱ-ㅣ][가-힣ㄱ-ㅣ]{2,}+")
_SINGLE_JAMO = re.compile(r"[ㄱ-ㅣ]")
_WORDS_BOTH_WAYS = frozenset(("won", "net", "tog", "pot", "live", "era", "tap", "top", "war", "saw", "ton", "nam", "pan", "reward", "emit", "eve"))
"""Known words backwards that are words themselves."""
_PAIRS = {pair: "".join(parts) for parts, pair in (*VOWEL_PAIRS.items(), *FINAL_PAIRS.items())}
_KEY_OF = {jamo: key for key, jamo in reversed(KEYS.items())}


@cache
def _rotated() -> frozenset[str]:
    return frozenset(codecs.encode(word, "rot13") for word in ENGLISH) - ENGLISH - {"one", "terra", "sync", "chop"}


@cache
def _backward() -> frozenset[str]:
    return frozenset(word[::-1] for word in ENGLISH) - ENGLISH - _WORDS_BOTH_WAYS


@cache
def backward_pairs() -> frozenset[str]:
    """The last two syllables of Korean words written backwards."""
    return frozenset(word[:2][::-1] for word in KOREAN) - {word[:2] for word in KOREAN} - {"금지", "사회", "기하", "구우", "정수"}


@cache
def _typed() -> dict[str, tuple[str, ...]]:
    """The keys of Korean words, by their first four."""
    words: dict[str, tuple[str, ...]] = {}
    for word in KOREAN:
        keys = keys_of(word)
        words[keys[:4].lower()] = (*words.get(keys[:4].lower(), ()), word)
    return words


def keys_of(text: str) -> str:
    """Hangul as the letters of the keys that it is typed with on an English keyboard; the rest as it is."""
    return "".join(_KEY_OF.get(jamo, jamo) for letter in decomposed(text) for jamo in _PAIRS.get(letter, letter))


def hangul_of(keys: str) -> str:
    """What typing these keys on a Korean keyboard writes."""
    return composed("".join(KEYS.get(key) or KEYS.get(key.lower(), key) for key in keys))


def ciphers_in(text: str, codes: Codes, *, latin: bool, hangul: bool, jamo: bool) -> Iterator[Found]:
    """All runs that are words written another way.

    Args:
        codes: its code points.
        latin, hangul, jamo: what kinds of letters the text has.
    """
    if latin:
        words = set(_WORD.findall(text.lower()))
        if len(words & _rotated()) >= HITS_MIN:
            yield from _runs(text, _WORD, "rot13", lambda word: word.lower() in _rotated(), _is_english, _rot13)
        if len(words & _backward()) >= HITS_MIN:
            yield from _runs(text, _WORD, "reversed", lambda word: word.lower() in _backward(), _is_english, _reversed)
        if not _typed().keys().isdisjoint([word[:4] for word in words]) and any(map(_is_keyed, _WORD.findall(text))):
            yield from _keyboard(text)
    if hangul and may_be_backward(text, codes):
        yield from _runs(text, _HANGUL_WORD, "reversed", _ends_backward, _is_korean, _reversed)
    if jamo:
        yield from _korean_keyboard(text)


def may_be_ciphers(words: Sequence[str]) -> bool:
    """Whether any of these words, in lower case, is a known one in rot13 or backwards, or begins as one does on the other keyboard.

    When not, no run of them is a cipher.
    """
    begins = [word[:4] for word in words]
    if _ciphered_beginnings().isdisjoint(begins):
        return False
    return not (_rotated().isdisjoint(words) and _backward().isdisjoint(words) and _typed().keys().isdisjoint(begins))


@cache
def _ciphered_beginnings() -> frozenset[str]:
    return frozenset(word[:4] for word in _rotated() | _backward() | _typed().keys())


@cache
def _backward_ends() -> NDArray[np.uint8]:
    """For each syllable, and one more for all else: 1 when a word written backwards may end in it, 2 when it may stand before the last."""
    table = np.zeros(_SYLLABLES + 1, np.uint8)
    for pair in backward_pairs():
        table[ord(pair[1]) - 0xAC00] |= 1
        table[ord(pair[0]) - 0xAC00] |= 2
    return table


@cache
def _backward_hashes() -> NDArray[np.bool_]:
    """Which hashes of two characters are those of the end of a Korean word written backwards."""
    table = np.zeros(1 << 16, np.bool_)
    table[[(ord(pair[0]) * int(_PAIR_FACTOR) + ord(pair[1])) & 0xFFFF for pair in backward_pairs()]] = True
    return table


def has_backward_pair(codes: Codes) -> bool:
    """Whether the end of a Korean word written backwards may stand anywhere. When not, no such word does."""
    hashes = codes[:-1] * _PAIR_FACTOR
    hashes += codes[1:]
    hashes &= np.uint32(0xFFFF)
    return b"\1" in _backward_hashes().take(hashes).tobytes()


def may_be_backward(text: str, codes: Codes) -> bool:
    """Whether enough words end as those written backwards may."""
    places = codes - np.uint32(0xAC00)
    ends = _backward_ends().take(places, mode="clip")
    likely = np.flatnonzero((ends[:-1] >> 1) & ends[1:])
    if len(likely) < HITS_MIN:
        return False
    after = np.append(places, np.uint32(_SYLLABLES)).take(likely + 2)
    likely = likely[after >= _SYLLABLES]
    if not _stand_together(likely):
        return False
    return len({text[place : place + 2] for place in likely.tolist()} & backward_pairs()) >= HITS_MIN


def _stand_together(places: NDArray[np.intp]) -> bool:
    """Whether as many hits as a run needs stand as near to each other as they do in one; in long texts a few stand anywhere by chance."""
    return len(places) >= HITS_MIN and bool((places[HITS_MIN - 1 :] - places[: 1 - HITS_MIN or None] <= TOGETHER_CHARACTERS).any())


def _ends_backward(word: str) -> bool:
    return word[-2:] in backward_pairs()


def _is_korean(word: str) -> bool:
    return word[:2] in _beginnings() and word.startswith(KOREAN)


@cache
def _beginnings() -> frozenset[str]:
    return frozenset(word[:2] for word in KOREAN)


def _is_english(word: str) -> bool:
    return is_english(word.lower())


def _rot13(run: str) -> str:
    return codecs.encode(run, "rot13")


def _reversed(run: str) -> str:
    return run[::-1]


def _runs(
    text: str, words: re.Pattern[str], kind: str, hit: Callable[[str], bool], plain: Callable[[str], bool], decode: Callable[[str], str]
) -> Iterator[Found]:
    """Runs of words none of which is plain, with so many different hits that they are no chance."""
    places = np.array([word.start() for word in words.finditer(text) if hit(word[0])], np.intp)
    for begin, stop in _neighbourhoods(text, places):
        yield from _runs_within(text, begin, stop, words, kind, hit, plain, decode)


def _neighbourhoods(text: str, places: NDArray[np.intp]) -> Iterator[tuple[int, int]]:
    """The parts of a text, from word to word, in which hits stand together; far from them no run can be."""
    if not _stand_together(places):
        return
    near = np.flatnonzero(places[HITS_MIN - 1 :] - places[: 1 - HITS_MIN or None] <= TOGETHER_CHARACTERS)
    together = np.unique(np.concatenate([places[near + step] for step in range(HITS_MIN)]))
    cuts = np.flatnonzero(np.diff(together) > 2 * TOGETHER_CHARACTERS) + 1
    for group in np.split(together, cuts):
        begin = text.rfind(" ", 0, max(0, int(group[0]) - TOGETHER_CHARACTERS)) + 1
        end = text.find(" ", int(group[-1]) + TOGETHER_CHARACTERS)
        yield begin, len(text) if end < 0 else end


def _runs_within(
    text: str,
    begin: int,
    stop: int,
    words: re.Pattern[str],
    kind: str,
    hit: Callable[[str], bool],
    plain: Callable[[str], bool],
    decode: Callable[[str], str],
) -> Iterator[Found]:
    start = end = count = 0
    hits: set[str] = set()
    hit_count = 0
    for word in (*words.finditer(text, begin, stop), None):
        is_hit = word is not None and hit(word[0])
        if word is not None and (is_hit or not plain(word[0])):
            start, end, count = start if count else word.start(), word.end(), count + 1
            if is_hit:
                hits.add(word[0].lower())
                hit_count += 1
            continue
        if len(hits) >= HITS_MIN and hit_count * WORDS_TO_HIT_MAX >= count:
            yield Found(kind, start, end, decode(text[start : min(end, start + RUN_CHARACTERS_MAX)]))
        count = hit_count = 0
        hits = set()


def _is_keyed(word: str) -> bool:
    """Whether a word is a known Korean one on the other keyboard: without any, no run is one."""
    lower = word.lower()
    known = _typed().get(lower[:4])
    return known is not None and len(word) <= KEYED_WORD_MAX and not is_english(lower) and hangul_of(word).startswith(known)


def _keyboard(text: str) -> Iterator[Found]:
    """Runs of words that are well-formed Hangul when typed on a Korean keyboard, with known ones among them."""
    start = end = letters = 0
    known: set[str] = set()
    read: dict[str, str] = {}
    for word in (*_WORD.finditer(text), None):
        written = ""
        if word and len(word[0]) <= KEYED_WORD_MAX and not is_english(word[0].lower()):
            written = read.get(word[0]) or read.setdefault(word[0], hangul_of(word[0]))
        if word and written and not _SINGLE_JAMO.search(written):
            if not end:
                start = word.start()
            end = word.end()
            if written.startswith(_typed().get(word[0][:4].lower(), ("\0",))):
                known.add(written)
                letters = max(letters, len(word[0]))
            continue
        if len(known) >= HITS_MIN or letters >= KEY_LETTERS_MIN:
            yield Found("keyboard", start, end, _WORD.sub(lambda keys: hangul_of(keys[0]), text[start : min(end, start + RUN_CHARACTERS_MAX)]))
        start = end = letters = 0
        known = set()


def _korean_keyboard(text: str) -> Iterator[Found]:
    """Words that are nonsense in Hangul but English on the keys that they were typed with."""
    for word in _JAMO_WORD.finditer(text):
        if _SINGLE_JAMO.search(word[0]):
            keys = keys_of(word[0]).lower()
            if len(keys) >= 4 and is_english(keys):
                yield Found("keyboard", word.start(), word.end(), keys)
