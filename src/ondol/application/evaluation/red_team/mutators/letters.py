"""Ways to disguise the letters of a text, by which the guard is attacked in benchmarks and assistants by red teams.

Each takes a text and a seed and gives the text in disguise; the same seed gives the same. What a mutator has no form for stays as it is.
The tables are written apart from the guard's own, so that what is measured is not one table against itself.
"""

# ruff: noqa: S311 - what is disguised need not be hard to guess

from __future__ import annotations

import base64
import codecs
import unicodedata
from collections.abc import Callable, Mapping
from random import Random
from typing import Literal, TypeAlias
from urllib.parse import quote

Mutator: TypeAlias = Callable[[str, int], str]
Family: TypeAlias = Literal["jamo", "spacing", "homoglyph", "leet", "invisible", "encoding", "hangul"]

LEADING = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
FINALS: list[str] = ["", *"ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"]
_KEYS = """
    r R s e E f a q Q t T d w W c z x v g
    k o i O j p u P h hk ho hl y n nj np nl b m ml l
    _ r R rt s sw sg e f fr fa fq ft fx fv fg a q qt t T d w c z x v g
"""
LEADING_KEYS, VOWEL_KEYS, FINAL_KEYS = (line.replace("_", "").split(" ") for line in _KEYS.replace("    ", "").strip().split("\n"))

MUTATORS: dict[str, Mutator] = {}
"""All mutators by name."""
FAMILIES: dict[str, Family] = {}
"""The family that each belongs to."""


def _named(name: str, family: Family) -> Callable[[Mutator], Mutator]:
    def register(mutator: Mutator) -> Mutator:
        MUTATORS[name] = mutator
        FAMILIES[name] = family
        return mutator

    return register


def mutate(name: str, text: str, seed: int) -> str:
    """The text in the disguise of that name.

    Raises:
        KeyError: for a name that is not in `MUTATORS`.
    """
    return MUTATORS[name](text, seed)


def is_syllable(letter: str) -> bool:
    """Whether it is a composed Hangul syllable."""
    return "가" <= letter <= "힣"


def apart(syllable: str) -> tuple[int, int, int]:
    """The places of a syllable's first consonant, vowel and final consonant (0 for none) in their alphabets."""
    place = ord(syllable) - 0xAC00
    return place // 588, place // 28 % 21, place % 28


def together(leading: int, vowel: int, final: int) -> str:
    """The syllable of these parts."""
    return chr(0xAC00 + leading * 588 + vowel * 28 + final)


def _each(text: str, change: Callable[[str], str]) -> str:
    return "".join(map(change, text))


def _mapped(text: str, table: Mapping[str, str], random: Random, share: float = 1.0) -> str:
    return _each(text, lambda char: table[char] if char in table and random.random() < share else char)


def _between(text: str, random: Random, separators: list[str], share: float = 1.0) -> str:
    """A separator between the letters of words."""
    pieces: list[str] = []
    for place, char in enumerate(text):
        pieces.append(char)
        after = text[place + 1 : place + 2]
        if char.isalnum() and after.isalnum() and random.random() < share:
            pieces.append(random.choice(separators))
    return "".join(pieces)


# Jamo


@_named("jamo_conjoining", "jamo")
def jamo_conjoining(text: str, seed: int) -> str:
    """Syllables as conjoining jamo, accented letters as letter and accent (NFD)."""
    return unicodedata.normalize("NFD", text)


@_named("jamo_apart", "jamo")
def jamo_apart(text: str, seed: int) -> str:
    """Syllables as compatibility jamo, typed one after the other: ㅎㅏㄴㄱㅡㄹ."""
    return _each(text, lambda char: _typed(char) if is_syllable(char) else char)


@_named("jamo_some_apart", "jamo")
def jamo_some_apart(text: str, seed: int) -> str:
    """A third of the syllables as compatibility jamo."""
    random = Random(seed)
    return _each(text, lambda char: _typed(char) if is_syllable(char) and random.random() < 1 / 3 else char)


@_named("jamo_spaced", "jamo")
def jamo_spaced(text: str, seed: int) -> str:
    """Compatibility jamo with a space between them."""
    return "   ".join(" ".join(jamo_apart(word, seed)) for word in text.split(" "))


@_named("choseong", "jamo")
def choseong(text: str, seed: int) -> str:
    """Syllables as their first consonants only."""
    return _each(text, lambda char: LEADING[apart(char)[0]] if is_syllable(char) else char)


@_named("jamo_half_width", "jamo")
def jamo_half_width(text: str, seed: int) -> str:
    """Compatibility jamo in half-width forms."""
    half = {unicodedata.normalize("NFKC", chr(code)): chr(code) for code in range(0xFFA1, 0xFFDD) if unicodedata.name(chr(code), "")}
    return _each(jamo_apart(text, seed), lambda char: half.get(unicodedata.normalize("NFKC", char), char))


def _typed(syllable: str) -> str:
    leading, vowel, final = apart(syllable)
    return LEADING[leading] + VOWELS[vowel] + FINALS[final]


# Spacing


@_named("spaced", "spacing")
def spaced(text: str, seed: int) -> str:
    """Letters with a space between them, words with three."""
    return "   ".join(" ".join(word) for word in text.split(" "))


@_named("dotted", "spacing")
def dotted(text: str, seed: int) -> str:
    """A dot between letters."""
    return _between(text, Random(seed), ["."])


@_named("dashed", "spacing")
def dashed(text: str, seed: int) -> str:
    """A dash or a line between letters."""
    return _between(text, Random(seed), ["-", "_", "–"])


@_named("spaces_within", "spacing")
def spaces_within(text: str, seed: int) -> str:
    """Spaces within words here and there."""
    return _between(text, Random(seed), [" "], 0.35)


@_named("other_spaces", "spacing")
def other_spaces(text: str, seed: int) -> str:
    """Other kinds of space in the place of spaces."""
    random = Random(seed)
    return _each(text, lambda char: random.choice("\u00a0\u2003\u2009\u3000\u202f") if char == " " else char)


@_named("emoji_between", "spacing")
def emoji_between(text: str, seed: int) -> str:
    """Emoji between letters."""
    return _between(text, Random(seed), ["😀", "🔥", "❤️", "👍🏽", "🇰🇷"])


# Not seen


@_named("zero_width", "invisible")
def zero_width(text: str, seed: int) -> str:
    """Characters of no width between letters."""
    return _between(text, Random(seed), ["\u200b", "\u200c", "\u200d", "\u2060", "\ufeff"], 0.7)


@_named("soft_hyphen", "invisible")
def soft_hyphen(text: str, seed: int) -> str:
    """Soft hyphens between letters."""
    return _between(text, Random(seed), ["\u00ad"])


@_named("hangul_filler", "invisible")
def hangul_filler(text: str, seed: int) -> str:
    """Hangul fillers between letters."""
    return _between(text, Random(seed), ["\u3164", "\u115f", "\uffa0"], 0.7)


@_named("variation_selectors", "invisible")
def variation_selectors(text: str, seed: int) -> str:
    """A variation selector after letters."""
    return _between(text, Random(seed), ["\ufe00", "\ufe0f", "\U000e0100"])


@_named("variation_smuggled", "invisible")
def variation_smuggled(text: str, seed: int) -> str:
    """The text as variation selectors of an emoji, one for each byte."""
    return "😀" + "".join(chr(0xFE00 + byte if byte < 16 else 0xE0100 + byte - 16) for byte in text.encode("utf-8", "surrogatepass"))


@_named("tags", "invisible")
def tags(text: str, seed: int) -> str:
    """ASCII as tag characters, which show nothing."""
    return _each(text, lambda char: chr(0xE0000 + ord(char)) if " " <= char <= "~" else char)


@_named("bidi", "invisible")
def bidi(text: str, seed: int) -> str:
    """Backwards, between an override that shows it forwards and its end."""
    return f"\u202e{text[::-1]}\u202c"


@_named("combining_marks", "invisible")
def combining_marks(text: str, seed: int) -> str:
    """One to four combining marks upon each letter."""
    random = Random(seed)
    marks = "\u0300\u0308\u0316\u0321\u0330\u0335\u0336\u0338\u0346\u035b\u0363"
    return _each(text, lambda char: char + "".join(random.choices(marks, k=random.randint(1, 4))) if char.isalpha() else char)


# Look-alikes


def _table(plain: str, disguised: str) -> dict[str, str]:
    return dict(zip(plain, disguised, strict=True))


CYRILLIC = _table("aceiopsxyABCEHIKMOPTX", "асеіорѕхуАВСЕНІКМОРТХ")
GREEK = _table("oivnuaABEHIKMNOPTXYZ", "οινηυαΑΒΕΗΙΚΜΝΟΡΤΧΥΖ")
SMALL_CAPITALS = _table("abcdefghijklmnoprstuvwyz", "ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ")
UPSIDE_DOWN = _table("abcdefghijkmnopqrtuvwy", "ɐqɔpǝɟƃɥᴉɾʞɯuodbɹʇnʌʍʎ")
LEET = {"a": "4@", "e": "3", "i": "1!", "o": "0", "s": "5$", "t": "7", "b": "8"}
ACCENTED = {"a": "àáâä", "e": "èéêë", "i": "ìíîï", "o": "òóôö", "u": "ùúûü", "n": "ñń", "c": "çć", "y": "ýÿ"}


@_named("cyrillic", "homoglyph")
def cyrillic(text: str, seed: int) -> str:
    """Half of the letters that Cyrillic has in Cyrillic."""
    return _mapped(text, CYRILLIC, Random(seed), 0.5)


@_named("cyrillic_all", "homoglyph")
def cyrillic_all(text: str, seed: int) -> str:
    """All letters that Cyrillic has in Cyrillic."""
    return _mapped(text, CYRILLIC, Random(seed))


@_named("greek", "homoglyph")
def greek(text: str, seed: int) -> str:
    """Half of the letters that Greek has in Greek."""
    return _mapped(text, GREEK, Random(seed), 0.5)


@_named("mathematical", "homoglyph")
def mathematical(text: str, seed: int) -> str:
    """Letters and digits in a mathematical style."""
    upper, digit = Random(seed).choice([(0x1D400, 0x1D7CE), (0x1D5D4, 0x1D7EC), (0x1D670, 0x1D7F6)])
    return _each(text, lambda char: _shifted(char, upper, upper + 26, digit))


@_named("full_width", "homoglyph")
def full_width(text: str, seed: int) -> str:
    """ASCII in full width."""
    return _each(text, lambda char: chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char)


@_named("circled", "homoglyph")
def circled(text: str, seed: int) -> str:
    """Letters in circles."""
    return _each(text, lambda char: _shifted(char, 0x24B6, 0x24D0, ord("0")))


@_named("squared", "homoglyph")
def squared(text: str, seed: int) -> str:
    """Capital letters in squares."""
    return _each(text.upper(), lambda char: _shifted(char, 0x1F130, 0x1F130, ord("0")))


@_named("small_capitals", "homoglyph")
def small_capitals(text: str, seed: int) -> str:
    """Small capitals."""
    return _mapped(text.lower(), SMALL_CAPITALS, Random(seed))


@_named("upside_down", "homoglyph")
def upside_down(text: str, seed: int) -> str:
    """Turned letters, backwards."""
    return _mapped(text.lower(), UPSIDE_DOWN, Random(seed))[::-1]


@_named("accented", "homoglyph")
def accented(text: str, seed: int) -> str:
    """Accents on letters."""
    random = Random(seed)
    return _each(text, lambda char: random.choice(ACCENTED[char]) if char in ACCENTED else char)


def _shifted(char: str, upper: int, lower: int, digit: int) -> str:
    if "A" <= char <= "Z":
        return chr(upper + ord(char) - ord("A"))
    if "a" <= char <= "z":
        return chr(lower + ord(char) - ord("a"))
    return chr(digit + ord(char) - ord("0")) if "0" <= char <= "9" else char


# Leetspeak and the like


@_named("leet", "leet")
def leet(text: str, seed: int) -> str:
    """Digits for half of the letters that have one, never all of a word's nor its last."""
    return _leet(text, Random(seed), signs=False)


@_named("leet_signs", "leet")
def leet_signs(text: str, seed: int) -> str:
    """Digits and signs."""
    return _leet(text, Random(seed), signs=True)


@_named("repeated", "leet")
def repeated(text: str, seed: int) -> str:
    """One letter of each longer word written many times."""
    random = Random(seed)
    return " ".join(_stretched(word, random) for word in text.split(" "))


@_named("mixed_case", "leet")
def mixed_case(text: str, seed: int) -> str:
    """Letters in either case, by chance."""
    random = Random(seed)
    return _each(text, lambda char: char.upper() if random.random() < 0.5 else char.lower())


def _leet(text: str, random: Random, *, signs: bool) -> str:
    words: list[str] = []
    for word in text.split(" "):
        letters = list(word)
        for place, char in enumerate(word[:-1]):
            options = LEET.get(char.lower(), "")
            if options and place and random.random() < 0.5:
                letters[place] = random.choice(options) if signs else options[0]
        words.append("".join(letters))
    return " ".join(words)


def _stretched(word: str, random: Random) -> str:
    if len(word) < 3 or not word.isalpha():
        return word
    place = random.randrange(len(word))
    return word[:place] + word[place] * random.randint(4, 9) + word[place + 1 :]


# Encodings


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


@_named("base64", "encoding")
def base64_standard(text: str, seed: int) -> str:
    """base64."""
    return base64.b64encode(_bytes(text)).decode()


@_named("base64_url", "encoding")
def base64_url(text: str, seed: int) -> str:
    """base64 for URLs, without padding."""
    return base64.urlsafe_b64encode(_bytes(text)).decode().rstrip("=")


@_named("base64_twice", "encoding")
def base64_twice(text: str, seed: int) -> str:
    """base64 of base64."""
    return base64_standard(base64_standard(text, seed), seed)


@_named("hex", "encoding")
def hexadecimal(text: str, seed: int) -> str:
    """Hex, with spaces or without."""
    return _bytes(text).hex(Random(seed).choice(" :")) if seed % 2 else _bytes(text).hex()


@_named("percent", "encoding")
def percent(text: str, seed: int) -> str:
    """Percent-encoding of what URLs need; of everything for odd seeds."""
    return "".join(f"%{byte:02X}" for byte in _bytes(text)) if seed % 2 else quote(_bytes(text))


@_named("html_entities", "encoding")
def html_entities(text: str, seed: int) -> str:
    """Numeric HTML entities."""
    random = Random(seed)
    return _each(text, lambda char: f"&#{ord(char)};" if random.random() < 0.5 else f"&#x{ord(char):x};")


@_named("unicode_escapes", "encoding")
def unicode_escapes(text: str, seed: int) -> str:
    r"""``\uXXXX``, or ``\xXX`` of the bytes for odd seeds."""
    if seed % 2:
        return "".join(f"\\x{byte:02x}" for byte in _bytes(text))
    units = text.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[place]:02x}{units[place + 1]:02x}" for place in range(0, len(units), 2))


@_named("rot13", "encoding")
def rot13(text: str, seed: int) -> str:
    """Latin letters turned by thirteen."""
    return codecs.encode(text, "rot13")


@_named("reversed", "encoding")
def backwards(text: str, seed: int) -> str:
    """Backwards."""
    return text[::-1]


@_named("codes", "encoding")
def codes(text: str, seed: int) -> str:
    """Code points in decimal."""
    return Random(seed).choice([" ", ", "]).join(str(ord(char)) for char in text)


@_named("binary", "encoding")
def binary(text: str, seed: int) -> str:
    """Bytes in binary."""
    return " ".join(f"{byte:08b}" for byte in _bytes(text))


# Hangul


@_named("keyboard", "hangul")
def keyboard(text: str, seed: int) -> str:
    """Hangul as the keys that it is typed with on an English keyboard: dkssud."""
    return _each(text, lambda char: _keys(char) if is_syllable(char) else char)


@_named("double_final", "hangul")
def double_final(text: str, seed: int) -> str:
    """Final consonants doubled, which reads nearly the same."""
    doubled = {1: 2, 4: 6, 8: 15, 17: 18, 19: 20}
    random = Random(seed)

    def change(char: str) -> str:
        if not is_syllable(char) or random.random() < 0.5:
            return char
        leading, vowel, final = apart(char)
        return together(leading, vowel, doubled.get(final, final))

    return _each(text, change)


@_named("tense_leading", "hangul")
def tense_leading(text: str, seed: int) -> str:
    """First consonants tensed here and there, as people write to get past filters."""
    tensed = {0: 1, 3: 4, 7: 8, 9: 10, 12: 13}
    random = Random(seed)

    def change(char: str) -> str:
        if not is_syllable(char) or random.random() < 0.6:
            return char
        leading, vowel, final = apart(char)
        return together(tensed.get(leading, leading), vowel, final)

    return _each(text, change)


@_named("latin_vowel", "hangul")
def latin_vowel(text: str, seed: int) -> str:
    """Syllables on ㅣ and ㅏ without a final consonant as jamo and a Latin letter that looks like the vowel: ㅅl."""
    looks = {20: "l", 0: "r"}

    def change(char: str) -> str:
        if not is_syllable(char):
            return char
        leading, vowel, final = apart(char)
        return LEADING[leading] + looks[vowel] if vowel in looks and not final else char

    return _each(text, change)


def _keys(syllable: str) -> str:
    leading, vowel, final = apart(syllable)
    return LEADING_KEYS[leading] + VOWEL_KEYS[vowel] + FINAL_KEYS[final]
