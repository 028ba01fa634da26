"""Where the public data for benchmarks lies, and how it is read."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path


class DataAbsent(Exception):
    """The public data is not on this machine."""


@dataclass(frozen=True, slots=True)
class Korquad:
    """Distinct paragraphs, and questions with the index of the paragraph that holds the answer."""

    paragraphs: list[str]
    questions: list[tuple[str, int]]


def data_folder(name: str) -> Path:
    """A set's folder, found by ONDOL_TEST_DATA (default: ../shared/data).

    Raises:
        DataAbsent: when it is not there.
    """
    root = Path(os.environ.get("ONDOL_TEST_DATA", "../shared/data"))
    folder = root / name
    if not folder.is_dir():
        raise DataAbsent(f"{folder} is not there: set ONDOL_TEST_DATA to the folder that holds {name}.")
    return folder


def read_korquad() -> Korquad:
    """The development set of KorQuAD 1.0: 964 paragraphs, of which 961 differ, and 5,774 questions."""
    file = next(iter(sorted(data_folder("korquad").rglob("*dev*.json"))))
    paragraphs: dict[str, int] = {}
    questions: list[tuple[str, int]] = []
    for article in json.loads(file.read_text("utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            index = paragraphs.setdefault(paragraph["context"], len(paragraphs))
            questions += [(item["question"], index) for item in paragraph["qas"]]
    return Korquad(list(paragraphs), questions)
