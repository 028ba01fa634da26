"""A generated history is what the product would have recorded: the same sums by the hour, costs by its prices, answers that open."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks.console import history
from benchmarks.console.cast import open_cast
from benchmarks.console.history import State, fill
from ondol.application.assistant.store import get_answer
from ondol.core.config import Settings
from ondol.infrastructure.gateway.records.types import RequestRecord
from ondol.infrastructure.gateway.records.usage import list_requests, usage_by
from ondol.infrastructure.gateway.records.verify import verify_records
from ondol.infrastructure.serving.prices import cost
from ondol.infrastructure.serving.types import Usage
from ondol.infrastructure.storage.postgres import DatabaseAddresses
from ondol.wiring.platform import open_platform

pytestmark = pytest.mark.anyio
WANTED = 1_500


async def test_a_history_equals_what_would_have_been_recorded(addresses: DatabaseAddresses, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "LAYERS", 2)
    file = tmp_path / "history.json"
    settings = Settings(data_dir=tmp_path / "data")
    async with open_platform(replace(settings, database=replace(settings.database, url=addresses.owner))) as platform:
        cast = await open_cast(platform)
        await fill(platform, cast, file, WANTED, until=0.0)
        assert State.read(file, WANTED, platform.clock()).layers == 1, "without time there is one layer"
        await fill(platform, cast, file, WANTED, until=float("inf"))
        now = platform.clock()
        async with platform.database.tenant_tx(cast.tenant_id) as connection:
            records: list[RequestRecord] = []
            while page := await list_requests(connection, before=records[-1].id if records else None, limit=1_000):
                records += page
            [won, free] = await usage_by(connection, [], since=now - timedelta(days=91), until=now + timedelta(hours=1), time_zone="Asia/Seoul")
            kept = [one["id"] for one in await (await connection.execute("select id from answers")).fetchall()]
            answer = await get_answer(connection, platform.keyring, cast.tenant_id, kept[0])
        assert abs(len(records) - WANTED) < WANTED * 0.1
        assert won.requests + free.requests == len(records)
        assert (won.cost_nano, won.failed + free.failed) == (
            sum(one.cost_nano or 0 for one in records), sum(one.outcome != "answered" for one in records),
        )  # fmt: skip
        priced = [one for one in records if one.cost_nano is not None]
        for one in priced[:200]:
            price = cast.prices[one.model]
            assert price is not None
            paid = cost(Usage(one.input_tokens, one.output_tokens, cached_tokens=one.cached_tokens), price)
            assert paid is not None and (paid.nano, paid.currency) == (one.cost_nano, one.currency)
        assert answer["question"] in history.QUESTIONS
        assert {one.id for one in records} >= set(kept)
        assert (await verify_records(platform.database, tenant_id=cast.tenant_id)).records == len(records)
