"""Vectors beside the full text: found by meaning, seen only by who may, made in the background, and done without where the embedder is away."""

from __future__ import annotations

import random
import uuid
from collections.abc import AsyncIterator
from functools import partial

import pytest

from ondol.application.declaration import apply_declaration, parse_declaration
from ondol.application.knowledge import search as searching
from ondol.application.knowledge import store
from ondol.application.knowledge.index.vectors import nearest
from ondol.application.knowledge.index_versions import (
    Wanted,
    build_version,
    care_for_versions,
    embed_missing,
    roll_back,
    start_version,
    with_embedder,
)
from ondol.application.knowledge.index_versions.embed import BATCH_PASSAGES
from ondol.application.knowledge.search import Found
from ondol.application.knowledge.tuning import tune
from ondol.application.knowledge.types import Retrieval
from ondol.core.errors import Conflict, NotFound, OndolError, RequestError, UpstreamError
from ondol.infrastructure.serving.scripted import Reply, ScriptedModel
from tests.application.conftest import House
from tests.application.knowledge.index_versions.test_build import base_of, versions_of
from tests.application.knowledge.meanings import DIMENSIONS, MEANINGS, embedder, embeds, register, texts_asked, vector_of, whole
from tests.infrastructure.serving.local.onnx_file import UNKNOWN, write_model

pytestmark = pytest.mark.anyio

BROKEN = whole(500, {"error": {"message": "broken", "code": "server_error"}})


@pytest.fixture
async def model(house: House) -> AsyncIterator[ScriptedModel]:
    async with embedder(house) as server:
        yield server


async def start(house: House, name: str | None = "meanings", *, base: str = "base", passage_prefix: str = "", query_prefix: str = "") -> uuid.UUID:
    room = house.platform.knowledge
    async with house.platform.database.tenant_tx(house.tenant_id) as connection:
        found = await store.find_base(connection, base)
    settings = await with_embedder(room, house.tenant_id, found.settings, name, query_prefix=query_prefix, passage_prefix=passage_prefix)
    return (await start_version(room, house.tenant_id, found.id, settings, Wanted(activate=True))).id


async def build(house: House, name: str | None = "meanings", *, base: str = "base") -> None:
    await build_version(house.platform.knowledge, house.tenant_id, await start(house, name, base=base))


def degraded(found: Found) -> dict[str, str]:
    return {stage.name: stage.degraded for stage in found.stages}


async def test_a_passage_is_found_by_meaning_and_each_stage_tells_its_ranks(house: House, model: ScriptedModel) -> None:
    house.write("a.md", "# Alpha\n\nThe lighthouse stands.")
    house.write("b.md", "# Bravo\n\nWe pay money back.")
    await house.ingest()
    assert await house.titles("beacon") == []
    await build(house)
    found = await house.search("beacon", limit=1)
    assert [item.version.details.title for item in found.evidence] == ["Alpha"]
    assert (found.evidence[0].hit.score, found.evidence[0].text) == (0.0, "Alpha\n\nThe lighthouse stands.")
    assert degraded(found) == {"full_text": "", "vectors": "", "fusion": ""}
    by_stage = {stage.name: [(one.document_version_id, one.passage_ordinal) for one in stage.ranked] for stage in found.stages}
    assert by_stage["full_text"] == []
    assert by_stage["vectors"][0] == by_stage["fusion"][0] == (found.evidence[0].version.id, found.evidence[0].hit.passage_ordinal)
    assert len(by_stage["vectors"]) == 2
    scores = next(stage for stage in found.stages if stage.name == "vectors").ranked
    assert 0.5 < scores[0].score <= 1 > scores[1].score
    assert [version.vectors for version in await versions_of(house)] == [2, 0]


async def test_the_full_text_leads_where_the_vectors_are_turned_down(house: House, model: ScriptedModel) -> None:
    house.write("a.md", "# Alpha\n\nThe lighthouse of ORA-01555.")
    house.write("b.md", "# Bravo\n\nlighthouse lighthouse lighthouse")
    await house.ingest()
    await build(house)
    base = await base_of(house)
    orders = []
    for weight in (0.0, 1.0):
        await tune(house.platform.knowledge, house.tenant_id, base.id, Retrieval(fusion="scores", vector_weight=weight))
        orders.append(await house.titles("beacon ORA-01555"))
    assert orders == [["Alpha", "Bravo"], ["Bravo", "Alpha"]]


@pytest.mark.parametrize("diversity", [0.0, 0.5])
async def test_what_the_caller_may_not_read_changes_nothing_of_hybrid_results(
    house: House, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch, diversity: float
) -> None:
    """Candidates are cut off at ten, so that closed passages nearer than these would push others out if they were not masked before."""
    monkeypatch.setattr(searching, "nearest", partial(nearest, candidates_max=10, exact_max=10))
    chance = random.Random(3)
    rules = {"open": "", "support": "groups: [support]\n", "restricted": "class: restricted\n"}
    words = [*MEANINGS, "harbour", "invoice", "v1.28"]
    documents = {number: (chance.choice(list(rules)), " ".join(chance.choices(words, k=chance.randint(1, 6)))) for number in range(45)}
    for base, kept in (("all", set(rules)), ("open", {"open"}), ("support", {"open", "support"})):
        for path in house.folder.iterdir():
            path.unlink()
        for number, (rule, text) in documents.items():
            if rule in kept:
                house.write(f"{number:02}.md", f"---\n{rules[rule]}---\n# Page\n\n{text}.\n")
            if number == 20:
                await house.ingest(base=base)
        await house.ingest(base=base)
        await build(house, base=base)
        async with house.platform.database.tenant_tx(house.tenant_id) as connection:
            base_id = (await store.find_base(connection, base)).id
        await tune(house.platform.knowledge, house.tenant_id, base_id, Retrieval(diversity=diversity, depth=10))
    for who, base in (("visitor", "open"), ("support", "support")):
        for _ in range(12):
            question = " ".join(chance.choices(words, k=chance.randint(1, 3)))
            everything = await house.search(question, who=who, base="all", limit=6)
            without = await house.search(question, who=who, base=base, limit=6)
            assert _shape(everything) == _shape(without), (who, question)
            assert [(stage.name, stage.degraded, [one.score for one in stage.ranked]) for stage in everything.stages] == [
                (stage.name, stage.degraded, [one.score for one in stage.ranked]) for stage in without.stages
            ]


def _shape(found: Found) -> list[tuple[str, int, float]]:
    return [(item.version.details.path, item.hit.passage_ordinal, item.hit.score) for item in found.evidence]


async def test_an_empty_base_asks_its_embedder_like_one_whose_documents_are_closed(house: House, model: ScriptedModel) -> None:
    """Else a reader could tell by the time of it whether there is anything at all."""
    await house.ingest()
    await build(house)
    before = len(model.requests)
    assert await house.titles("beacon") == []
    house.write("a.md", "---\nclass: restricted\n---\n# Alpha\n\nThe lighthouse stands.")
    await house.ingest()
    assert await house.titles("refund") == []
    assert [text for text in texts_asked(model)[before:] if "lighthouse" not in text] == ["beacon", "refund"]


async def test_an_embedder_that_is_away_costs_the_vectors_and_not_the_search(house: House, model: ScriptedModel) -> None:
    house.write("a.md", "# Alpha\n\nThe lighthouse stands.")
    await house.ingest()
    await build(house)
    model.say(BROKEN)
    found = await house.search("lighthouse")
    assert [item.version.details.title for item in found.evidence] == ["Alpha"]
    assert degraded(found) == {"full_text": "", "vectors": "upstream_failed"}
    assert await house.titles("beacon") == []
    await house.platform.models.close()  # and with it the breaker that remembers the failures
    model.say(embeds())
    assert await house.titles("beacon") == ["Alpha"]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (embeds(lambda text: [1.0] * (DIMENSIONS + 1)), "upstream_garbage"),
        (embeds(lambda text: [1e300] * DIMENSIONS), "upstream_garbage"),
        (whole(200, {"data": []}), "upstream_garbage"),
        (whole(400, {"error": {"message": "no", "code": "content_filter"}}), "upstream_refused"),
    ],
)
async def test_vectors_that_cannot_be_compared_are_not(house: House, model: ScriptedModel, answer: Reply, code: str) -> None:
    house.write("a.md", "# Alpha\n\nThe lighthouse stands.")
    await house.ingest()
    await build(house)
    model.say(answer)
    assert degraded(await house.search("lighthouse"))["vectors"] == code


async def test_a_model_behind_the_name_that_is_another_one_now_is_not_asked(house: House, model: ScriptedModel) -> None:
    house.write("a.md", "# Alpha\n\nThe lighthouse stands.")
    await house.ingest()
    await build(house)
    await register(house, model, "meanings-2")
    found = await house.search("lighthouse")
    assert degraded(found)["vectors"] == "embedder_changed"
    await build(house)
    assert degraded(await house.search("lighthouse"))["vectors"] == ""


async def test_documents_are_taken_in_while_the_embedder_is_away_and_get_their_vectors_later(house: House, model: ScriptedModel) -> None:
    house.write("a.md", "# Alpha\n\nThe lighthouse stands.")
    await house.ingest()
    await build(house)
    model.say(BROKEN)
    house.write("b.md", "# Bravo\n\nWe pay money back.")
    assert (await house.ingest()).added == 1
    assert (await versions_of(house))[0].vectors == 1
    model.say(embeds())
    await house.platform.models.close()
    assert (await house.titles("refund"))[:1] == ["Alpha"]  # the only one that has a vector
    await care_for_versions(house.platform.knowledge, house.tenant_id)
    assert (await house.titles("refund"))[:1] == ["Bravo"]
    assert await embed_missing(house.platform.knowledge, house.tenant_id) == 0


async def test_a_build_waits_for_its_embedder_and_goes_on_where_it_was(house: House, model: ScriptedModel) -> None:
    house.write("a.md", "# Alpha\n\nThe lighthouse stands.")
    await house.ingest()
    version_id = await start(house)
    model.say(BROKEN)
    with pytest.raises(UpstreamError):
        await build_version(house.platform.knowledge, house.tenant_id, version_id)
    assert [(version.state, version.is_active) for version in await versions_of(house)] == [("building", False), ("active", True)]
    model.say(embeds())
    await house.platform.models.close()
    assert await care_for_versions(house.platform.knowledge, house.tenant_id) == 1
    assert await house.titles("beacon") == ["Alpha"]


async def test_a_build_that_has_no_more_time_is_gone_on_with(house: House, model: ScriptedModel) -> None:
    house.write("a.md", "# Alpha\n\nThe lighthouse stands.")
    await house.ingest()
    version_id = await start(house)
    with pytest.raises(Conflict) as told:
        await build_version(house.platform.knowledge, house.tenant_id, version_id, embed_seconds_max=0)
    assert told.value.code == "index_embedding"
    assert (await build_version(house.platform.knowledge, house.tenant_id, version_id)).embedded == 1


async def test_what_was_made_before_the_embedder_went_away_is_not_made_again(house: House, model: ScriptedModel) -> None:
    for number in range(BATCH_PASSAGES + 5):
        house.write(f"{number}.md", f"# Page {number}\n\nThe lighthouse {number}.")
    await house.ingest()
    version_id = await start(house)
    asked = len(model.requests)
    model.say(lambda body: embeds()(body) if len(model.requests) == asked + 1 else BROKEN)
    with pytest.raises(UpstreamError):
        await build_version(house.platform.knowledge, house.tenant_id, version_id)
    assert (await versions_of(house))[0].vectors == BATCH_PASSAGES
    model.say(embeds())
    await house.platform.models.close()
    assert (await build_version(house.platform.knowledge, house.tenant_id, version_id)).embedded == 5


async def test_what_is_embedded_once_is_not_embedded_again(house: House, model: ScriptedModel) -> None:
    for number in range(BATCH_PASSAGES + 1):
        house.write(f"{number}.md", f"# Page {number}\n\nThe lighthouse {number}.")
    await house.ingest()
    await build(house)
    asked = texts_asked(model)
    assert len(asked) == BATCH_PASSAGES + 2  # one to know the dimensions
    assert "Page 7\nPage 7\n\nThe lighthouse 7." in asked
    house.write("7.md", "---\nclass: internal\n---\n# Page 7\n\nThe lighthouse 7.")
    house.write("8.md", "# Page 8\n\nThe lighthouse eight.")
    assert (await house.ingest()).changed == 2
    assert texts_asked(model)[len(asked) :] == ["Page 8\nPage 8\n\nThe lighthouse eight."]
    report = await build_version(house.platform.knowledge, house.tenant_id, await start(house))
    assert (report.copied, report.embedded) == (BATCH_PASSAGES + 1, 0)
    assert (await versions_of(house))[0].vectors == BATCH_PASSAGES + 1


async def test_vectors_of_other_cuts_are_known_by_their_text(house: House, model: ScriptedModel) -> None:
    house.write("a.md", "# Alpha\n\nThe lighthouse stands.")
    await house.ingest()
    await build(house)
    base, asked = await base_of(house), len(texts_asked(model))
    other = await start_version(house.platform.knowledge, house.tenant_id, base.id, base.settings.resized(300, 500), Wanted(activate=True))
    report = await build_version(house.platform.knowledge, house.tenant_id, other.id)
    assert (report.copied, report.embedded, len(texts_asked(model)) - asked) == (0, 1, 0)
    assert await house.titles("beacon") == ["Alpha"]


async def test_merged_segments_keep_the_vectors_of_what_is_left(house: House, model: ScriptedModel) -> None:
    for number in range(12):
        house.write(f"{number:02}.md", f"# Page {number}\n\n{'lighthouse' if number % 2 else 'money'} {number}.")
        await house.ingest()
        if number == 0:
            await build(house)
    asked = len(texts_asked(model))
    segments = (await versions_of(house))[0].segments
    (house.folder / "03.md").unlink()
    await house.ingest(prune=True)
    assert segments < 12
    version = (await versions_of(house))[0]
    assert (version.passages, version.vectors) in ((11, 11), (12, 12))
    assert set((await house.titles("beacon"))[:5]) == {f"Page {number}" for number in (1, 5, 7, 9, 11)}
    assert len([text for text in texts_asked(model)[asked:] if text != "beacon"]) == 0


async def test_a_text_that_the_embedder_refuses_costs_no_other_its_vector(house: House, model: ScriptedModel) -> None:
    def says(body: dict[str, object]) -> Reply:
        refused = any("forbidden" in text for text in body["input"])  # type: ignore[attr-defined]
        return whole(400, {"error": {"message": "no", "code": "content_filter"}}) if refused else embeds()(body)

    model.say(says)  # type: ignore[arg-type]
    for number in range(5):
        house.write(f"{number}.md", f"# Page {number}\n\nThe {'forbidden' if number == 2 else 'lighthouse'} {number}.")
    await house.ingest()
    await build(house)
    assert set(await house.titles("beacon")) == {f"Page {number}" for number in (0, 1, 3, 4)}
    assert await embed_missing(house.platform.knowledge, house.tenant_id) == 0


async def test_prefixes_stand_before_questions_and_passages(house: House, model: ScriptedModel) -> None:
    house.write("a.md", "# Alpha\n\nThe lighthouse stands.")
    await house.ingest()
    version_id = await start(house, query_prefix="query: ", passage_prefix="passage: ")
    await build_version(house.platform.knowledge, house.tenant_id, version_id)
    for _ in range(2):
        assert await house.titles("beacon") == ["Alpha"]
    assert texts_asked(model) == ["passage: Ondol", "passage: Alpha\nAlpha\n\nThe lighthouse stands.", "query: beacon"]


async def test_going_back_is_to_an_index_without_vectors(house: House, model: ScriptedModel) -> None:
    house.write("a.md", "# Alpha\n\nThe lighthouse stands.")
    await house.ingest()
    await build(house)
    await roll_back(house.platform.knowledge, house.tenant_id, (await base_of(house)).id)
    assert await house.titles("beacon") == []
    await build(house, "")
    assert (await versions_of(house))[0].settings.embedder is None


@pytest.mark.parametrize(
    ("name", "kind", "code"),
    [("absent", NotFound, "model_not_found"), ("mixed", RequestError, "bad_embedder"), ("chatty", RequestError, "wrong_model")],
)
async def test_what_is_no_embedder_is_refused_by_name(house: House, model: ScriptedModel, name: str, kind: type[OndolError], code: str) -> None:
    more = f"""
version: 1
tenants:
- slug: acme
  providers: [{{name: scripted, base_url: "{model.base_url}", settings: {{private_network: true}}}}]
  models:
  - {{alias: mixed, targets: [{{provider: scripted, name: one}}, {{provider: scripted, name: two}}]}}
  - {{alias: chatty, targets: [{{provider: scripted, name: one}}], settings: {{operations: [chat]}}}}
"""
    await apply_declaration(house.platform.declaration_room, parse_declaration(more))
    house.write("a.md", "# Alpha\n\nThe lighthouse stands.")
    await house.ingest()
    with pytest.raises(kind) as told:
        await start(house, name)
    assert getattr(told.value, "code", None) == code


async def test_another_tenants_model_is_nobody_elses(house: House, model: ScriptedModel) -> None:
    await apply_declaration(house.platform.declaration_room, parse_declaration("version: 1\ntenants: [{slug: other}]"))
    async with house.platform.database.system_tx() as connection:
        cursor = await connection.execute("select id from tenants where slug = 'other'")
        other = (await cursor.fetchone())["id"]  # type: ignore[index]
    with pytest.raises(NotFound):
        await house.platform.knowledge.embeddings.describe(other, "meanings")
    assert vector_of("") == [1e-3] * DIMENSIONS


async def test_a_model_in_a_folder_of_the_installation_does_as_well(house: House) -> None:
    pytest.importorskip("onnxruntime")
    words = {UNKNOWN: (0.0, 0.0, 1.0), "lighthouse": (9.0, 0.0, 0.0), "beacon": (9.0, 0.0, 0.0), "money": (0.0, 9.0, 0.0)}
    folder = write_model(house.platform.folder.models / "tiny", words)
    house.write("a.md", "# Alpha\n\nThe lighthouse stands.")
    house.write("b.md", "# Bravo\n\nWe pay money back.")
    await house.ingest()
    await build(house, "local/tiny")
    assert (await house.titles("beacon"))[0] == "Alpha"
    reference = (await base_of(house)).settings.embedder
    assert reference is not None
    assert (reference.name, reference.dimensions, reference.identity[:6], len(reference.identity)) == ("local/tiny", 3, "local:", 70)
    write_model(folder, {**words, "money": (1.0, 9.0, 0.0)})
    assert degraded(await house.search("beacon one"))["vectors"] == "embedder_changed"
    (folder / "tokenizer.json").unlink()
    assert degraded(await house.search("beacon two"))["vectors"] == "bad_local_model"
    with pytest.raises(NotFound):
        await start(house, "local/../keys")
