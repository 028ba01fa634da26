"""Two versions of an index are asked the same questions, each as its asker."""

from __future__ import annotations

from pathlib import Path

import pytest

from ondol.application.knowledge import store
from ondol.application.knowledge.compare import Compared, Question, compare, read_questions
from ondol.application.knowledge.index_versions import Wanted, build_version, list_versions, start_version
from ondol.application.knowledge.types import IndexSettings
from ondol.core.errors import UserError
from tests.application.conftest import House

pytestmark = pytest.mark.anyio


async def test_recall_and_places_are_told_for_each_version_and_nothing_closed_is_found(house: House) -> None:
    house.write("long.md", "# Long\n\n" + "The harbour opens at seven and closes at nine. " * 40 + "The beacon is lit. " + "The pier is old. " * 60)
    house.write("short.md", "# Short\n\nThe beacon and the beacon.")
    house.write("closed.md", "---\nclass: restricted\n---\n# Closed\n\nThe beacon, the beacon and the lighthouse.")
    await house.ingest(index_settings=IndexSettings(2000, 4000))
    async with house.platform.database.tenant_tx(house.tenant_id) as connection:
        base = await store.find_base(connection, "base")
    made = await start_version(house.platform.knowledge, house.tenant_id, base.id, IndexSettings(100, 200), Wanted())
    await build_version(house.platform.knowledge, house.tenant_id, made.id)
    async with house.platform.database.tenant_tx(house.tenant_id) as connection:
        second, first = await list_versions(connection, base.id)
    questions = [
        Question("beacon", ("short",), "visitor"),
        Question("lighthouse", ("closed",), "visitor"),
        Question("lighthouse", ("closed",), "security"),
        Question("harbour", (), "visitor"),
    ]
    told = await compare(house.platform.knowledge, house.tenant_id, house.people, (first, second), questions)
    assert told.judged == 3
    assert told.questions[1:] == (Compared(2, None, None, 0, True), Compared(3, 1, 1, 1, True), Compared(4, None, None, 1, True))
    assert (told.questions[0].first, told.questions[0].second) == (1, 1)
    assert told.recall_at_1 == told.recall_at_10 == (2 / 3, 2 / 3)


@pytest.mark.parametrize("line", ["nonsense", '{"question": 1}', '{"question": "a", "answer": "b"}', "[]", ""])
async def test_a_file_that_holds_something_else_is_told(line: str, tmp_path: Path) -> None:
    file = tmp_path / "questions.jsonl"
    file.write_text('{"question": "a"}\n' + line + "\n" if line else "\n")
    with pytest.raises(UserError, match=r"line 2|holds 0"):
        read_questions(file)


@pytest.mark.parametrize("name", ["absent.jsonl", ""])
async def test_a_file_that_cannot_be_read_is_told(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read_questions(tmp_path / name)


async def test_questions_are_read_as_written(tmp_path: Path) -> None:
    file = tmp_path / "questions.jsonl"
    file.write_text('{"question": "환불은?", "documents": ["ko/refund"], "as": "visitor"}\n\n{"question": "b"}\n', "utf-8")
    assert read_questions(file) == [Question("환불은?", ("ko/refund",), "visitor"), Question("b")]
