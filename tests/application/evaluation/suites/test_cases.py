"""Cases of files: one after another, with every bad row told by its number."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ondol.application.evaluation.suites import FileCases, SuiteError, each_case, survey
from ondol.application.evaluation.types import Case, Turn

QUESTION = "환불은 며칠 걸리나요?"
WANTED = [
    Case(
        id="a",
        turns=(Turn("user", QUESTION),),
        expected=("3일", "사흘"),
        facts={"documents": ["refund"]},
        slices={"team": "care", "language": "ko"},
        cluster="a",
    ),
    Case(id="b", turns=(Turn("user", 'Say "yes", please\nnow'),), expected=("yes",), slices={"language": "en"}, cluster="b"),
]


def test_the_same_cases_come_of_every_format(tmp_path: Path) -> None:
    (tmp_path / "c.jsonl").write_text(
        json.dumps(
            {
                "id": "a",
                "question": QUESTION,
                "expected": ["3일", "사흘"],
                "facts": {"documents": ["refund"]},
                "language": "ko",
                "slices": {"team": "care"},
            },
            ensure_ascii=False,
        )
        + "\n\n"
        + json.dumps({"id": "b", "question": 'Say "yes", please\nnow', "expected": "yes", "language": "en"}),
        "utf-8",
    )
    (tmp_path / "c.csv").write_text(
        "\ufeffid,question,expected,facts.documents,language,slices.team\r\n"
        f'a,{QUESTION},"[""3일"", ""사흘""]","[""refund""]",ko,care\r\n'
        'b,"Say ""yes"", please\nnow",yes,,en,\r\n',
        "utf-8",
    )
    columns = {
        "id": ["a", "b"],
        "question": [QUESTION, 'Say "yes", please\nnow'],
        "expected": [["3일", "사흘"], ["yes"]],
        "facts.documents": [["refund"], None],
        "language": ["ko", "en"],
        "slices.team": ["care", None],
    }
    pq.write_table(pa.table(columns), tmp_path / "c.parquet")
    digests = set()
    for suffix in ("jsonl", "csv", "parquet"):
        source = FileCases(path=tmp_path / f"c.{suffix}")
        found = list(each_case(source))
        assert found == WANTED, suffix
        digests.add(survey(source).digest)
    assert len(digests) == 1


def test_fields_are_taken_by_their_own_names(tmp_path: Path) -> None:
    (tmp_path / "c.jsonl").write_text('{"prompt": "x", "answers": ["y"], "docs": ["d"], "noise": 1}\n' * 3, "utf-8")
    mapped = {"question": "prompt", "expected": "answers", "facts.documents": "docs"}
    found = list(each_case(FileCases(path=tmp_path / "c.jsonl", fields=mapped, limit=2)))
    turns = (Turn("user", "x"),)
    assert found == [Case(id=f"case-{n}", turns=turns, expected=("y",), facts={"documents": ["d"]}, cluster=f"case-{n}") for n in (1, 2)]
    with pytest.raises(SuiteError, match="there is no 'question', which `fields` gives for question"):
        survey(FileCases(path=tmp_path / "c.jsonl", fields={"question": "question"}))


def test_every_bad_row_is_told_with_its_number(tmp_path: Path) -> None:
    good = '{"question": "x"}'
    bad = [
        '{"question": 3}',
        "[1]",
        "{",
        '{"question": "x", "topik": "y"}',
        '{"question": "x", "question": "y"}',
        '{"question": "\\ud800"}',
        good[:-1] + ', "a": NaN}',
    ]
    (tmp_path / "c.jsonl").write_text("\n".join([good, *bad, good]), "utf-8")
    with pytest.raises(SuiteError) as told:
        survey(FileCases(path=tmp_path / "c.jsonl"))
    assert told.value.message.startswith("7 of 9 cases cannot be read:")
    for row in range(2, 9):
        assert f"row {row}" in told.value.message
    assert "Did you mean 'topic'?" in told.value.message
    (tmp_path / "many.jsonl").write_text("[]\n" * 50, "utf-8")
    with pytest.raises(SuiteError, match="and 30 more"):
        survey(FileCases(path=tmp_path / "many.jsonl"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("id,question\na,x,y\n", "row 2: 3 cells, but the first row names 2 columns"),
        ("id,id\na,x\n", "a column stands twice"),
        ('question\nx\n"y\n', "row 3: no valid CSV"),
        ("question\n" + "x" * 200_000, "row 2: no valid CSV"),
        ('question,expected\nx,"[1"\n', "column expected: no valid JSON"),
        ("question\n", "There are no cases"),
    ],
    ids=["cells", "columns", "quote", "long", "json", "empty"],
)
def test_bad_tables_are_told(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "c.csv").write_text(content, "utf-8")
    with pytest.raises(SuiteError, match=said.replace("(", r"\(")):
        survey(FileCases(path=tmp_path / "c.csv"))


def test_what_is_no_parquet_is_told(tmp_path: Path) -> None:
    (tmp_path / "c.parquet").write_bytes(b"PAR1 nothing of the kind PAR1")
    with pytest.raises(SuiteError, match="no readable Parquet"):
        survey(FileCases(path=tmp_path / "c.parquet"))


def test_a_line_without_end_is_not_read_into_memory(tmp_path: Path) -> None:
    with (tmp_path / "c.jsonl").open("w", encoding="utf-8") as file:
        file.write('{"question": "' + "x" * 30_000_000 + '"}\n{"question": "y"}\n{')
    tracemalloc.start()
    with pytest.raises(SuiteError, match="row 1: more than 1,048,576 bytes") as told:
        survey(FileCases(path=tmp_path / "c.jsonl"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "row 3: no valid JSON" in told.value.message
    assert peak < 8_000_000


def test_an_id_stands_once(tmp_path: Path) -> None:
    (tmp_path / "c.jsonl").write_text("".join(f'{{"id": "{name}", "question": "x"}}\n' for name in "abcb"), "utf-8")
    with pytest.raises(SuiteError, match="1 ids stand twice; the first are those of case 2 and case 4"):
        survey(FileCases(path=tmp_path / "c.jsonl"))


def test_memory_is_the_same_however_many_cases_there_are(tmp_path: Path) -> None:
    peaks = []
    for count in (1_000, 10_000):
        path = tmp_path / f"{count}.jsonl"
        path.write_text("".join(f'{{"id": "{n}", "question": "{"x" * 200}"}}\n' for n in range(count)), "utf-8")
        tracemalloc.start()
        assert survey(FileCases(path=path)).count == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 600_000, peaks
