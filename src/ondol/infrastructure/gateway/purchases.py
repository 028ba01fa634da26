"""What a search asks of models: embeddings and rerankings, reserved, priced, settled and recorded like every request."""

from __future__ import annotations

import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from ondol.core.clock import Clock
from ondol.core.errors import OndolError
from ondol.core.ids import new_id
from ondol.core.money import Money
from ondol.infrastructure.access.limits.governor import Governor
from ondol.infrastructure.access.limits.payer import PAYER
from ondol.infrastructure.access.limits.pools import Admission
from ondol.infrastructure.access.limits.types import Need, Who
from ondol.infrastructure.gateway.errors import verdict_of
from ondol.infrastructure.gateway.records.types import RequestRecord
from ondol.infrastructure.serving.prices import Price, PriceDirectory, cost, dearest
from ondol.infrastructure.serving.types import ModelRow, Operation, TargetRow, UpstreamAnswer, Usage

NOBODY = uuid.UUID(int=0)
"""Stands in a record for the person where the platform itself asked, as for the vectors of an index."""
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_TOKENS_MAX = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Purchases:
    """Asks models at the expense of whoever the work is done for (`PAYER`), or of the tenant.

    Attributes:
        record: keeps a record; never blocks and never raises.
    """

    governor: Governor
    prices: PriceDirectory
    record: Callable[[RequestRecord], None]
    clock: Clock

    async def ask(
        self, tenant_id: uuid.UUID, row: ModelRow, operation: Operation, tokens: int, bytes_max: int, asking: Callable[[], Awaitable[UpstreamAnswer]]
    ) -> UpstreamAnswer:
        """Reserve, ask, settle and record.

        Args:
            tenant_id: whose budgets hold; the model may be another's.
            tokens: of all that is sent, as counted here.
            bytes_max: of the same: more tokens there cannot be.

        Raises:
            LimitReached, BudgetExceeded, PriceUnknown, LimitsUnavailable: as `Governor.admit_waiting` does; nothing was asked then.
            UpstreamError: as `asking` does.
        """
        payer = PAYER.get()
        who = payer if payer is not None and payer.tenant_id == tenant_id else Who(tenant_id)
        began_ns = time.perf_counter_ns()
        worst = dearest([self._price(target) for target in row.targets], bytes_max, 0)
        need = Need(tokens, worst)
        admission = self.governor.admit(who, row.alias, need) or await self.governor.admit_waiting(who, row.alias, need)
        bill = _Bill(who, row.alias, operation, admission, began_ns)
        try:
            answer = await asking()
        except OndolError as error:
            admission.release()
            self.record(bill.failed(error, self.clock))
            raise
        except BaseException:  # cut off on the way: the provider may send a bill
            admission.settle(tokens, worst)
            raise
        price, usage = self._price(answer.target), _told(answer.body) or Usage(tokens, 0, estimated=True)
        paid = cost(usage, price) if price is not None else None
        is_comparable = paid is None or not paid.nano or paid.currency == (admission.plan.currency or paid.currency)
        admission.settle(usage.input_tokens, paid if is_comparable else None)
        self.record(bill.answered(answer, usage, price, paid, self.clock))
        return answer

    def _price(self, target: TargetRow) -> Price | None:
        return self.prices.find(target.provider.tenant_id, target.provider.name, target.model, self.clock())


@dataclass(frozen=True, slots=True)
class _Bill:
    """One purchase, on its way to its record."""

    who: Who
    alias: str
    operation: Operation
    admission: Admission
    began_ns: int

    def answered(self, answer: UpstreamAnswer, usage: Usage, price: Price | None, paid: Money | None, clock: Clock) -> RequestRecord:
        return msgspec.structs.replace(
            self._record(200, "answered", clock),
            provider=answer.target.provider.name,
            upstream_model=answer.target.model,
            input_tokens=usage.input_tokens,
            usage_estimated=usage.estimated,
            cost_nano=paid.nano if paid is not None else None,
            currency=paid.currency if paid is not None else None,
            price_id=price.id if price is not None else None,
            attempts=answer.attempts,
        )

    def failed(self, error: OndolError, clock: Clock) -> RequestRecord:
        return self._record(*verdict_of(error), clock)

    def _record(self, status: int, outcome: str, clock: Clock) -> RequestRecord:
        taken_us = (time.perf_counter_ns() - self.began_ns) // 1_000
        return RequestRecord(
            tenant_id=self.who.tenant_id,
            id=new_id(),
            person_id=self.who.person_id or NOBODY,
            api_key_id=self.who.key_id,
            group_ids=self.who.group_ids,
            model=self.alias,
            route=self.operation,
            input_tokens=0,
            output_tokens=0,
            cost_nano=None,
            currency=None,
            upstream_us=taken_us,
            duration_us=taken_us,
            status=status,
            outcome=outcome,
            created_at=clock(),
            settlement=self.admission.settlement,
        )


def _told(body: bytes | None) -> Usage | None:
    """The upstream's own count of what it read, by either name; None where it tells none that could be."""
    try:
        usage = _decode(body or b"").get("usage")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    told = [usage.get(name) for name in ("prompt_tokens", "total_tokens")] if isinstance(usage, dict) else []
    known = next((count for count in told if type(count) is int and 0 <= count <= _TOKENS_MAX), None)
    return Usage(known, 0) if known is not None else None
