"""The golden questions: answerable where they say so, closed where they say so, and quoting the documents as they stand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pytest
import yaml

from ondol.core.errors import UserError
from ondol.demo import tenant_file
from ondol.demo.golden import ASKERS, GoldenQuestion, QuestionKind, load_golden

if TYPE_CHECKING:
    from tests.demo.conftest import DemoDocuments

GOLDEN = load_golden()


def of_kind(*kinds: QuestionKind) -> list[GoldenQuestion]:
    return [question for question in GOLDEN if question.kind in kinds]


def test_there_are_enough_of_every_kind_and_language() -> None:
    assert len(GOLDEN) >= 200
    for language in ("ko", "en"):
        for kind in get_args(QuestionKind):
            assert len([question for question in of_kind(kind) if question.language == language]) >= 15, (language, kind)
    assert {question.asker for question in GOLDEN} == set(ASKERS)


def test_no_question_is_asked_twice() -> None:
    assert len({question.id for question in GOLDEN}) == len(GOLDEN)
    assert len({question.question for question in GOLDEN}) == len(GOLDEN)


def test_ids_languages_and_documents_agree(documents: DemoDocuments) -> None:
    known = {document.id for document in documents.all}
    for question in GOLDEN:
        assert question.id.startswith(f"{question.language}-"), question.id
        assert set(question.documents) <= known, question.id
        assert all(key.startswith(f"{question.language}/") for key in question.documents), question.id
        assert bool(question.documents) == (question.kind != "unanswerable"), question.id
        assert question.question.strip() and question.answer.strip(), question.id


def test_checks_fit_the_kind() -> None:
    for question in GOLDEN:
        assert bool(question.must_contain) == (question.kind in ("answerable", "newest")), question.id
        assert question.must_not_contain or question.kind in ("answerable", "unanswerable"), question.id
        assert all(group and all(group) for group in question.must_contain), question.id
        assert all(question.must_not_contain), question.id


@pytest.mark.parametrize("question", of_kind("answerable", "newest"), ids=lambda question: question.id)
def test_answers_stand_in_a_document_that_is_current_and_open(documents: DemoDocuments, question: GoldenQuestion) -> None:
    current = [documents.current(key) for key in question.documents]
    texts = [document.text for document in current if document is not None and document.open_to(question.asker)]
    assert len(texts) == len(question.documents)
    for group in question.must_contain:
        assert any(spelling in text for spelling in group for text in texts), group
        assert any(spelling in question.answer for spelling in group), group
    assert not [word for word in question.must_not_contain if word in question.answer]


@pytest.mark.parametrize("question", of_kind("newest"), ids=lambda question: question.id)
def test_old_figures_stand_only_in_outdated_documents(documents: DemoDocuments, question: GoldenQuestion) -> None:
    outdated = "\n".join(document.text for document in documents.outdated(question.language))
    current = [documents.current(key) for key in question.documents]
    for word in question.must_not_contain:
        assert word in outdated, word
        assert not [document.path for document in current if document is not None and word in document.text], word


@pytest.mark.parametrize("question", of_kind("forbidden"), ids=lambda question: question.id)
def test_forbidden_answers_stand_only_in_closed_documents(documents: DemoDocuments, question: GoldenQuestion) -> None:
    for key in question.documents:
        assert not all(document.open_to(question.asker) for document in documents.of(key)), key
    closed = "\n".join(document.text for key in question.documents for document in documents.of(key) if not document.open_to(question.asker))
    for word in question.must_not_contain:
        assert word in closed, word
        assert not [document.path for document in documents.all if document.open_to(question.asker) and word in document.text], word


def test_askers_are_people_of_the_tenant() -> None:
    (tenant,) = yaml.safe_load(tenant_file().read_text(encoding="utf-8"))["tenants"]
    people = {person["login"]: person for person in tenant["people"]}
    for asker in ASKERS.values():
        person = people[asker.login]
        assert (tuple(person.get("groups", ())), person["clearance"]) == (asker.groups, asker.clearance)
    (staff,) = [group for group in tenant["groups"] if group["name"] == "staff"]
    assert set(staff["members"]) == {group for asker in ASKERS.values() for group in asker.groups}
    assert {group["name"] for group in tenant["groups"]} == {*staff["members"], "staff"}


def line_with(**changes: object) -> str:
    """A line that is a golden question, with some keys changed."""
    right = {"id": "x", "language": "en", "asker": "ops", "kind": "unanswerable", "question": "q", "documents": [], "answer": "a"}
    return json.dumps({**right, "must_contain": [], "must_not_contain": [], **changes})


@pytest.mark.parametrize(
    "line",
    [
        "not json",
        "[]",
        "{}",
        line_with(language="fr"),
        line_with(asker="nobody"),
        line_with(kind="other"),
        line_with(documents=None),
        line_with(more=1),
    ],
)
def test_a_line_that_is_no_question_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "part.jsonl").write_text(line + "\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"part\.jsonl, line 1"):
        load_golden(tmp_path)


def test_an_id_that_is_taken_is_named(tmp_path: Path) -> None:
    (tmp_path / "part.jsonl").write_text(f"{line_with()}\n{line_with(asker='billing')}\n", encoding="utf-8")
    with pytest.raises(UserError, match="line 2: the id x is taken"):
        load_golden(tmp_path)
