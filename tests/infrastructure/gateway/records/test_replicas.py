"""What a worker that died had charged is charged, once, and what it had borrowed is free again.

Rules out of the field's defects: a slot or a hold that leaks with its process until somebody resets a store (3: LiteLLM #20256).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from ondol.core.clock import utc_now
from ondol.core.ids import new_id
from ondol.infrastructure.access.limits.governor import Governor
from ondol.infrastructure.access.limits.types import Need
from ondol.infrastructure.access.types import Tenant
from ondol.infrastructure.gateway.records.drain import RecordDrain
from ondol.infrastructure.gateway.records.recorder import RequestRecorder
from ondol.infrastructure.gateway.records.replicas import SUFFIX, ReplicaMarks, dead_replicas
from ondol.infrastructure.storage.postgres import Database, DatabaseAddresses
from ondol.infrastructure.storage.spool import Spool
from tests.infrastructure.access.limits.conftest import Bench, ask, usd
from tests.infrastructure.gateway.records.making import make_record

pytestmark = pytest.mark.anyio


def marks(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob(f"*{SUFFIX}"))


async def spend(bench: Bench, governor: Governor, recorder: RequestRecorder, amount: float) -> None:
    admission = await ask(bench, governor, Need(1, usd(1)))
    admission.settle(1, usd(amount))
    recorder.record(make_record(bench.tenant.id, settlement=admission.settlement))


async def test_a_dead_workers_records_are_charged_and_its_leases_end(
    database: Database, addresses: DatabaseAddresses, tenant: Tenant, tmp_path: Path
) -> None:
    bench = Bench(database, addresses, tenant)
    await bench.budget(usd(10))
    dying, other = await bench.worker(), await bench.worker()
    recorder = RequestRecorder(Spool(tmp_path))
    recorder.mark_replica(dying.replica_id)
    await spend(bench, dying, recorder, 0.25)
    assert await dying.beat()
    await spend(bench, dying, recorder, 0.5)
    drain = RecordDrain(database, tmp_path, utc_now)
    await recorder.rotate()
    assert await drain.flush()
    await spend(bench, dying, recorder, 0.125)
    assert bench.pool()["spent"] == usd(0.25).nano, "what it has not told is kept for the case that it dies"
    bench.lose(dying)
    bench.ticks.seconds += 2
    await other.beat()
    assert await drain.flush()
    assert len(marks(tmp_path)) == 1, "a worker that runs is not closed"
    recorder._marks.close()  # it dies; its last segment has not been drained
    assert await drain.flush()
    assert bench.pool()["leased"] > 0
    await recorder.rotate()
    assert await drain.flush()
    assert (bench.pool()["spent"], bench.pool()["leased"], marks(tmp_path)) == (usd(0.875).nano, 0, [])


async def test_a_mark_goes_when_its_replica_was_closed_or_never_began(database: Database, tmp_path: Path) -> None:
    made = ReplicaMarks(tmp_path, "worker")
    identifier = new_id()
    made.mark(identifier)
    made.mark(identifier)
    assert dead_replicas(tmp_path) == []
    made.close()
    assert [name.split(".")[:2] for name in marks(tmp_path)] == [["worker", identifier.hex]]
    (tmp_path / f"worker.no-id{SUFFIX}").touch()
    assert await RecordDrain(database, tmp_path, utc_now).flush()
    assert marks(tmp_path) == [f"worker.no-id{SUFFIX}"]


async def test_a_disk_that_takes_no_mark_costs_no_record(tenant: Tenant, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "spool").touch()
    recorder = RequestRecorder(Spool(tmp_path / "spool"))
    recorder.mark_replica(new_id())
    recorder.record(make_record(tenant.id))
    assert (recorder.held, recorder.full) == (1, True)
    assert caplog.records[0].message == "the spool takes no mark of a replica"
