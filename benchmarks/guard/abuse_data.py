"""Labelled texts of abuse in Korean (kocohub) and English (HateCheck), cut into halves."""

from __future__ import annotations

import csv
from collections.abc import Iterator

from benchmarks.data import data_folder
from benchmarks.guard.firewall_data import Sample, Split, hatecheck, split_of


def abuse_samples() -> list[Sample]:
    """All labelled texts; ``attack`` says that it is abuse, ``detail`` names the label or HateCheck's functionality."""
    return [*_kocohub(), *_hatecheck()]


def _kocohub() -> Iterator[Sample]:
    """Comments on entertainment news: hate and offence are abuse. Its ``train`` is learned from, its ``dev`` is test; labels of"
    " its own test set are not public."""
    splits: tuple[tuple[str, Split], ...] = (("train", "train"), ("dev", "test"))
    for name, split in splits:
        with (data_folder("korean-hate-speech") / "labeled" / f"{name}.tsv").open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
                yield Sample(row["comments"], "kocohub", row["hate"] != "none", "ko", split, detail=row["hate"])


def _hatecheck() -> Iterator[Sample]:
    """Short sentences from templates, for and against groups of people; a template is learned from or measured with, never both."""
    for row in hatecheck():
        split = split_of(f"hatecheck {row['templ_id']}")
        yield Sample(row["test_case"], "hatecheck", row["label_gold"] == "hateful", "en", split, detail=row["functionality"], group=row["templ_id"])
