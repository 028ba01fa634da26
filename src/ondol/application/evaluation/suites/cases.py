"""Cases, one after another: of the suite itself, of a JSONL, CSV or Parquet file, or made by a Python suite. No file is ever in memory as a whole."""

from __future__ import annotations

import array
import csv
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, assert_never, get_args

import numpy as np

from ondol.application.evaluation.suites.fields import Fields, SuiteError, plain_text
from ondol.application.evaluation.suites.types import WELL_KNOWN_SLICES, CaseSource, FileCases, GoldenCases, InlineCases, MadeCases
from ondol.application.evaluation.types import Case, Role, Turn
from ondol.core.canonical import Json, canonical_json

CASES_MAX = 1_000_000
FILE_BYTES_MAX = 4 * 1024**3
ROW_BYTES_MAX = 1024 * 1024
TURNS_MAX = 200
SIMULATED_TURNS_MAX = 50
FACT_DEPTH_MAX = 10
BAD_ROWS_SHOWN = 20
PARQUET_ROWS = 500
CASE_FORMATS = (".jsonl", ".csv", ".parquet")
_OWN = ("id", "question", "turns", "expected", "facts", "slices", "cluster", "asker", "simulated_user")
_JSON_CELLS = ("expected", "turns", "facts", "slices", "simulated_user")


@dataclass(frozen=True, slots=True)
class Surveyed:
    """What was found on a first walk over all cases.

    Attributes:
        digest: SHA-256 over the canonical JSON of each case in turn, a line feed after each.
    """

    count: int
    digest: bytes


def read_case(fields: Fields, default_id: str, slices: Iterable[str] = ()) -> Case:
    """A case from its fields.

    Args:
        default_id: its id where it does not say.
        slices: names that may stand at the top of a case beside the well-known ones.

    Raises:
        SuiteError: when something is missing, unknown or of another type.
    """
    case_id = fields.name("id", default_id)
    turns = _turns(fields)
    told = fields.section("slices", {})
    sliced = {name: told.name(name) for name in told.names if told.peek(name) is not None}
    sliced |= {name: fields.name(name) for name in dict.fromkeys((*WELL_KNOWN_SLICES, *slices)) if fields.peek(name) is not None}
    facts = fields.section("facts", {}).rest()
    _check_depth(facts, fields.at("facts"), FACT_DEPTH_MAX)
    if fields.peek("simulated_user") is not None:
        facts["simulated_user"] = _simulated(fields.section("simulated_user"))
    case = Case(
        id=case_id,
        turns=turns,
        expected=fields.texts("expected"),
        facts=facts,
        slices=sliced,
        cluster=fields.name("cluster", case_id),
        asker=fields.name("asker", None),
    )
    fields.close((*_OWN, *WELL_KNOWN_SLICES, *slices))
    return case


def each_case(source: CaseSource, slices: tuple[str, ...] = ()) -> Iterator[Case]:
    """All cases of a source that needs no store, in order.

    Raises:
        SuiteError: at the first that cannot be read; it names its row.
    """
    for case in _each(source, slices):
        if isinstance(case, SuiteError):
            raise case
        yield case


def survey(source: CaseSource, slices: tuple[str, ...] = ()) -> Surveyed:
    """Walk over all cases once: count them, take their digest, and find whatever is wrong with any of them.

    Raises:
        SuiteError: when rows cannot be read, or an id stands twice; it tells how many, and the first of them by number.
    """
    bad: list[str] = []
    bad_count = count = 0
    hashed, ids = hashlib.sha256(), array.array("Q")
    for case in _each(source, slices):
        if isinstance(case, SuiteError):
            bad_count += 1
            bad += [f"{case.message} {case.hint}".strip()] if bad_count <= BAD_ROWS_SHOWN else []
            continue
        count += 1
        if count > CASES_MAX:
            raise SuiteError(f"There are more than {CASES_MAX:,} cases.", "Take fewer with `limit`.", param="cases")
        hashed.update(case_bytes(case) + b"\n")
        ids.append(int.from_bytes(hashlib.blake2b(case.id.encode(), digest_size=8).digest(), "big"))
    if bad_count:
        more = f" and {bad_count - len(bad):,} more" if bad_count > len(bad) else ""
        listed = "\n  ".join(bad)
        raise SuiteError(
            f"{bad_count:,} of {bad_count + count:,} cases cannot be read:\n  {listed}{more}", "Mend them, or leave them out.", param="cases"
        )
    if not count:
        raise SuiteError("There are no cases.", "A suite needs at least one.", param="cases")
    _check_ids(ids)
    return Surveyed(count, hashed.digest())


def case_bytes(case: Case) -> bytes:
    """The canonical JSON of a case; numbers with a fraction stand in it as text."""
    return canonical_json(exact(asdict(case)))


def exact(value: Any) -> Json:
    """Plain data as canonical JSON carries it: numbers with a fraction as the shortest text that reads back to them."""
    match value:
        case float():
            return repr(value)
        case Mapping():
            return {str(key): exact(item) for key, item in value.items()}
        case list() | tuple():
            return [exact(item) for item in value]
        case bool() | int() | str() | bytes() | None:
            return value
    return str(value)


def _each(source: CaseSource, slices: tuple[str, ...]) -> Iterator[Case | SuiteError]:
    match source:
        case InlineCases():
            yield from source.cases
        case MadeCases():
            yield from source.make()
        case FileCases():
            yield from _of_file(source, slices)
        case GoldenCases():
            raise SuiteError("A golden set is read from the platform.", param="cases.golden")
        case _:
            assert_never(source)


def _of_file(source: FileCases, slices: tuple[str, ...]) -> Iterator[Case | SuiteError]:
    try:
        if source.path.stat().st_size > FILE_BYTES_MAX:
            raise SuiteError(f"{source.path} has more than {FILE_BYTES_MAX:,} bytes.", "Cut it into several.", param="cases.file")
        rows = {".jsonl": _jsonl, ".csv": _csv, ".parquet": _parquet}[source.path.suffix](source.path)
        for taken, (number, row) in enumerate(rows):
            if taken == source.limit:
                return
            yield row if isinstance(row, SuiteError) else _of_row(row, f"{source.path.name}, row {number}", number, source.fields, slices)
    except OSError as error:
        raise SuiteError(f"{source.path} cannot be read: {error}.", param="cases.file") from error


def _of_row(row: object, place: str, number: int, mapped: Mapping[str, str], slices: tuple[str, ...]) -> Case | SuiteError:
    try:
        if not isinstance(row, Mapping):
            raise SuiteError(f"{place}: not a mapping of names.")
        _check_depth(row, place, FACT_DEPTH_MAX + 2)
        return read_case(Fields(_unfolded(_renamed(row, mapped, place)), place), f"case-{number}", slices)
    except SuiteError as error:
        return error


def _renamed(row: Mapping[str, Any], mapped: Mapping[str, str], place: str) -> Mapping[str, Any]:
    if not mapped:
        return row
    for own, theirs in mapped.items():
        if theirs not in row:
            raise SuiteError(f"{place}: there is no {theirs!r}, which `fields` gives for {own}.", f"The row has: {', '.join(map(str, row))[:300]}")
    return {own: row[theirs] for own, theirs in mapped.items()}


def _unfolded(row: Mapping[str, Any]) -> dict[str, Any]:
    """`facts.documents` and `slices.team` as fields of their mappings; what is null is left out, since a table has each column in every row."""
    whole: dict[str, Any] = {}
    for name, value in row.items():
        group, dot, inner = str(name).partition(".")
        if dot and group in ("facts", "slices") and isinstance(whole.get(group, {}), dict):
            whole[group] = {**whole.get(group, {}), **({} if value is None else {inner: value})}
        else:
            whole[name] = value
    return whole


def _jsonl(path: Path) -> Iterator[tuple[int, object]]:
    with path.open("rb") as file:
        number = 0
        while line := file.readline(ROW_BYTES_MAX + 1):
            number += 1
            if len(line) > ROW_BYTES_MAX:
                yield number, SuiteError(f"{path.name}, row {number}: more than {ROW_BYTES_MAX:,} bytes.")
                while line and not line.endswith(b"\n"):
                    line = file.readline(ROW_BYTES_MAX)
            elif line.strip():
                yield number, _json(line, f"{path.name}, row {number}")


def _json(text: bytes | str, place: str) -> object:
    try:
        decoded = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        return json.loads(decoded, object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        return SuiteError(f"{place}: no valid JSON in UTF-8: {error}.")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the key {name[:60]!r} stands twice")
        found[name] = value
    return found


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


def _csv(path: Path) -> Iterator[tuple[int, object]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file, strict=True)
        number = 0
        try:
            names, number = next(rows, []), 1
            if len(set(names)) < len(names):
                raise SuiteError(f"{path.name}: a column stands twice.", param="cases.file")
            for number, cells in enumerate(rows, 2):
                if cells:
                    yield number, _of_cells(names, cells, f"{path.name}, row {number}")
        except (csv.Error, UnicodeDecodeError) as error:
            yield number + 1, SuiteError(f"{path.name}, row {number + 1}: no valid CSV in UTF-8 ({error}); nothing after it was read.")


def _of_cells(names: list[str], cells: list[str], place: str) -> object:
    """Cells by column. An empty cell is absent; one of a field that may be a list or mapping is JSON where it begins like it."""
    if len(cells) != len(names):
        return SuiteError(f"{place}: {len(cells)} cells, but the first row names {len(names)} columns.")
    row: dict[str, object] = {}
    for name, cell in zip(names, cells, strict=True):
        if cell and name.partition(".")[0] in _JSON_CELLS and cell[0] in "[{":
            row[name] = _json(cell, f"{place}, column {name}")
            if isinstance(row[name], SuiteError):
                return row[name]
        else:
            row[name] = cell or None
    return row


def _parquet(path: Path) -> Iterator[tuple[int, object]]:
    import pyarrow
    import pyarrow.parquet

    number = 0
    try:
        with pyarrow.parquet.ParquetFile(path, pre_buffer=False) as file:
            for batch in file.iter_batches(batch_size=PARQUET_ROWS, use_threads=False):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except (pyarrow.ArrowException, OSError) as error:
        yield number + 1, SuiteError(f"{path.name}, row {number + 1}: no readable Parquet ({str(error)[:200]}); nothing after it was read.")


def _turns(fields: Fields) -> tuple[Turn, ...]:
    if fields.peek("turns") is None:
        return (Turn("user", fields.text("question")),)
    if fields.peek("question") is not None:
        raise SuiteError(f"{fields.at('question')} stands beside turns.", "The last turn is the question.", param=fields.at("question"))
    turns = fields.each("turns", _turn, most=TURNS_MAX)
    if not turns or turns[-1].role != "user":
        raise SuiteError(f"{fields.at('turns')} must end with a turn of the user, which is answered.", param=fields.at("turns"))
    return turns


def _turn(fields: Fields) -> Turn:
    """`{user: text}`, or `{role: user, text: text}`; a turn of the assistant without text is asked for."""
    roles = get_args(Role)
    role = next((known for known in roles if fields.peek(known) is not None or known in fields.names), None)
    key = role or "text"
    if role is None:
        role = fields.choice("role", roles)
    text = fields.text(key, "", may_be_empty=role == "assistant")
    if not text and role != "assistant":
        raise SuiteError(f"{fields.at(key)} is empty.", param=fields.at(key))
    fields.close(roles)
    return Turn(role, text)


def _simulated(fields: Fields) -> dict[str, Any]:
    told = {
        "model": fields.name("model"),
        "persona": fields.text("persona", characters_max=4_000),
        "aim": fields.text("aim", characters_max=4_000),
        "turns": fields.whole("turns", 5, low=1, high=SIMULATED_TURNS_MAX),
    }
    fields.close()
    return told


def _check_depth(value: object, place: str, left: int) -> None:
    if left < 0:
        raise SuiteError(f"{place} is nested more than {FACT_DEPTH_MAX} deep.", param=place)
    if isinstance(value, Mapping):
        for name, item in value.items():
            plain_text(name, f"a name in {place}", 500)
            _check_depth(item, place, left - 1)
    elif isinstance(value, list | tuple):
        for item in value:
            _check_depth(item, place, left - 1)
    elif isinstance(value, str):
        plain_text(value, place, ROW_BYTES_MAX, may_be_empty=True)


def _check_ids(ids: array.array[int]) -> None:
    hashes = np.frombuffer(ids, dtype=np.uint64)
    order = np.argsort(hashes, kind="stable")
    same = np.flatnonzero(hashes[order][1:] == hashes[order][:-1])
    if same.size:
        first, second = sorted((int(order[same[0]]) + 1, int(order[same[0] + 1]) + 1))
        said = f"{same.size:,} ids stand twice; the first are those of case {first:,} and case {second:,}."
        raise SuiteError(said, "Each case needs an id of its own.", param="cases")
