"""The demo tenant has its golden questions as golden sets as soon as it is made, quickly, and a second time changes nothing."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ondol.application.evaluation.golden.contamination import look_for
from ondol.application.evaluation.golden.plain import item_of, plain_item
from ondol.application.evaluation.golden.store import cases_of, find_version, stale_items
from ondol.core.config import Settings
from ondol.demo import documents_folder
from ondol.demo.golden import load_golden
from ondol.demo.golden_sets import SETS, golden_item, make_golden_sets
from ondol.demo.make import make_demo
from ondol.infrastructure.access.people import find_tenant
from ondol.infrastructure.storage.folder import open_folder
from ondol.infrastructure.storage.postgres import DatabaseAddresses
from ondol.wiring.platform import build_platform

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


@pytest.mark.anyio
async def test_the_demo_has_its_golden_sets(addresses: DatabaseAddresses, tmp_path: Path) -> None:
    platform = build_platform(Settings(data_dir=tmp_path / "data"), open_folder(tmp_path / "data"), addresses, lambda: NOW)
    try:
        await make_demo(platform, lambda done, total: None)
        tenant = await find_tenant(platform.database, "demo")
        versions = []
        async with platform.database.tenant_tx(tenant.id) as connection:
            for language, name in SETS.items():
                golden, version = await find_version(connection, name)
                cases = [case async for case in cases_of(connection, platform.keyring, name, now=platform.clock())]
                assert [case.id for case in cases] == [question.id for question in load_golden() if question.language == language]
                assert all(case.slices["kind"] in ("answerable", "newest") or case.facts["should_refuse"] for case in cases)
                assert (version.number, version.missing, await stale_items(connection, version)) == (1, {}, {})
                versions.append(version)
        again = await make_golden_sets(platform, tenant.id, "help", uuid.UUID(int=1))
        assert again == versions
        assert golden.split == "test"
    finally:
        await platform.close()


def test_every_golden_question_is_an_item_that_is_read_back() -> None:
    for question in load_golden():
        item = golden_item(question)
        assert item_of(plain_item(item)) == item


def test_no_golden_question_stands_in_the_documents_that_answer_it() -> None:
    texts = [(path.name, path.read_text("utf-8")) for path in sorted(documents_folder().rglob("*.md"))]
    found = look_for([golden_item(question) for question in load_golden()], texts)
    assert (found.contaminated, found.texts) == ((), len(texts))
