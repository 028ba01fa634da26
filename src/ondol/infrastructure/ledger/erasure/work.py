"""Carrying an erasure out: find, probe, erase, probe again, sign.

Everything that is found is written down before the first of it goes, and each count as it becomes known, so that a run that was killed goes on
where it was. What came in between (an answer that was being written, a segment that was being built) is found by looking again until nothing new
is there.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping, Sequence

import psycopg

from ondol.core.canonical import Json
from ondol.core.errors import Conflict, NotFound, OndolError
from ondol.infrastructure.ledger.erasure import store
from ondol.infrastructure.ledger.erasure.receipt import (
    SIGNED_FOR,
    ReceiptCheck,
    documents_named,
    event_names_receipt,
    make_receipt,
    receipt_digest,
    signature_of_receipt_holds,
)
from ondol.infrastructure.ledger.erasure.types import Eraser, Erasure, ErasureRoom, Gone, Step
from ondol.infrastructure.ledger.events import record
from ondol.infrastructure.ledger.lineage import WALK_ARTEFACTS_HIGHEST, descendants
from ondol.infrastructure.ledger.types import PublicKeys
from ondol.infrastructure.storage.postgres import Connection, one, rows

ROUNDS_MAX = 5
"""So often it is looked again for what came in between."""

WAIT_SECONDS_MAX = 600.0
"""Whoever wants an erasure that another process carries out waits so long for it."""

_log = logging.getLogger(__name__)


class ErasureFailed(OndolError):
    """A probe saw too little or too much; the word says which. Nothing is claimed to be erased."""

    def __init__(self, word: str) -> None:
        super().__init__(f"The erasure is not proved: {word}.", "`ondol erasure show ID` tells what each probe saw.")
        self.word = word


async def carry_out(room: ErasureRoom, tenant_id: uuid.UUID, erasure_id: uuid.UUID, *, wait_s: float = WAIT_SECONDS_MAX) -> Erasure:
    """Bring an erasure to its receipt; what is proved stays as it is.

    Returns:
        The erasure, `proved` or `failed`.

    Raises:
        Conflict: when another process carries it out and does not end in time.
        OndolError: when a store does not answer; the erasure stays as far as it came, and can be carried out again.
    """
    async with room.database.writer_lock(erasure_id, wait_s=wait_s) as free:
        if not free:
            raise Conflict("Another process carries this erasure out.", "Wait for it: `ondol erasure show ID`.", code="erasure_running")
        async with room.database.tenant_tx(tenant_id) as connection:
            erasure = await store.get_erasure(connection, erasure_id)
        if erasure.state not in ("proved", "failed"):
            try:
                await _Run(room, erasure).to_the_end()
            except ErasureFailed as error:
                _log.error("erasure failed", extra={"erasure": str(erasure_id), "reason": error.word})
                async with room.database.tenant_tx(tenant_id) as connection:
                    await store.set_state(connection, erasure, "failed", failure=error.word)
                    body: dict[str, Json] = {"erasure": erasure_id, "failure": error.word}
                    await record(connection, tenant_id, kind="erasure.failed", actor_id=None, body=body, now=room.clock())
        async with room.database.tenant_tx(tenant_id) as connection:
            return await store.get_erasure(connection, erasure_id)


async def carry_out_open(room: ErasureRoom) -> int:
    """Carry out what waits, of all tenants; how many came to an end. What fails for a while does not hold up the others."""
    async with room.database.system_tx() as connection:
        waiting = await rows(connection, store.QUERIES["erasures_open"], {"limit": store.OPEN_MAX})
    done = 0
    for row in waiting:
        try:
            await carry_out(room, row["tenant_id"], row["id"], wait_s=0)
            done += 1
        except (OndolError, psycopg.Error, OSError) as error:
            # The boundary of one erasure: the next round tries it again.
            _log.warning("erasure not carried out", extra={"erasure": str(row["id"]), "reason": str(error)})
    return done


async def check_receipt(room: ErasureRoom, keys: PublicKeys, erasure: Erasure) -> ReceiptCheck:
    """Check a receipt's signature and event, and probe every store again.

    Raises:
        Conflict: when the erasure has no receipt yet.
    """
    if erasure.receipt is None:
        raise Conflict(f"The erasure is {erasure.state} and has no receipt.", "Wait until it is proved.", code="erasure_not_proved")
    found_again = {eraser.name: await eraser.probe(erasure) for eraser in _erasers_for(room, erasure)}
    async with room.database.tenant_tx(erasure.tenant_id) as connection:
        event = await event_names_receipt(connection, erasure)
    return ReceiptCheck(signature_of_receipt_holds(keys, erasure), event, found_again)


def _erasers_for(room: ErasureRoom, erasure: Erasure) -> list[Eraser]:
    return [eraser for eraser in room.erasers if erasure.kind in eraser.kinds]


class _Run:
    """One run over one erasure, by whoever holds its lock."""

    def __init__(self, room: ErasureRoom, erasure: Erasure) -> None:
        self._room = room
        self._erasure = erasure
        self._erasers = _erasers_for(room, erasure)

    async def to_the_end(self) -> None:
        """Find, probe, erase, probe again, sign.

        Raises:
            ErasureFailed: when a probe that should have seen something saw nothing, or something stays.
        """
        await self._look()
        await self._probe_before()
        for _ in range(ROUNDS_MAX):
            await self._erase()
            left = await self._probe_after()
            if not await self._look() and not left:
                break
        else:
            raise ErasureFailed(f"remains.{left[0]}" if left else "changes")
        await self._end()

    async def _look(self) -> bool:
        """Let every eraser find what it is to erase; whether there was anything new that is not erased yet."""
        is_new = False
        async with self._room.database.tenant_tx(self._erasure.tenant_id) as connection:
            known = {step.name: step for step in await store.steps_of(connection, self._erasure.id)}
            for place, eraser in enumerate(self._erasers):
                found = await eraser.find(connection, self._erasure)
                is_new = is_new or (eraser.name in known and known[eraser.name].erased_at is not None and found > 0)
                values = {"tenant_id": self._erasure.tenant_id, "erasure_id": self._erasure.id, "name": eraser.name}
                await connection.execute(store.QUERIES["step_put"], {**values, "place": place, "found": found})
            if not known:
                await store.set_state(connection, self._erasure, "running")
        return is_new

    async def _probe_before(self) -> None:
        """Count by every probe, before anything goes, what there is."""
        for eraser in self._erasers:
            if (await self._steps())[eraser.name].before is None:
                await self._note("step_before", eraser.name, count=await eraser.probe(self._erasure))

    async def _erase(self) -> None:
        for eraser in self._erasers:
            await eraser.erase(self._erasure)
            await self._note("step_erased", eraser.name, now=self._room.clock())
        self._room.forget(Gone(self._erasure.owner))

    async def _probe_after(self) -> list[str]:
        """Count again; the erasers whose probes still find something."""
        left: list[str] = []
        for eraser in self._erasers:
            count = await eraser.probe(self._erasure)
            await self._note("step_after", eraser.name, count=count)
            left += [eraser.name] if count else []
        return left

    async def _end(self) -> None:
        steps = await self._steps()
        self._refuse_blind(list(steps.values()))
        async with self._room.database.tenant_tx(self._erasure.tenant_id) as connection:
            extra: dict[str, Json] = {"lineage": await self._check_lineage(connection)}
            if self._erasure.kind == "subject":
                extra |= documents_named(await store.items_of(connection, self._erasure, "document"), erased=self._erasure.with_documents)
            receipt = make_receipt(self._room, self._erasure, list(steps.values()), {each.name: each for each in self._erasers}, extra)
            taken = receipt_digest(receipt)
            signer = self._room.signer()
            values = {"id": self._erasure.id, "receipt": store.as_jsonb(receipt), "digest": taken, "now": self._room.clock()}
            signed = {"signature": signer.sign(SIGNED_FOR, taken), "signer": signer.key_id}
            await connection.execute(store.QUERIES["erasure_proved"], {**values, **signed})
            body: dict[str, Json] = {"erasure": self._erasure.id, "kind": self._erasure.kind, "target": self._erasure.target_id, "receipt": taken}
            await record(connection, self._erasure.tenant_id, kind="erasure.proved", actor_id=None, body=body, now=self._room.clock())

    def _refuse_blind(self, steps: Sequence[Step]) -> None:
        """A probe that found nothing where there was something would have found nothing afterwards either: it proves nothing."""
        for step in steps:
            if step.found and not step.before and not self._erasure.replayed:
                raise ErasureFailed(f"blind.{step.name}")

    async def _check_lineage(self, connection: Connection) -> dict[str, Json]:
        """Whether the lineage names an answer that no eraser knew of.

        Raises:
            ErasureFailed: when it does.
        """
        try:
            walk = await descendants(connection, self._erasure.tenant_id, self._erasure.target_id, limit=WALK_ARTEFACTS_HIGHEST)
        except NotFound:
            return {"reached": 0, "complete": True}
        answers = [reached.id for reached in walk.reached if reached.kind == "answer"]
        values = {"erasure_id": self._erasure.id, "kind": "answer", "ids": answers}
        if await one(connection, store.QUERIES["items_missing"], values) is not None:
            raise ErasureFailed("lineage.answer")
        return {"reached": len(walk.reached), "complete": walk.complete}

    async def _steps(self) -> Mapping[str, Step]:
        async with self._room.database.tenant_tx(self._erasure.tenant_id) as connection:
            found = {step.name: step for step in await store.steps_of(connection, self._erasure.id)}
        return {eraser.name: found[eraser.name] for eraser in self._erasers}

    async def _note(self, query: str, name: str, **values: object) -> None:
        async with self._room.database.tenant_tx(self._erasure.tenant_id) as connection:
            await connection.execute(store.QUERIES[query], {"erasure_id": self._erasure.id, "name": name, **values})
