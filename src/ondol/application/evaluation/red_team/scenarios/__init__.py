"""Scenarios of our own, in Korean and English, and how files of them are read."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, cast, get_args

import yaml

from ondol.application.evaluation.red_team.types import Category, DetectorKind, Language, Scenario, Sign
from ondol.core.errors import UserError

OWN = ("harm.yaml", "orders.yaml")
SCENARIOS_MAX = 5_000
TURNS_MAX = 20
TEXT_CHARACTERS_MAX = 20_000
FILE_BYTES_MAX = 8 * 1024 * 1024
LANGUAGES: tuple[Language, ...] = get_args(Language)
CATEGORIES: tuple[Category, ...] = get_args(Category)


@lru_cache(maxsize=1)
def own_scenarios() -> tuple[Scenario, ...]:
    """Those that come with the product."""
    room = files("ondol.application.evaluation.red_team.scenarios")
    return tuple(scenario for name in OWN for scenario in parse_scenarios(room.joinpath(name).read_text("utf-8"), name))


def read_scenarios(path: Path) -> tuple[Scenario, ...]:
    """Scenarios of a file of one's own, in the form of ours.

    Raises:
        UserError: when it cannot be read; it names the scenario and the field.
    """
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise UserError(f"{path} has more than {FILE_BYTES_MAX:,} bytes.", "Split it.")
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}.", "Give a YAML file in UTF-8.") from error
    return parse_scenarios(text, path.name)


def parse_scenarios(text: str, where: str) -> tuple[Scenario, ...]:
    """Scenarios of YAML text.

    Raises:
        UserError: when it is not understood; it names the scenario and the field.
    """
    try:
        rows = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise UserError(f"{where} is no valid YAML: {error}", "Look at the line that is named.") from error
    if not isinstance(rows, list) or not 0 < len(rows) <= SCENARIOS_MAX:
        raise UserError(f"{where} is no list of 1 to {SCENARIOS_MAX:,} scenarios.", "Each has `id`, `category`, `turns` and `signs`.")
    read = tuple(_scenario(row, f"{where}: scenario {number}") for number, row in enumerate(rows, 1))
    twice = [scenario.id for number, scenario in enumerate(read) if any(scenario.id == earlier.id for earlier in read[:number])]
    if twice:
        raise UserError(f"{where}: {twice[0]} stands twice.", "Every scenario has an id of its own.")
    return read


def _scenario(row: Any, where: str) -> Scenario:
    if not isinstance(row, dict) or set(row) - {"id", "category", "turns", "signs", "system", "document"}:
        raise UserError(f"{where} has an unknown field, or is no object.", "It has `id`, `category`, `turns`, `signs`; perhaps `system`, `document`.")
    name = _text(row.get("id"), f"{where}: `id`")
    where = f"{where} ({name})"
    if row.get("category") not in CATEGORIES:
        raise UserError(f"{where}: `category` is none of {', '.join(CATEGORIES)}.", "Choose one.")
    turns = _by_language(row.get("turns"), f"{where}: `turns`")
    signs = _by_language(row.get("signs"), f"{where}: `signs`")
    if set(turns) != set(signs):
        raise UserError(f"{where}: `turns` and `signs` are not in the same languages.", "Say for each language by what success is known.")
    return Scenario(
        id=name,
        category=row["category"],
        turns={language: _turns(told, f"{where}: `turns.{language}`") for language, told in turns.items()},
        signs={language: _sign(told, f"{where}: `signs.{language}`") for language, told in signs.items()},
        system=_texts(row.get("system"), f"{where}: `system`"),
        document=_texts(row.get("document"), f"{where}: `document`"),
    )


def _by_language(told: Any, where: str) -> Mapping[Language, Any]:
    if not isinstance(told, dict) or not told or set(told) - set(LANGUAGES):
        raise UserError(f"{where} is no object with `ko`, `en` or both.", "For example: {ko: ..., en: ...}")
    return cast("Mapping[Language, Any]", told)


def _texts(told: Any, where: str) -> Mapping[Language, str]:
    return {} if told is None else {language: _text(text, f"{where}.{language}") for language, text in _by_language(told, where).items()}


def _turns(told: Any, where: str) -> tuple[str, ...]:
    if not isinstance(told, list) or not 0 < len(told) <= TURNS_MAX:
        raise UserError(f"{where} is no list of 1 to {TURNS_MAX} texts.", "Give what the attacker says, turn by turn.")
    return tuple(_text(text, where) for text in told)


def _sign(told: Any, where: str) -> Sign:
    if not isinstance(told, dict) or set(told) - {"kind", "words", "least"} or told.get("kind") not in get_args(DetectorKind):
        raise UserError(f"{where}: `kind` is none of {', '.join(get_args(DetectorKind))}.", "Beside it may stand `words` and `least`.")
    words, least = told.get("words", []), told.get("least", 1)
    if not isinstance(words, list) or (told["kind"] not in ("abandons", "answers", "spends") and not words):
        raise UserError(f"{where}: `words` is no list of texts.", "Say what the detector looks for.")
    if isinstance(least, bool) or not isinstance(least, int) or not 1 <= least <= 1_000_000:
        raise UserError(f"{where}: `least` is no whole number from 1.", "Leave it out where one is enough.")
    return Sign(kind=told["kind"], words=tuple(_text(word, f"{where}: `words`") for word in words), least=least)


def _text(told: Any, where: str) -> str:
    if not isinstance(told, str) or not told.strip() or len(told) > TEXT_CHARACTERS_MAX:
        raise UserError(f"{where} is no text of 1 to {TEXT_CHARACTERS_MAX:,} characters.", "Mend the scenario.")
    return told
