"""Personal data that has a form: the check `personal`. Names, addresses and organisations are another check's.

A few selective patterns find candidates in the normalised text; Python decides in small windows. Two evidences count beside the form: check digits
and words that stand near. A check digit that does not fit rejects nothing that a word vouches for (see `personal.found` for the confidences).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, Literal, TypeAlias

from ondol.infrastructure.guard.checks.base import PatternCheck
from ondol.infrastructure.guard.checks.held import open_number
from ondol.infrastructure.guard.checks.personal import attributes, digits, international, korean, network
from ondol.infrastructure.guard.checks.personal.context import WORD_PATTERNS, Word, Words
from ondol.infrastructure.guard.checks.personal.digits import Number
from ondol.infrastructure.guard.checks.personal.found import Found, best_of
from ondol.infrastructure.guard.patterns import Match, Pattern
from ondol.infrastructure.guard.text import GuardText
from ondol.infrastructure.guard.types import Finding

PERSONAL_REACH = 256
"""The longest finding is 130 characters; a number's choice looks at most 64 characters and a word of 40 characters to each side of its neighbours."""

NumberRule: TypeAlias = Callable[[Number, Words], Found | None]
PlaceRule: TypeAlias = Callable[[str, int, Words], Found | None]

_TELEPHONES: Final[tuple[NumberRule, ...]] = (korean.telephone, international.foreign_telephone)
NUMBER_RULES: Final[dict[int, tuple[NumberRule, ...]]] = {
    7: (*_TELEPHONES, korean.masked_resident_number),
    8: _TELEPHONES,
    9: (*_TELEPHONES, international.us_number, international.numeric_passport),
    10: (*_TELEPHONES, korean.business_number, korean.driving_licence, korean.bank_account),
    11: (*_TELEPHONES, korean.health_insurance, korean.bank_account),
    12: (*_TELEPHONES, korean.driving_licence, korean.bank_account, korean.customs_code, international.card),
    13: (*_TELEPHONES, korean.resident_number, korean.bank_account, international.card),
    14: (*_TELEPHONES, korean.bank_account, international.card),
    15: (*_TELEPHONES, international.card),
    16: (international.card,),
    17: (international.card,),
    18: (international.card,),
    19: (international.card,),
}
"""By the number of digits, which numbers they may be."""

SPELLED_RULES: Final[frozenset[NumberRule]] = frozenset(
    {korean.telephone, korean.resident_number, korean.business_number, korean.bank_account, international.card, international.us_number}
)
"""Which of them are looked for in Hangul digits, which are also words of other meanings."""

_SHAPES: Final[frozenset[tuple[int, ...]]] = frozenset(
    {(6, 7), (6, 1), (6, 1, 6), (3, 2, 5), (2, 2, 6, 2), (2, 6, 2), (1, 10), (3, 2, 4), (4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 3), (6, 13)}
    | {(4, 4, 4, 4, 3), (3, 3, 4), (3, 4, 4), (2, 3, 4), (2, 4, 4), (4, 3, 4), (4, 4, 4), (1, 3, 3, 4), (4, 4), (6, 4), (7, 4)}
    | {(3, 7), (3, 8), (2, 7), (2, 8), (4, 7), (4, 8), (5, 4), (8, 4)}
)
"""Groups of digits that some rule takes without a word; other groups are only looked at beside one. Tables of numbers cost little this way."""

_NAMING: Final = (Word.PHONE, Word.ACCOUNT, Word.CARD, Word.RESIDENT, Word.FOREIGNER, Word.CORPORATE, Word.BUSINESS, Word.LICENCE, Word.SOCIAL)


def _last_dot(text: str, end: int) -> int:
    return text.rfind(".", max(0, end - 5), end)


PLACE_RULES: Final[tuple[tuple[Pattern, PlaceRule], ...]] = (
    (Pattern(network.EMAIL_EXPRESSION, finds_start=False), lambda text, end, _words: network.email_at(text, end - 2)),
    (Pattern(network.SPOKEN_EMAIL_EXPRESSION, ignore_case=True, finds_start=False), lambda text, end, _words: network.spoken_email_at(text, end)),
    (Pattern(network.URL_EXPRESSION, ignore_case=True, finds_start=False), lambda text, end, _words: network.url_at(text, end)),
    (
        Pattern(network.DOMAIN_EXPRESSION, ignore_case=True, finds_start=False),
        lambda text, end, _words: network.domain_at(text, _last_dot(text, end)),
    ),
    (Pattern(network.IPV4_EXPRESSION, finds_start=False), network.ipv4_at),
    (Pattern(network.IPV6_EXPRESSION, finds_start=False), lambda text, end, _words: network.ipv6_at(text, end)),
    (Pattern(network.MAC_EXPRESSION, finds_start=False), lambda text, end, _words: network.mac_at(text, end)),
    (Pattern(international.IBAN_EXPRESSION, finds_start=False), international.iban_at),
    (Pattern(international.PASSPORT_EXPRESSION, finds_start=False), international.passport_at),
    (Pattern(international.NINO_EXPRESSION, finds_start=False), lambda text, end, _words: international.nino_at(text, end)),
    (Pattern(international.CRYPTO_EXPRESSION, finds_start=False), lambda text, end, _words: international.crypto_at(text, end)),
    (Pattern(international.UK_POSTCODE_EXPRESSION, finds_start=False), lambda text, end, _words: international.uk_postcode_at(text, end)),
    (Pattern(korean.PLATE_EXPRESSION, finds_start=False), korean.plate_at),
    (Pattern(attributes.BIRTH_EXPRESSION, ignore_case=True, finds_start=False), lambda text, end, _words: attributes.birth_date_before(text, end)),
    (Pattern(attributes.AGE_EXPRESSION, ignore_case=True, finds_start=False), lambda text, end, _words: attributes.age_at(text, end)),
    (Pattern(attributes.BODY_EXPRESSION, ignore_case=True, finds_start=False), attributes.measures_at),
    (Pattern(attributes.POSTAL_EXPRESSION, finds_start=False), lambda text, end, _words: attributes.postal_code_at(text, end)),
    (
        Pattern(attributes.POSTAL_WORD_EXPRESSION, ignore_case=True, finds_start=False),
        lambda text, end, _words: attributes.postal_code_behind(text, end),
    ),
    (Pattern(attributes.BRACKETED_EXPRESSION, finds_start=False), lambda text, end, _words: attributes.bracketed_code_at(text, end)),
    (Pattern(attributes.STATE_EXPRESSION, finds_start=False), lambda text, end, _words: attributes.state_code_at(text, end)),
    (Pattern(attributes.LICENCE_EXPRESSION, ignore_case=True, finds_start=False), lambda text, end, _words: attributes.licence_behind(text, end)),
    (
        Pattern(attributes.PRESCRIPTION_EXPRESSION, ignore_case=True, finds_start=False),
        lambda text, end, _words: attributes.prescription_behind(text, end),
    ),
)
"""What one place gives away: a pattern, and the rule that looks around where it ends."""

_WORDS = len(WORD_PATTERNS)
_CHAIN = _WORDS
_SPELLED = _WORDS + 1
_PLACES = _WORDS + 2

PERSONAL_PATTERNS: Final[tuple[Pattern, ...]] = (
    *WORD_PATTERNS,
    digits.CHAIN_PATTERN,
    digits.SPELLED_PATTERN,
    *(pattern for pattern, _rule in PLACE_RULES),
)


class PersonalCheck(PatternCheck):
    """Finds identifiers and what else of personal data has a form. Rules are named `personal.` and the entity in small letters."""

    name = "personal"
    is_pure = True
    needs_match = True
    reach: int | None = PERSONAL_REACH
    patterns: Sequence[Pattern] = PERSONAL_PATTERNS
    only_context = frozenset(range(_WORDS)) - {int(Word.BIRTH)}
    view: Literal["plain", "folded", "squeezed"] = "plain"

    def confirm(self, text: GuardText, matches: Sequence[Match]) -> Sequence[Finding]:
        """Findings by where they begin; none overlap, but for sure numbers inside the address of a page."""
        if not matches:
            return ()
        view = text.plain
        found = find_in(view.text, matches)
        return [_finding(item, *view.span(item.start, item.end)) for item in found]

    def open_from(self, text: str) -> int:
        """From where a text that goes on may still hold something that is found as a whole."""
        return open_number(text)


def find_in(text: str, matches: Sequence[Match]) -> list[Found]:
    """The same for a string that is normalised already; offsets are in it."""
    if all(match.pattern < _WORDS and match.pattern != Word.BIRTH for match in matches):
        return []
    ends: list[list[int]] = [[] for _pattern in PERSONAL_PATTERNS]
    for match in matches:
        ends[match.pattern].append(match.end)
    words = Words(text, ends[:_WORDS])
    return best_of(_candidates(text, ends, words))


def _candidates(text: str, ends: list[list[int]], words: Words) -> Iterator[Found]:
    if ends[_CHAIN]:
        for chain in digits.chains(text, ends[_CHAIN]):
            yield from _numbers_of(chain, words)
    if ends[_SPELLED]:
        for chain in digits.spelled_chains(text, ends[_SPELLED]):
            yield from _numbers_of(chain, words)
    for word_end in words.ends(Word.BIRTH) if ends[Word.BIRTH] else ():
        found = attributes.birth_date_behind(text, word_end)
        if found is not None:
            yield found
    for (_pattern, rule), places in zip(PLACE_RULES, ends[_PLACES:], strict=True):
        for end in places:
            found = rule(text, end, words)
            if found is not None:
                yield found


def _numbers_of(chain: digits.Chain, words: Words) -> Iterator[Found]:
    for number in digits.numbers(chain):
        if _by_chance(number) and not words.near(number.start, number.end, *_NAMING):
            continue
        for rule in NUMBER_RULES[len(number.digits)]:
            if chain.spelled and rule not in SPELLED_RULES:
                continue
            found = rule(number, words)
            if found is not None:
                yield found


def _by_chance(number: Number) -> bool:
    """Whether the groups are such that only a word beside them makes a number of them."""
    groups = number.groups
    if len(groups) == 1 or number.spelled:
        return False
    if number.crowded:
        return True
    abroad = number.start > 0 and number.text[number.start - 1] == "+"
    return groups not in _SHAPES and max(groups) > digits.SMALL_DIGITS_MAX and not abroad


def _finding(found: Found, start: int, end: int) -> Finding:
    return Finding("personal", f"personal.{found.entity.lower()}", start, end, found.confidence, found.reason, found.entity)
