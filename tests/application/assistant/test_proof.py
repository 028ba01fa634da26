"""Whatever is altered of a given answer is found, and what was erased is told apart from what was altered."""

from __future__ import annotations

import copy
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from ondol.application.assistant import proof
from ondol.application.assistant.cache import AnswerCache
from ondol.application.assistant.proof import Finding, verify_answer
from ondol.application.prompts import Prompt, PromptBody
from ondol.application.prompts.types import PromptText
from ondol.core.errors import Conflict, NotFound
from ondol.core.ids import new_id
from ondol.infrastructure.ledger import LedgerSigner, public_keys_path, read_public_keys, seal_once
from ondol.infrastructure.serving.scripted import Reply, ScriptedModel
from ondol.infrastructure.storage.blobs import KeyOwner
from ondol.infrastructure.storage.postgres import DatabaseAddresses
from tests.application.assistant.conftest import Desk, Told

pytestmark = pytest.mark.anyio

QUESTION = "How long does a refund take?"
GENERATED = "It takes 5 business days [1]. It goes back to the card that was charged [1]. It takes 9 business days [1]."


@dataclass
class Court:
    """A desk whose answers are sealed and looked into."""

    desk: Desk
    owner: psycopg.AsyncConnection[Any]

    async def ask(self, question: str = QUESTION) -> Told:
        told = await self.desk.ask(question)
        await self.seal()
        return told

    async def seal(self) -> None:
        platform = self.desk.house.platform
        signer = LedgerSigner.open_or_create(platform.folder.ledger_key)
        while await seal_once(platform.database, signer, platform.clock()):
            pass

    async def verify(self, told: Told) -> dict[str, Finding]:
        platform = self.desk.house.platform
        keys = read_public_keys(public_keys_path(platform.folder.ledger_key))
        found = await verify_answer(platform.knowledge, self.desk.house.tenant_id, told.request.id, keys)
        return {item.part: item for item in found}

    async def not_holding(self, told: Told) -> dict[str, str]:
        return {part: item.standing for part, item in (await self.verify(told)).items() if item.standing != "holds"}

    async def alter(self, statement: str, told: Told, **values: object) -> None:
        """What a malicious administrator could do."""
        await self.owner.execute(statement, {"id": told.request.id, **values})


@pytest.fixture
async def court(desk: Desk, addresses: DatabaseAddresses) -> AsyncIterator[Court]:
    async with await psycopg.AsyncConnection.connect(addresses.owner, autocommit=True) as owner:
        await owner.execute("set search_path = ondol")
        yield Court(desk, owner)


async def test_all_of_an_untouched_answer_holds(court: Court) -> None:
    told = await court.ask()
    found = await court.verify(told)
    expected = {"ledger", "record", "row", "links", "question", "answer", "documents", "passages", "index", "prompt", "verdicts"}
    assert set(found) == expected, "an answer that did not come through the gateway has no request"
    assert {item.standing for item in found.values()} == {"holds"}


async def test_all_of_a_generated_answer_holds_too(court: Court, model: ScriptedModel) -> None:
    model.say(GENERATED)
    told = await court.ask()
    assert "9 business" not in told.text
    assert await court.not_holding(told) == {}


@pytest.mark.parametrize("showing", ["strike", "show"])
async def test_so_do_verdicts_on_what_is_shown_although_it_is_not_borne_out(court: Court, model: ScriptedModel, showing: str) -> None:
    object.__setattr__(court.desk.assistant, "settings", {"verification": {"unsupported": showing}})
    model.say(GENERATED)
    told = await court.ask()
    assert "9 business" in told.text
    assert await court.not_holding(told) == {}


async def test_a_refusal_and_a_broken_answer_hold(court: Court, model: ScriptedModel) -> None:
    model.say("I do not know.")
    refused = await court.ask()
    assert refused.finish.extension["refused"]
    assert await court.not_holding(refused) == {}
    model.say(Reply("It takes 5 business days [1]. And more is to be said of it here.", trouble="cut_off"))
    with pytest.raises(Exception, match="broke"):
        await court.desk.ask(QUESTION)
    await court.seal()
    kept = await court.desk.last_answer()
    assert kept["outcome"] == "failed"
    platform = court.desk.house.platform
    keys = read_public_keys(public_keys_path(platform.folder.ledger_key))
    found = await verify_answer(platform.knowledge, court.desk.house.tenant_id, kept["id"], keys)
    assert {item.standing for item in found} == {"holds"}


async def test_every_field_of_the_record_is_covered(court: Court, model: ScriptedModel) -> None:
    model.say(GENERATED)
    told = await court.ask()
    stored = (await court.desk.last_answer())["provenance"]
    altered = 0
    for changed in _variants(stored):
        await court.alter("update answers set provenance = %(record)s where id = %(id)s", told, record=Jsonb(changed))
        assert (await court.verify(told))["record"].standing == "differs", json.dumps(changed)
        altered += 1
    assert altered > 60
    await court.alter("update answers set provenance = %(record)s where id = %(id)s", told, record=Jsonb(stored))
    assert await court.not_holding(told) == {}


def _variants(tree: Any) -> Iterator[Any]:
    """The tree with one thing in it altered, or one taken out, each in turn."""
    if isinstance(tree, dict):
        for name, value in tree.items():
            yield {key: other for key, other in tree.items() if key != name}
            for changed in _variants(value):
                yield {**tree, name: changed}
    elif isinstance(tree, list):
        yield [*tree, "more"]
        for place, value in enumerate(tree[:1]):
            for changed in _variants(value):
                yield [*copy.deepcopy(tree[:place]), changed, *tree[place + 1 :]]
    elif isinstance(tree, bool):
        yield not tree
    elif isinstance(tree, int):
        yield tree + 1
        yield float(tree) + 0.5
    else:
        yield f"{tree}x"


ALTERED = [
    ("update answers set outcome = 'refused' where id = %(id)s", {"row": "differs"}),
    ("update answers set created_at = created_at + interval '1 microsecond' where id = %(id)s", {"row": "differs"}),
    ("update answers set assistant_id = %(stranger)s where id = %(id)s", {"row": "differs"}),
    ("update answers set person_id = %(stranger)s where id = %(id)s", {"row": "differs"}),
    (
        "update answers set content_sealed = set_byte(content_sealed, 50, 255 - get_byte(content_sealed, 50)) where id = %(id)s",
        {"question": "differs", "answer": "differs", "verdicts": "gone"},
    ),
    ("update answers set content_sealed = %(other)s where id = %(id)s", {"question": "differs", "answer": "differs", "verdicts": "gone"}),
    (
        "update answers set content_sealed = '' where id = %(id)s",  # as an erasure leaves it
        {"question": "gone", "answer": "gone", "verdicts": "gone"},
    ),
    ("update ledger_events set kind = 'answer.taken' where id = %(id)s", {"ledger": "differs", "row": "differs"}),
    ("update ledger_events set actor_id = null where id = %(id)s", {"ledger": "differs", "row": "differs"}),
    ("update ledger_events set created_at = created_at - interval '1 second' where id = %(id)s", {"ledger": "differs", "row": "differs"}),
    ('update ledger_events set body = body || \'{"record": "00"}\' where id = %(id)s', {"ledger": "differs", "record": "differs"}),
    ('update ledger_events set body = body || \'{"outcome": "refused"}\' where id = %(id)s', {"ledger": "differs", "row": "differs"}),
    ("update ledger_events set body = body || '{\"cited\": []}' where id = %(id)s", {"ledger": "differs", "row": "differs"}),
    ("delete from ledger_events where id = %(id)s", {"ledger": "differs", "record": "differs"}),
    ("update ledger_batches set signature = decode(repeat('00', 64), 'hex')", {"ledger": "differs"}),
    ("delete from artefact_links where child_id = %(id)s and relation = 'cites'", {"links": "differs"}),
    ("update document_versions set content_address = decode(repeat('00', 32), 'hex')", {"documents": "differs"}),
    ("update document_versions set declared_version = declared_version + 1", {"documents": "differs"}),
    ("update index_versions set analyser_id = 'other'", {"index": "differs"}),
    ("update index_versions set state = 'dropped'", {"index": "gone"}),
]


@pytest.mark.parametrize(("statement", "expected"), ALTERED)
async def test_what_is_altered_beside_the_record_is_found(court: Court, statement: str, expected: dict[str, str]) -> None:
    other = await court.desk.ask("When is the help line open?")
    async with court.desk.house.platform.database.tenant_tx(court.desk.house.tenant_id) as connection:
        found = await connection.execute("select content_sealed from answers where id = %s", (other.request.id,))
        sealed = await found.fetchone()
    assert sealed is not None
    told = await court.ask()
    await court.alter(statement, told, stranger=new_id(), other=sealed["content_sealed"])
    assert await court.not_holding(told) == expected


@pytest.fixture
def caching(court: Court) -> Court:
    court.desk.cache, court.desk.policies = AnswerCache(1_000_000), (b"policy",)
    return court


async def given_again(court: Court, model: ScriptedModel) -> tuple[Told, Told]:
    """An answer with a snippet, and the same given again to somebody else who may read the same."""
    model.say(GENERATED)
    told = await court.desk.ask(QUESTION)
    again = await court.desk.ask(QUESTION)
    await court.seal()
    assert again.finish.extension["cached"]["answer_id"] == str(told.request.id)
    return told, again


async def test_all_of_a_snippet_and_of_an_answer_given_again_holds(caching: Court, model: ScriptedModel) -> None:
    told, again = await given_again(caching, model)
    assert {part: item.standing for part, item in (await caching.verify(told)).items() if part == "snippet"} == {"snippet": "holds"}
    assert {"repeated", "verdicts"} <= set(await caching.verify(again))
    assert (await caching.not_holding(told), await caching.not_holding(again)) == ({}, {})


def _of_another(name: str, value: object) -> str:
    return f"update answers set provenance = jsonb_set(provenance, '{{{name}}}', '{json.dumps(value)}') where id = %(first)s"


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (_of_another("model", "other"), {"repeated": "differs"}),
        (_of_another("written", "00"), {"repeated": "differs"}),
        ("delete from ledger_events where id = %(first)s", {"ledger": "differs", "record": "differs", "repeated": "differs"}),
        ("delete from answers where id = %(first)s", {"repeated": "gone"}),
    ],
)
async def test_what_is_altered_of_the_answer_before_is_found_in_the_one_given_again(
    caching: Court, model: ScriptedModel, statement: str, expected: dict[str, str]
) -> None:
    told, again = await given_again(caching, model)
    await caching.alter(statement, again, first=told.request.id)
    assert await caching.not_holding(again) == expected


@pytest.mark.parametrize(
    ("part", "altered", "wrong"),
    [
        ("snippet", {"quotes": [[0, 5]]}, "snippet"),
        ("snippet", {"evidence": 99}, "snippet"),
        ("snippet", {"text": "00"}, "snippet"),
        ("repeats", None, "repeated"),
        ("evidence", [], "repeated"),
        ("queries", 7, "repeated"),
    ],
)
async def test_a_snippet_and_a_repeat_that_never_were_are_found(caching: Court, model: ScriptedModel, part: str, altered: Any, wrong: str) -> None:
    """Not by the ledger alone: what can be taken again tells which part is wrong."""
    model.say(GENERATED)
    told, again = await caching.desk.ask(QUESTION), await caching.desk.ask(QUESTION)
    of = told if part == "snippet" else again
    async with caching.desk.house.platform.database.tenant_tx(caching.desk.house.tenant_id) as connection:
        found = await (await connection.execute("select provenance from answers where id = %s", (of.request.id,))).fetchone()
    assert found is not None
    stored = dict(found["provenance"])
    if part == "repeats":
        stored[part] = str(of.request.id)  # as if it were its own source
    else:
        stored[part] = {**stored[part], **altered} if isinstance(altered, dict) else altered
    await caching.alter("update answers set provenance = %(record)s where id = %(id)s", of, record=Jsonb(stored))
    await caching.seal()
    found_out = await caching.not_holding(of)
    assert (found_out["record"], found_out[wrong]) == ("differs", "differs")


async def test_a_snippet_whose_document_or_asker_was_erased_is_gone(caching: Court, model: ScriptedModel) -> None:
    told, again = await given_again(caching, model)
    house = caching.desk.house
    document = uuid.UUID(told.finish.extension["snippet"]["source"]["document_id"])
    house.platform.keyring.destroy(KeyOwner(house.tenant_id, "document", document))
    assert (await caching.not_holding(told))["snippet"] == "gone"
    house.platform.keyring.destroy(KeyOwner(house.tenant_id, "subject", house.people["visitor"]))
    assert (await caching.not_holding(again))["repeated"] == "gone"


async def test_an_altered_text_of_a_document_is_found(court: Court) -> None:
    told = await court.ask()
    for path in _texts(court):
        content = bytearray(path.read_bytes())
        content[-20] ^= 1
        path.write_bytes(content)
    assert await court.not_holding(told) == {"passages": "differs", "verdicts": "gone"}


async def test_what_was_erased_is_gone_and_not_altered(court: Court) -> None:
    told = await court.ask()
    house = court.desk.house
    [source] = told.finish.extension["sources"]
    house.platform.keyring.destroy(KeyOwner(house.tenant_id, "document", uuid.UUID(source["document_id"])))
    found = await court.not_holding(told)
    assert found == {"passages": "gone", "verdicts": "gone"}
    house.platform.keyring.destroy(KeyOwner(house.tenant_id, "subject", house.people["visitor"]))
    assert await court.not_holding(told) == {"passages": "gone", "verdicts": "gone", "question": "gone", "answer": "gone"}


async def test_another_rule_of_checking_and_another_prompt_are_told(court: Court, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    model.say(GENERATED)
    told = await court.ask()
    monkeypatch.setattr(proof, "VERIFIER_ID", "newer")
    assert await court.not_holding(told) == {"verdicts": "gone"}
    monkeypatch.undo()
    other = PromptBody({"en": PromptText("Somebody else.")})
    monkeypatch.setattr(proof, "load_prompt", lambda name: Prompt(name, None, other, other.digest))
    assert await court.not_holding(told) == {"prompt": "differs"}


async def test_a_verdict_that_the_rules_do_not_give_is_found(court: Court, model: ScriptedModel) -> None:
    """Somebody who can write the ledger too, before it is sealed, still meets the rules."""
    model.say(GENERATED)
    told = await court.desk.ask(QUESTION)
    stored = (await court.desk.last_answer())["provenance"]
    stored["sentences"][0]["verdict"] = "partial"
    await court.alter("update answers set provenance = %(record)s where id = %(id)s", told, record=Jsonb(stored))
    await court.seal()
    assert await court.not_holding(told) == {"record": "differs", "verdicts": "differs"}


async def test_an_answer_that_is_not_sealed_yet_and_one_that_is_not_there_are_errors(court: Court) -> None:
    told = await court.desk.ask(QUESTION)
    LedgerSigner.open_or_create(court.desk.house.platform.folder.ledger_key)
    with pytest.raises(Conflict):
        await court.verify(told)
    platform = court.desk.house.platform
    with pytest.raises(NotFound):
        await verify_answer(platform.knowledge, court.desk.house.tenant_id, new_id(), {})


def _texts(court: Court) -> list[Path]:
    house = court.desk.house
    return [path for path in Path(house.platform.folder.blobs).rglob("text*") if path.is_file()]
