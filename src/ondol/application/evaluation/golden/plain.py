"""Items as plain data: how they lie in files and under seal, checked field by field on the way in."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast, get_args

from ondol.application.evaluation.golden.types import GoldenItem
from ondol.application.evaluation.types import Role, Turn
from ondol.core.canonical import Json, canonical_json
from ondol.core.errors import RequestError

ITEMS_MAX = 10_000
"""Of one version."""
ITEM_BYTES_MAX = 64 * 1024
FILE_BYTES_MAX = 64 * 1024 * 1024
TURNS_MAX = 100
LIST_MAX = 100
"""Expected answers, and documents, of one item."""
SLICES_MAX = 20
WORD_CHARACTERS_MAX = 200

SLICE_FIELDS = ("language", "topic", "difficulty", "kind")
"""Slices that stand in a file beside the other fields; others stand in `slices`."""
FACT_FIELDS = ("must_contain", "must_not_contain")
"""Facts that may stand beside the other fields."""
FIELDS = frozenset({"id", "question", "turns", "expected", "answer", "facts", "documents", "slices", "cluster", "asker", *SLICE_FIELDS, *FACT_FIELDS})
_ID = re.compile(r"[A-Za-z0-9가-힣][A-Za-z0-9가-힣._:/@-]{0,99}")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")


def item_of(raw: object) -> GoldenItem:
    """An item from plain data.

    Raises:
        RequestError: when a field is missing, unknown or of the wrong kind; `param` names it.
    """
    if not isinstance(raw, Mapping):
        raise _bad("item", "An item is an object with `id` and `question`.")
    unknown = sorted(str(name)[:50] for name in raw if name not in FIELDS)
    if unknown:
        raise _bad(unknown[0], f"`{unknown[0]}` is no field of an item.", f"The fields are: {', '.join(sorted(FIELDS))}.")
    if "answer" in raw and "expected" in raw:
        raise _bad("answer", "`answer` and `expected` are the same thing.", "Give one of them.")
    item = GoldenItem(
        id=_item_id(raw.get("id")),
        turns=_turns(raw),
        expected=_texts(raw.get("expected", raw.get("answer", [])), "expected"),
        facts=_facts(raw),
        documents=_texts(raw.get("documents", []), "documents"),
        slices=_slices(raw),
        cluster=_word(raw.get("cluster", ""), "cluster"),
        asker=None if raw.get("asker") is None else _word(raw["asker"], "asker"),
    )
    if len(canonical_item(item)) > ITEM_BYTES_MAX:
        raise _bad("item", f"The item {item.id} has more than {ITEM_BYTES_MAX:,} bytes.")
    return item


def plain_item(item: GoldenItem) -> dict[str, Any]:
    """The item as plain data in its full form, which `item_of` reads; nothing is left out, so that equal items are equal data."""
    return {
        "id": item.id,
        "turns": [{"role": turn.role, "text": turn.text} for turn in item.turns],
        "expected": list(item.expected),
        "facts": dict(item.facts),
        "documents": list(item.documents),
        "slices": dict(item.slices),
        "cluster": item.cluster,
        "asker": item.asker,
    }


def canonical_item(item: GoldenItem) -> bytes:
    """The canonical JSON of an item, over which its address is taken."""
    return canonical_json(cast(Json, plain_item(item)))


def items_of_jsonl(text: str) -> Iterator[GoldenItem]:
    """The items of JSON Lines; empty lines are passed over.

    Raises:
        RequestError: naming the line and the field.
    """
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield _at(f"line {number}", lambda line=line: json.loads(line, parse_constant=_refuse))


def items_of_csv(text: str) -> Iterator[GoldenItem]:
    """The items of a CSV file with a header; several expected answers or documents are separated by ``|``.

    Raises:
        RequestError: naming the row and the field.
    """
    try:
        for number, row in enumerate(csv.DictReader(io.StringIO(text), strict=True), start=2):
            if None in row:
                raise _bad("row", f"row {number}: there are more cells than the header has.")
            raw: dict[str, Any] = {name: cell for name, cell in row.items() if cell}
            for name in ("expected", "documents"):
                if name in raw:
                    raw[name] = [part for part in str(raw[name]).split("|") if part]
            yield _at(f"row {number}", lambda raw=raw: raw)
    except csv.Error as error:
        raise _bad("file", f"The file is no CSV: {error}.") from None


def _at(place: str, read: Any) -> GoldenItem:
    try:
        return item_of(read())
    except (ValueError, RecursionError) as error:
        raise _bad("item", f"{place}: this is no JSON ({str(error)[:100]}).") from None
    except RequestError as error:
        raise RequestError(f"{place}: {error.message}", error.hint, code=error.code, param=error.param) from None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


def _item_id(raw: object) -> str:
    if not isinstance(raw, str) or not _ID.fullmatch(raw):
        raise _bad("id", "An item has an `id` of at most 100 letters, digits and . _ : / @ -.")
    return raw


def _turns(raw: Mapping[str, Any]) -> tuple[Turn, ...]:
    if ("question" in raw) == ("turns" in raw):
        raise _bad("question", "An item has either a `question` or `turns`.")
    if "question" in raw:
        return (Turn("user", _text(raw["question"], "question")),)
    given = raw["turns"]
    if not isinstance(given, list) or not 0 < len(given) <= TURNS_MAX:
        raise _bad("turns", f"`turns` is a list of 1 to {TURNS_MAX} turns.")
    turns = []
    for turn in given:
        if not isinstance(turn, Mapping) or set(turn) != {"role", "text"} or turn["role"] not in get_args(Role) or not isinstance(turn["text"], str):
            raise _bad("turns", "A turn has a `role` (system, user or assistant) and a `text`, and nothing else.")
        turns.append(Turn(turn["role"], turn["text"]))
    if turns[-1].role != "user" or not turns[-1].text.strip():
        raise _bad("turns", "The last turn is a question of the user.")
    return tuple(turns)


def _facts(raw: Mapping[str, Any]) -> dict[str, Any]:
    given = raw.get("facts", {})
    if not isinstance(given, Mapping):
        raise _bad("facts", "`facts` is an object.")
    facts = {**given, **{name: raw[name] for name in FACT_FIELDS if name in raw}}
    if "documents" in facts:
        raise _bad("facts", "The documents of an item stand in `documents`.")
    try:
        plain: dict[str, Any] = json.loads(canonical_json(cast(Json, facts)))
    except (TypeError, RecursionError, UnicodeError) as error:
        hint = "A number with a fraction is written as text."
        raise _bad("facts", f"`facts` holds what has no canonical form ({str(error)[:100]}).", hint) from None
    return plain


def _slices(raw: Mapping[str, Any]) -> dict[str, str]:
    given = raw.get("slices", {})
    if not isinstance(given, Mapping):
        raise _bad("slices", "`slices` is an object of words.")
    slices = {**given, **{name: raw[name] for name in SLICE_FIELDS if name in raw}}
    if len(slices) > SLICES_MAX:
        raise _bad("slices", f"An item has at most {SLICES_MAX} slices.")
    for name in slices:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise _bad("slices", "The name of a slice has at most 32 small letters, digits and _.")
    return {name: _word(value, name) for name, value in slices.items()}


def _texts(raw: object, name: str) -> tuple[str, ...]:
    given: Sequence[object] = [raw] if isinstance(raw, str) else raw if isinstance(raw, list) else [None]
    if len(given) > LIST_MAX:
        raise _bad(name, f"`{name}` has at most {LIST_MAX} entries.")
    return tuple(_text(one, name) for one in given)


def _text(raw: object, name: str) -> str:
    if not isinstance(raw, str) or not raw.strip():
        raise _bad(name, f"`{name}` is a text that is not empty.")
    try:
        raw.encode()
    except UnicodeEncodeError:
        raise _bad(name, f"`{name}` holds half a character.") from None
    return raw


def _word(raw: object, name: str) -> str:
    if not isinstance(raw, str) or len(raw) > WORD_CHARACTERS_MAX or not (raw.isprintable() or raw == ""):
        raise _bad(name, f"`{name}` is a text of at most {WORD_CHARACTERS_MAX} characters on one line.")
    return raw


def _bad(param: str, message: str, hint: str = "") -> RequestError:
    return RequestError(message, hint, code="bad_item", param=param)
