"""Pairs of answers on which judges are tried: LLMBar's files, and others of the same form.

A file is a JSON array or JSONL of objects: `input` (the question), `output_1` and `output_2`, and where known `label` (1 or 2: which people prefer),
`model_1` and `model_2` (who wrote them), `language`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ondol.application.evaluation.judges.words import Language
from ondol.core.errors import UserError
from ondol.core.language import detect_language

PAIRS_MAX = 20_000
FILE_BYTES_MAX = 64 * 1024 * 1024
FILES_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two answers to one question.

    Attributes:
        preferred: 0 or 1, the one that people prefer; None where nobody said.
        authors: who wrote each; empty where nobody said.
    """

    id: str
    question: str
    texts: tuple[str, str]
    preferred: int | None = None
    authors: tuple[str, str] = ("", "")
    language: Language = "en"


def read_pairs(path: Path) -> list[Pair]:
    """The pairs of a file, or of all `*.json` and `*.jsonl` files below a folder, in the order of their names.

    Raises:
        UserError: when there are none, too many, or one cannot be read; it names file, row and field.
    """
    files = sorted(file for file in path.rglob("*.json*") if file.suffix in (".json", ".jsonl")) if path.is_dir() else [path]
    if len(files) > FILES_MAX:
        raise UserError(f"{path} has more than {FILES_MAX} files.", "Name one of them.")
    pairs = [pair for file in files for pair in _pairs_of(file, "" if len(files) == 1 else f"{file.relative_to(path)}:")]
    if not pairs or len(pairs) > PAIRS_MAX:
        raise UserError(f"{path} has {len(pairs):,} pairs; 1 to {PAIRS_MAX:,} are read.", "Each has `input`, `output_1` and `output_2`.")
    return pairs


def _pairs_of(file: Path, prefix: str) -> Iterator[Pair]:
    for number, row in enumerate(_rows(file), 1):
        if not isinstance(row, dict):
            raise UserError(f"{file}: row {number} is no object.", "Each has `input`, `output_1` and `output_2`.")
        yield _pair(row, f"{prefix}{number}", f"{file}: row {number}")


def _rows(file: Path) -> list[Any]:
    try:
        if file.stat().st_size > FILE_BYTES_MAX:
            raise UserError(f"{file} has more than {FILE_BYTES_MAX:,} bytes.", "Give a part of it.")
        text = file.read_text("utf-8")
        rows = json.loads(text) if text.lstrip().startswith("[") else [json.loads(line) for line in text.splitlines() if line.strip()]
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{file} cannot be read: {error}.", "Give a JSON array or JSONL, in UTF-8.") from error
    assert isinstance(rows, list)  # noqa: S101 - it begins with a bracket, or was made here
    return rows


def _pair(row: Mapping[str, Any], name: str, where: str) -> Pair:
    question, first, second = (_text(row, field, where) for field in ("input", "output_1", "output_2"))
    label = row.get("label")
    if label not in (None, 1, 2) or isinstance(label, bool):
        raise UserError(f"{where}: `label` is neither 1 nor 2.", "It says which of both people prefer.")
    told = row.get("language")
    if told not in (None, "ko", "en"):
        raise UserError(f"{where}: `language` is neither ko nor en.", "Leave it out where it is not known.")
    return Pair(
        id=name,
        question=question,
        texts=(first, second),
        preferred=None if label is None else int(label) - 1,
        authors=(str(row.get("model_1") or ""), str(row.get("model_2") or "")),
        language=told or detect_language(question),
    )


def _text(row: Mapping[str, Any], field: str, where: str) -> str:
    value = row.get(field)
    if not isinstance(value, str) or not value.strip():
        raise UserError(f"{where}: `{field}` is no text.", "Each row has `input`, `output_1` and `output_2`.")
    return value
