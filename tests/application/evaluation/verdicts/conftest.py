"""Findings to be signed, and the ground that they are signed on."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ondol.application.assistant.release import create_release, let_live, wish_of
from ondol.application.evaluation.verdicts import (
    Figure,
    Finding,
    Inputs,
    Keys,
    Requirement,
    Verdict,
    put_requirement,
    served_parts,
    sign_finding,
)
from ondol.core.errors import Conflict
from ondol.infrastructure.access.types import Tenant
from ondol.infrastructure.ledger import LedgerSigner, public_keys_path, read_public_keys, read_revoked_keys, revoked_keys_path, seal_once
from ondol.infrastructure.releases import Release, Why, find_release
from ondol.infrastructure.storage.postgres import Database
from ondol.wiring.verdicts import gate_of
from tests.application.assistant.conftest import Desk, desk

__all__ = ["desk"]

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
RUN, BASELINE = uuid.UUID("01920000-0000-7000-8000-000000000001"), uuid.UUID("01920000-0000-7000-8000-000000000002")


def finding(**changes: Any) -> Finding:
    """A finding of a suite that passed; inputs are changed by their own names."""
    inputs = Inputs(
        suite_name="support-ko",
        suite=b"s" * 32,
        data_name="support-ko@3",
        data=b"d" * 32,
        target_name="assistant/desk",
        target=b"t" * 32,
        code_version="0.1.0",
        code=b"c" * 32,
        environment=b"e" * 32,
        parts={"prompt": b"p" * 32, "index/01920000-0000-7000-8000-00000000000a": b"i" * 32, "guard": b"g" * 32, "judge/정확성": b"j" * 32},
    )
    figures = (
        Figure(
            metric="correct",
            rule="non_inferior",
            passed=True,
            value=0.925,
            low=-0.004,
            high=0.03,
            baseline=0.9,
            margin=0.02,
            sample_size=198,
            total=200,
        ),
    )
    whole = Finding(
        outcome="PASS",
        inputs=inputs,
        figures=figures,
        reasons=("correct is no worse than before.",),
        run_id=RUN,
        results=b"r" * 32,
        evaluated_at=NOW,
        baseline_run_id=BASELINE,
        baseline=b"b" * 32,
    )
    own = {name: value for name, value in changes.items() if name not in Inputs.__slots__}
    of_inputs = {name: value for name, value in changes.items() if name in Inputs.__slots__}
    return replace(whole, inputs=replace(inputs, **of_inputs), **own)


@dataclass
class Bench:
    """Where verdicts are signed, kept and checked."""

    database: Database
    tenant: Tenant
    key_file: Path

    @property
    def signer(self) -> LedgerSigner:
        return LedgerSigner.open_or_create(self.key_file)

    @property
    def keys(self) -> Keys:
        return Keys(read_public_keys(public_keys_path(self.key_file)), read_revoked_keys(revoked_keys_path(self.key_file)))

    async def sign(self, found: Finding, *, tenant: Tenant | None = None) -> Verdict:
        tenant_id = (tenant or self.tenant).id
        async with self.database.tenant_tx(tenant_id) as connection:
            return await sign_finding(connection, self.signer, tenant_id, found, NOW)

    async def seal(self) -> None:
        await seal_once(self.database, self.signer, NOW)


@pytest.fixture
async def bench(database: Database, tenant: Tenant, tmp_path: Path) -> Bench:
    return Bench(database, tenant, tmp_path / "keys" / "ledger.key")


SUITE = b"s" * 32
OTHER = b"o" * 32


@dataclass
class Gated:
    """An assistant that serves release 1, has release 2 as a draft, and requires a verdict of a suite."""

    desk: Desk
    live: Release
    draft: Release

    @property
    def tenant_id(self) -> uuid.UUID:
        return self.desk.house.tenant_id

    async def release(self, **chosen: Any) -> Release:
        made = wish_of(self.desk.assistant.settings, **chosen)
        return await create_release(self.desk.house.platform.knowledge, self.tenant_id, self.desk.assistant, made, "active")

    async def found(self, release: Release, **changes: Any) -> Finding:
        """A finding over exactly what a release serves, compared with what is live."""
        platform = self.desk.house.platform
        async with platform.database.tenant_tx(self.tenant_id) as connection:
            live = await find_release(connection, release.assistant_id, "live")
            parts = await served_parts(connection, self.tenant_id, release, platform.clock())
        exact: dict[str, Any] = {
            "suite": SUITE,
            "target": release.digest,
            "parts": parts,
            "assistant_id": release.assistant_id,
            "release_id": release.id,
            "baseline": live.digest,
            "evaluated_at": platform.clock(),
        }
        return finding(**{**exact, **changes})

    async def sign(self, release: Release, **changes: Any) -> Verdict:
        platform = self.desk.house.platform
        found = await self.found(release, **changes)
        signer = LedgerSigner.open_or_create(platform.folder.ledger_key)
        async with platform.database.tenant_tx(self.tenant_id) as connection:
            return await sign_finding(connection, signer, self.tenant_id, found, platform.clock())

    async def require(self, **changes: Any) -> bool:
        platform = self.desk.house.platform
        wanted = Requirement(**{"suite": "support-ko", "suite_digest": SUITE, **changes})
        async with platform.database.tenant_tx(self.tenant_id) as connection:
            return await put_requirement(connection, self.tenant_id, self.desk.assistant.id, wanted, platform.clock())

    async def activate(self, release: Release) -> Release:
        platform = self.desk.house.platform
        gate = gate_of(platform.folder, platform.clock, self.tenant_id)
        return await let_live(platform.knowledge, self.tenant_id, release.id, Why("improvement"), gate=gate)

    async def refused(self, release: Release | None = None) -> str:
        """The sentence with which a release is refused; what is live stays live."""
        tried = release or self.draft
        with pytest.raises(Conflict) as refusal:
            await self.activate(tried)
        assert refusal.value.code == "release_refused"
        assert await self.serving() == self.live.number
        return refusal.value.message.removeprefix(f"Release {tried.number} may not go live: ")

    async def serving(self) -> int:
        async with self.desk.house.platform.database.tenant_tx(self.tenant_id) as connection:
            return (await find_release(connection, self.desk.assistant.id, "live")).number


@pytest.fixture
async def gated(desk: Desk) -> Gated:
    made = Gated(desk, None, None)  # type: ignore[arg-type]
    first = await made.release(extractive=True)
    made.live = await made.activate(first)
    made.draft = await made.release(extractive=True, turns_max=2)
    assert await made.require()
    return made
