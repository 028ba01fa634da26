"""Findings to be signed, and the ground that they are signed on."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ondol.application.evaluation.verdicts import Figure, Finding, Inputs, Keys, Verdict, sign_finding
from ondol.infrastructure.access.types import Tenant
from ondol.infrastructure.ledger import LedgerSigner, public_keys_path, read_public_keys, read_revoked_keys, revoked_keys_path, seal_once
from ondol.infrastructure.storage.postgres import Database

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
