"""Access rules as they are written: `department in (sales, support) and class <= internal`.

    rule   = clause {"and" clause}
    clause = name "in" "(" value {"," value} ")" | name "=" value | "class" "<=" class

A clause is met by whoever has one of its values, a rule by whoever meets all its clauses. `class <= internal` says that the document is of the
class internal, so that whoever is cleared for it may read. There is no `or` and no `not`: a rule can only become narrower by what is added, and
what nobody thought of stays closed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from ondol.core.errors import RequestError
from ondol.infrastructure.access.types import SECURITY_CLASSES, SecurityClass

RULE_CHARACTERS_MAX = 4000
CLAUSES_MAX = 20
VALUES_MAX = 50
VALUE_CHARACTERS_MAX = 200
RESERVED_NAMES = frozenset({"and", "or", "not", "in", "class", "clearance", "group", "groups", "person", "people", "role", "roles"})
"""Names that mean something else in a rule, or may one day."""

_NAME = re.compile(r"(?=.{1,63}\Z)[a-z0-9](-?[a-z0-9])*")
_VISIBLE = re.compile('[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff"]+')
_TOKEN = re.compile(r"\s*(?:(?P<quoted>\"[^\"\n]*\")|(?P<mark><=|>=|<|>|!=|[=(),])|(?P<word>[^\s\"(),=<>!]+))")
_FORM = "Write it as: department in (sales, support) and class <= internal."


@dataclass(frozen=True, slots=True)
class Clause:
    """What a reader must have: one of these values of an attribute."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StatedRule:
    """A rule as it was written; whether the tenant knows its attributes is not asked yet.

    Attributes:
        security_class: the class that it gives to the document; None when it names none.
    """

    clauses: tuple[Clause, ...] = ()
    security_class: SecurityClass | None = None


def parse_rule(text: str) -> StatedRule:
    """Read a rule.

    Raises:
        RequestError: when it is not of the form above, or too long.
    """
    if len(text) > RULE_CHARACTERS_MAX:
        raise _wrong(f"The access rule has more than {RULE_CHARACTERS_MAX:,} characters")
    reader = _Reader(text)
    clauses: list[Clause] = []
    security_class: SecurityClass | None = None
    while True:
        name = reader.word("the name of an attribute, or `class`")
        if name != "class":
            clauses.append(_clause(name, reader))
        elif security_class is None:
            security_class = _class(reader)
        else:
            raise _wrong("The access rule names a class twice")
        if len(clauses) > CLAUSES_MAX:
            raise _wrong(f"The access rule has more than {CLAUSES_MAX} clauses")
        if reader.ended():
            return StatedRule(tuple(clauses), security_class)
        reader.expect("and")


def check_name(name: str) -> str:
    """The name of an attribute, as it is.

    Raises:
        RequestError: when it is not lower-case letters, digits and single hyphens, or means something else.
    """
    if not _NAME.fullmatch(name):
        raise RequestError(f"{name!r} cannot name an attribute.", "Use lower-case letters, digits and single hyphens.", code="bad_attribute")
    if name in RESERVED_NAMES:
        raise RequestError(f"An attribute cannot be called {name}.", "Class and groups are said by `class` and `groups`.", code="bad_attribute")
    return name


def check_value(value: str) -> str:
    """The value of an attribute in its normal form (NFC, no blanks at its ends).

    Raises:
        RequestError: when it is empty, too long, on more than one line, or holds a quotation mark.
    """
    plain = unicodedata.normalize("NFC", value).strip()
    if len(plain) > VALUE_CHARACTERS_MAX or not _VISIBLE.fullmatch(plain):
        hint = f"A value has 1 to {VALUE_CHARACTERS_MAX} characters on one line, and no quotation mark."
        raise RequestError(f"{value[:60]!r} cannot be the value of an attribute.", hint, code="bad_attribute")
    return plain


def _clause(name: str, reader: _Reader) -> Clause:
    check_name(name)
    sign = reader.take("`in` or `=`")
    if sign == "=":
        return Clause(name, (check_value(reader.value()),))
    if sign.lower() != "in":
        raise _wrong(f"In the access rule `{name}` is followed by `{sign}`")
    reader.expect("(")
    values = [check_value(reader.value())]
    while (mark := reader.take("`,` or `)`")) == ",":
        values.append(check_value(reader.value()))
        if len(values) > VALUES_MAX:
            raise _wrong(f"A clause of the access rule has more than {VALUES_MAX} values")
    if mark != ")":
        raise _wrong(f"In the access rule `{mark}` stands where `,` or `)` was expected", 'Quote a value of several words: "field sales".')
    return Clause(name, tuple(dict.fromkeys(values)))


def _class(reader: _Reader) -> SecurityClass:
    reader.expect("<=")
    said = reader.word("a security class")
    for known in SECURITY_CLASSES:
        if said == known:
            return known
    raise _wrong(f"There is no security class {said}", f"It is one of {', '.join(SECURITY_CLASSES)}.")


class _Reader:
    """The words and marks of a rule, one after the other."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._place = 0

    def ended(self) -> bool:
        """Whether nothing follows."""
        return self._place == len(self._tokens)

    def take(self, expected: str) -> str:
        """The next word or mark, a value with its quotation marks."""
        if self.ended():
            raise _wrong(f"The access rule ends where {expected} was expected")
        self._place += 1
        return self._tokens[self._place - 1]

    def word(self, expected: str) -> str:
        """The next word; no mark and nothing quoted."""
        found = self.take(expected)
        if _is_mark(found) or found.startswith('"'):
            raise _wrong(f"In the access rule `{found}` stands where {expected} was expected")
        return found

    def value(self) -> str:
        """The next value, without its quotation marks."""
        found = self.take("a value")
        if _is_mark(found):
            raise _wrong(f"In the access rule `{found}` stands where a value was expected")
        return found[1:-1] if found.startswith('"') else found

    def expect(self, expected: str) -> None:
        """Take this mark or word and nothing else."""
        found = self.take(f"`{expected}`")
        if found.lower() != expected:
            raise _wrong(f"In the access rule `{found}` stands where `{expected}` was expected")


def _tokens(text: str) -> Iterator[str]:
    place = 0
    end = len(text.rstrip())
    while place < end:
        found = _TOKEN.match(text, place)
        if found is None:
            raise _wrong(f"The access rule cannot be read from `{text[place:].strip()[:40]}` on")
        yield found[0].strip()
        place = found.end()


def _is_mark(token: str) -> bool:
    return token[0] in "<>=!(),"


def _wrong(message: str, hint: str = _FORM) -> RequestError:
    return RequestError(f"{message}.", hint, code="bad_rule")
