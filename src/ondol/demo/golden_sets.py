"""The golden questions of the demo tenant as its golden sets, one for each language, so that it can be measured as soon as it is made."""

from __future__ import annotations

import uuid
from typing import Final

from ondol.application.evaluation.golden.change import Change, put_version
from ondol.application.evaluation.golden.store import add_set, find_set
from ondol.application.evaluation.golden.types import GoldenItem, GoldenSet, GoldenVersion
from ondol.application.evaluation.types import Turn
from ondol.application.knowledge.store import find_base
from ondol.core.errors import NotFound
from ondol.demo.golden import ASKERS, GoldenQuestion, load_golden
from ondol.infrastructure.storage.postgres import Connection
from ondol.wiring.platform import Platform

SETS: Final = {"ko": "help-ko", "en": "help-en"}
"""The sets by language."""
FLOORS: Final = {"kind=answerable": 40, "kind=newest": 15, "kind=unanswerable": 15, "kind=forbidden": 15}


async def make_golden_sets(platform: Platform, tenant_id: uuid.UUID, base: str, owner_id: uuid.UUID) -> list[GoldenVersion]:
    """Make the sets, or their next version where this release of the platform asks otherwise than the one before."""
    questions = load_golden()
    versions = []
    async with platform.database.tenant_tx(tenant_id) as connection:
        base_id = (await find_base(connection, base)).id
        for language, name in SETS.items():
            golden = await _set(connection, platform, tenant_id, name, base_id, owner_id)
            items = [golden_item(question) for question in questions if question.language == language]
            change = Change(items=items, keeps=False)
            version, _ = await put_version(connection, platform.keyring, tenant_id, golden, change, by=None, now=platform.clock())
            versions.append(version)
    return versions


def golden_item(question: GoldenQuestion) -> GoldenItem:
    """A golden question as an item. Its first document is what questions of the same cluster share."""
    facts: dict[str, object] = {"must_contain": [list(group) for group in question.must_contain], "must_not_contain": list(question.must_not_contain)}
    if question.kind in ("unanswerable", "forbidden"):
        facts["should_refuse"] = True
    return GoldenItem(
        id=question.id,
        turns=(Turn("user", question.question),),
        expected=(question.answer,),
        facts=facts,
        documents=question.documents,
        slices={"language": question.language, "kind": question.kind, "asker": question.asker},
        cluster=question.documents[0] if question.documents else "",
        asker=ASKERS[question.asker].login,
    )


async def _set(connection: Connection, platform: Platform, tenant_id: uuid.UUID, name: str, base_id: uuid.UUID, owner_id: uuid.UUID) -> GoldenSet:
    try:
        return await find_set(connection, name)
    except NotFound:
        return await add_set(
            connection, tenant_id, name, split="test", owner_id=owner_id, base_id=base_id, floors=FLOORS, by=None, now=platform.clock()
        )
