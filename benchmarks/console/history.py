"""Ninety days of requests, written by the product's own drain: the rows, the sums of their hours, the batches in the ledger and their proofs are what
a worker would have left. Beside them incidents, answers and what people thought of them, by the functions that write them in a worker.
"""

from __future__ import annotations

import json
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

from benchmarks.console.cast import PROVIDER, Cast
from ondol.application.assistant.answer import answer
from ondol.application.assistant.record import Given, keep_answer
from ondol.core.ids import new_id
from ondol.core.money import Money
from ondol.infrastructure.gateway.records.drain import RecordDrain
from ondol.infrastructure.gateway.records.feedback import Opinion, give_feedback
from ondol.infrastructure.gateway.records.lines import line_of
from ondol.infrastructure.gateway.records.types import RequestRecord
from ondol.infrastructure.guard.defaults import default_policy
from ondol.infrastructure.guard.incidents import Case, close_incident, open_incident
from ondol.infrastructure.serving.prices import cost
from ondol.infrastructure.serving.types import ChatRequest, Message, Usage
from ondol.infrastructure.storage.postgres.care import make_partitions_ahead
from ondol.wiring.platform import Platform, assistant_room

DAYS: Final = 90
LAYERS: Final = 20
"""The history is written in layers, each of all days, so that what is cut short is thinner and not shorter."""
ANSWERS_EVERY: Final = 10
"""Of the assistant's requests one in so many has the record of its answer."""
OPINIONS_EVERY: Final = 5
"""Of these answers one in so many was judged."""
INCIDENTS_EVERY: Final = 4
"""Of the requests that the guard refused one in so many opened an incident or counts in one."""
OPEN_EVERY: Final = 20
"""Of the incidents one in so many is still open."""
QUESTIONS: Final = ("환불은 며칠 안에 처리되나요?", "How long until a DNS change takes effect?", "What is the chief accountant's favourite opera?")
WORKING_SHARE: Final = 6 / 7
"""Requests of an average day for each of a working day: two of seven have half of them."""
BY_HOUR: Final = (1, 1, 1, 1, 1, 1, 2, 4, 8, 12, 14, 13, 10, 12, 14, 14, 13, 11, 8, 6, 4, 3, 2, 2)
"""Weights of the hours of a day in Korea, where the demo's people live."""
ZONE_HOURS: Final = 9
SATURDAY: Final = 5
SHARES: Final = (("quick", 45), ("steady", 25), ("deep", 8), ("embed", 15), ("unpriced", 2), ("", 5))
"""Of 100 requests; the one without a name is the assistant."""
ENDS: Final = (
    ("answered", 200, 955), ("caller_left", 499, 15), ("rate_limit_exceeded", 429, 12), ("refused", 400, 8), ("upstream_timeout", 504, 7),
    ("upstream_error", 502, 3),
)  # fmt: skip
"""Outcomes, their status, and how many of 1,000 requests end so."""


_POLICY: Final = default_policy().digest


@dataclass(slots=True)
class Held:
    """Lines that a drain takes as it takes those that a worker holds in memory."""

    lines: Iterator[bytes]

    def take_held(self, most: int) -> list[bytes]:
        """Some of them."""
        return list(islice(self.lines, most))

    def give_back(self, lines: list[bytes]) -> None:
        """A history that cannot be written is an error: the drain raises it."""


def records(cast: Cast, since: datetime, until: datetime, day_requests: int, part: int) -> Iterator[RequestRecord]:
    """One layer of the history between two moments of UTC, in the order of time, the same whenever it is asked for but for its ids.

    Args:
        day_requests: of this layer, on a working day; days of rest have half of them.
        part: which layer it is.
    """
    ends = [(outcome, status) for outcome, status, weight in ENDS for _ in range(weight)]
    asked = [name for name, weight in SHARES for _ in range(weight)]
    day = since.replace(hour=0, minute=0, second=0, microsecond=0)
    while day <= until:
        chance = random.Random(part * 1_000_000 + day.toordinal())  # noqa: S311 - the same each time
        count = day_requests if (day + timedelta(hours=ZONE_HOURS)).weekday() < SATURDAY else day_requests // 2
        for at in sorted(day + timedelta(seconds=second) for second in _seconds(chance, count)):
            if since < at <= until:
                yield _record(cast, chance, at, chance.choice(asked), *chance.choice(ends))
        day += timedelta(days=1)


def _seconds(chance: random.Random, count: int) -> list[float]:
    """When in a UTC day requests come, in seconds."""
    hours = chance.choices(range(24), BY_HOUR, k=count)
    return [((hour - ZONE_HOURS) % 24 + chance.random()) * 3600 for hour in hours]


def _record(cast: Cast, chance: random.Random, at: datetime, model: str, outcome: str, status: int) -> RequestRecord:
    caller = cast.callers[min(int(chance.expovariate(0.12)), len(cast.callers) - 1)]
    answered, price = outcome == "answered", cast.prices.get(model)
    input_tokens = int(chance.lognormvariate(6, 1)) + 1
    output_tokens = int(chance.lognormvariate(5, 1)) + 1 if answered and model != "embed" else 0
    usage = Usage(input_tokens if status not in (400, 429) else 0, output_tokens, estimated=chance.random() < 0.01, cached_tokens=0)
    if answered and chance.random() < 0.3:
        usage = replace(usage, cached_tokens=input_tokens // 2)
    paid: Money | None = cost(usage, price) if price is not None else None
    upstream_us = int(chance.lognormvariate(13.5, 0.7)) if status != 400 else 0
    guard_us, queue_us = int(chance.lognormvariate(6.5, 0.5)), int(chance.lognormvariate(4, 1))
    streams = answered and model != "embed" and chance.random() < 0.7
    whole_us = upstream_us + guard_us + queue_us + 400
    return RequestRecord(
        tenant_id=cast.tenant_id, id=new_id(int(at.timestamp() * 1000)), person_id=caller.person_id, api_key_id=caller.key_id,
        model=model or cast.assistant.model, route="embeddings" if model == "embed" else "chat.completions", input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens, cached_tokens=usage.cached_tokens, usage_estimated=usage.estimated,
        cost_nano=None if paid is None else paid.nano, currency=None if paid is None else paid.currency, price_id=None if price is None else price.id,
        duration_us=whole_us, queue_us=queue_us, guard_us=guard_us, upstream_us=upstream_us, first_token_us=whole_us // 3 if streams else None,
        status=status, outcome=outcome, created_at=at, guard_policy=_POLICY, guard_rules=("kr_resident_number",) if outcome == "refused" else (),
        guard_decision="block" if outcome == "refused" else "mask" if chance.random() < 0.02 else "allow", group_ids=caller.group_ids,
        provider=PROVIDER if model else "ondol", upstream_model=model or "extractive", stream=streams, attempts=2 if chance.random() < 0.01 else 1,
    )  # fmt: skip


async def write_layer(platform: Platform, cast: Cast, made: Iterator[RequestRecord]) -> int:
    """Write records with what belongs to some of them; how many records were written."""
    answers: list[RequestRecord] = []
    incidents: list[RequestRecord] = []
    held = Held(_lines(cast, made, answers, incidents))
    with tempfile.TemporaryDirectory(prefix="ondol-benchmark-") as spool:
        drain = RecordDrain(platform.database, Path(spool), platform.clock, held=held)
        if not await drain.flush() or drain.refused or drain.repeated:
            raise RuntimeError("the history could not be written: see the log")
    await _write_incidents(platform, cast, incidents)
    await _write_answers(platform, cast, answers)
    return drain.written


def _lines(cast: Cast, made: Iterator[RequestRecord], answers: list[RequestRecord], incidents: list[RequestRecord]) -> Iterator[bytes]:
    """Lines of records, and aside those that have more than a line."""
    asked = refused = 0
    for record in made:
        if record.model == cast.assistant.model and record.outcome == "answered":
            asked += 1
            if asked % ANSWERS_EVERY == 0:
                answers.append(record)
        if record.outcome == "refused":
            refused += 1
            if refused % INCIDENTS_EVERY == 0:
                incidents.append(record)
        yield line_of(record)


async def _write_incidents(platform: Platform, cast: Cast, refused: Sequence[RequestRecord]) -> None:
    for number, record in enumerate(refused):
        async with platform.database.tenant_tx(cast.tenant_id) as connection:
            case = Case(
                cast.tenant_id, "blocked", "input", _POLICY, record.guard_rules, "[KR_RESIDENT_NUMBER_1]", record.created_at, record.person_id,
                record.api_key_id, record.id,
            )  # fmt: skip
            incident, is_new = await open_incident(connection, platform.keyring, case)
            if is_new and number % OPEN_EVERY:
                now = record.created_at + timedelta(hours=3)
                await close_incident(connection, platform.keyring, cast.tenant_id, incident, "The caller was told.", by=cast.owner_id, now=now)


async def _write_answers(platform: Platform, cast: Cast, answered: Sequence[RequestRecord]) -> None:
    """Answers as the assistant gives them to a few questions, kept again under other people's keys and at other times."""
    given = [item for question in QUESTIONS for item in await _given(platform, cast, question)]
    for number, record in enumerate(answered):
        one = given[number % len(given)]
        again = replace(one, asking=replace(one.asking, id=record.id, person_id=record.person_id))
        await keep_answer(replace(platform.knowledge, clock=partial(_same, record.created_at)), again)
        if number % OPINIONS_EVERY == 0:
            opinion = Opinion(thumb="up" if number % 3 else "down", reasons=() if number % 3 else ("incomplete",))
            async with platform.database.tenant_tx(cast.tenant_id) as connection:
                await give_feedback(
                    connection, platform.keyring, cast.tenant_id, record.id, opinion, person_id=record.person_id, api_key_id=record.api_key_id,
                    now=record.created_at + timedelta(minutes=1),
                )  # fmt: skip


async def _given(platform: Platform, cast: Cast, question: str) -> list[Given]:
    """What the assistant says to a question, not kept yet."""
    kept: list[Given] = []

    async def keep(given: Given) -> None:
        kept.append(given)

    request = ChatRequest(new_id(), cast.assistant.model, (Message("user", question),))
    room = assistant_room(platform, {})
    async for _ in answer(room, cast.tenant_id, cast.owner_id, cast.assistant, request, keep=keep):
        pass
    return kept


def _same(at: datetime) -> datetime:
    return at


@dataclass(slots=True)
class State:
    """What of a history is there already, as it is kept beside its data folder.

    Attributes:
        wanted: records of all `LAYERS` together; what is asked for later adds layers of the same thickness.
        until: the last moment that the layers reach.
    """

    wanted: int
    layers: int
    until: str

    @classmethod
    def read(cls, file: Path, wanted: int, now: datetime) -> State:
        """What a file says; nothing is there while it is not."""
        return cls(**json.loads(file.read_text("utf-8"))) if file.exists() else cls(wanted, 0, now.isoformat())

    def write(self, file: Path) -> None:
        """Keep it."""
        file.write_text(json.dumps(asdict(self)), "utf-8")


async def fill(platform: Platform, cast: Cast, file: Path, wanted: int, until: float) -> None:
    """Bring the history up to now and, as far as there is time, to the size that is wanted.

    Args:
        file: what says how much is there already.
        until: by the clock of `time.monotonic`. A first layer is written in any case.
    """
    now = platform.clock()
    state = State.read(file, wanted, now)
    day_requests = max(1, round(state.wanted / LAYERS / DAYS / WORKING_SHARE))
    begins, ended = now - timedelta(days=DAYS), datetime.fromisoformat(state.until)
    for days in range(0, DAYS + 28, 28):
        await make_partitions_ahead(platform.database, begins + timedelta(days=days))
    for layer in range(state.layers):
        await write_layer(platform, cast, records(cast, ended, now, day_requests, layer))
    state.until = now.isoformat()
    state.write(file)
    while state.layers < round(LAYERS * wanted / state.wanted) and (not state.layers or time.monotonic() < until):
        await write_layer(platform, cast, records(cast, begins, now, day_requests, state.layers))
        state.layers += 1
        state.write(file)
