"""What the gateway holds to: memory of streams that stand still, budgets that many spend at once, and hours of load."""

from __future__ import annotations

import asyncio
import contextlib
import json
import statistics
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

from benchmarks.gateway.pace import pace
from benchmarks.gateway.platform import Governed
from benchmarks.gateway.prompts import Halves, Shape, body_of
from benchmarks.gateway.stand import PROJECT, NotStarted, Side, descriptors, python_module, raise_descriptors
from benchmarks.ground.processes import weigh
from ondol.core.money import NANO_PER_UNIT

SETTLE_SECONDS: Final = 2.0
STREAMS_PER_ORIGIN: Final = 1_000
WARM_STREAMS: Final = 200
DESCRIPTORS_SPARE: Final = 200
"""What a worker opens beside its streams, each of which needs two."""
BUDGET_NANO: Final = 10 * NANO_PER_UNIT
CLIENTS: Final = 200
SPEND_SECONDS_MAX: Final = 60.0
SAMPLES_A_SOAK: Final = 60
MORE_THAN_ENOUGH: Final = 1_500.0
"""Requests a second that a gateway on two cores does not take of the trace's shapes."""


@dataclass(frozen=True, slots=True)
class Purse:
    """A budget of 10.00 that was spent to its end.

    Attributes:
        requests: answered.
        failed: answered neither with 200 nor with 429.
        overshoot, usable: shares of the budget.
        worst_share: the share that one request may take at worst: it bounds what may be left.
    """

    requests: int
    failed: int
    overshoot: float
    usable: float
    worst_share: float
    counted_alike: bool
    seconds: float


def idle_streams(side: Side, models: list[str], halves: Halves, wanted: int) -> dict[str, float]:
    """Memory of streams that stand still, in the workers that carry them.

    Raises:
        NotStarted: when streams do not stand.
    """
    count = min(wanted, len(models) * STREAMS_PER_ORIGIN, (raise_descriptors(2 * wanted + DESCRIPTORS_SPARE) - DESCRIPTORS_SPARE) // 2)
    process_ids = side.process_ids()
    prompts = [halves.prompt(number) for number in range(997)]
    wishes = {"do": "hold", "port": side.port, "headers": dict(side.headers), "models": models, "prompts": prompts, "count": count}
    _held(wishes | {"count": min(WARM_STREAMS, count)}, process_ids, settle_s=0.2)  # what is made at first use is not a stream's
    before_mb, _ = weigh(process_ids)
    opened, still, during_mb = _held(wishes, process_ids)
    if still["open"] < count * 0.99:
        raise NotStarted(f"only {still['open']} of {count} streams stood")
    return {
        "streams": still["open"], "open_per_s": round(opened["open"] / opened["seconds"]), "rss_mb_before": round(before_mb, 1),
        "rss_mb": round(during_mb, 1), "kb_per_stream": round((during_mb - before_mb) * 1e3 / still["open"], 1),
    }  # fmt: skip


def _held(wishes: dict[str, Any], process_ids: list[int], *, settle_s: float = SETTLE_SECONDS) -> tuple[dict[str, Any], dict[str, Any], float]:
    """Open streams and let them stand for a while: what was told when they stood and at the end, and the memory meanwhile."""
    with _client(wishes) as client:
        opened = _told(client)
        time.sleep(settle_s)
        during_mb, _ = weigh(process_ids)
        assert client.stdin is not None
        client.stdin.write(b"\n")
        client.stdin.flush()
        still = _told(client)
        client.wait(30)
    return opened, still, during_mb


def spend_budget(governed: Governed, side: Side, slug: str, halves: Halves, prices: tuple[int, int], max_tokens: int) -> Purse:
    """Let 200 clients spend a budget of 10.00 to its end."""
    prompts = [halves.prompt(number) for number in range(997)]
    wishes = {
        "do": "spend", "port": side.port, "headers": dict(side.headers), "models": [side.model], "prompts": prompts, "clients": CLIENTS,
        "seconds": SPEND_SECONDS_MAX, "max_tokens": max_tokens, "price_input": prices[0], "price_output": prices[1],
    }  # fmt: skip
    with _client(wishes) as client:
        told = _told(client)
        client.wait(30)
    if not told["answered"]:
        raise NotStarted(f"no request on a budget was answered: {told['said']}")
    counted = asyncio.run(_settled(governed, slug, told["spent_nano"]))
    spent = max(told["spent_nano"], counted)
    worst = (max_tokens * prices[1] + 1_000 * prices[0]) // 1_000_000
    return Purse(
        requests=told["answered"],
        failed=told["failed"],
        overshoot=round(max(0, spent - BUDGET_NANO) / BUDGET_NANO, 6),
        usable=round(min(spent, BUDGET_NANO) / BUDGET_NANO, 4),
        worst_share=round(worst / BUDGET_NANO, 4),
        counted_alike=abs(counted - told["spent_nano"]) <= told["answered"],
        seconds=round(told["seconds"], 1),
    )


async def _settled(governed: Governed, slug: str, wanted: int) -> int:
    """What Postgres counts once the workers have told what they spent, a second or two later."""
    counted = 0
    for _ in range(10):
        counted = await governed.spent_nano(slug)
        if counted >= wanted:
            break
        await asyncio.sleep(0.5)
    return counted


def soak(side: Side, shapes: list[Shape], halves: Halves, seconds: float) -> dict[str, Any]:
    """Half of what the gateway can take of the trace's shapes, at a constant rate; memory and descriptors of the workers meanwhile."""
    bodies = [body_of(side.model, _long(halves, number, shape.characters), max_tokens=shape.output_tokens) for number, shape in enumerate(shapes)]
    rate = pace(side, bodies, MORE_THAN_ENOUGH, 4, connections=32).per_s / 2
    process_ids = side.process_ids()
    step_s = seconds / SAMPLES_A_SOAK
    samples: list[tuple[float, int]] = []
    failed = answered = 0
    p99: list[float] = []
    said: Counter[str] = Counter()
    for _ in range(SAMPLES_A_SOAK):
        paced = pace(side, bodies, rate, step_s, connections=128)
        failed, answered = failed + paced.failed, answered + paced.count
        said.update(paced.said)
        p99.append(paced.whole_ms.get("p99", 0.0))
        samples.append((weigh(process_ids)[0], descriptors(process_ids)))
    early, late = samples[SAMPLES_A_SOAK // 5 : 2 * SAMPLES_A_SOAK // 5], samples[-SAMPLES_A_SOAK // 5 :]
    return {
        "minutes": round(seconds / 60, 1), "rate": round(rate), "answered": answered, "failed": failed, "said": dict(said),
        "p99_ms": round(statistics.median(p99), 2),
        "rss_mb_early": round(statistics.median(memory for memory, _ in early), 1),
        "rss_mb_late": round(statistics.median(memory for memory, _ in late), 1),
        "descriptors_early": statistics.median(open_files for _, open_files in early),
        "descriptors_late": statistics.median(open_files for _, open_files in late),
    }  # fmt: skip


def purses(figures: dict[str, Purse]) -> dict[str, Any]:
    """The worst of several budgets, and each."""
    return {
        "budget_overshoot": max(purse.overshoot for purse in figures.values()),
        "budget_usable": min(purse.usable for purse in figures.values()),
        "budgets": {name: asdict(purse) for name, purse in figures.items()},
    }


def _long(halves: Halves, number: int, characters: int) -> str:
    """A prompt of a length, made of prompts."""
    text, place = "", number * 31
    while len(text) < characters:
        text += halves.prompt(place) + " "
        place += 1
    return text[:characters]


@contextlib.contextmanager
def _client(wishes: dict[str, Any]) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(python_module("clients"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=PROJECT) as client:
        assert client.stdin is not None
        client.stdin.write(json.dumps(wishes).encode() + b"\n")
        client.stdin.flush()
        try:
            yield client
        finally:
            client.kill()


def _told(client: subprocess.Popen[bytes]) -> dict[str, Any]:
    assert client.stdout is not None
    line = client.stdout.readline()
    if not line:
        raise NotStarted("the clients ended without a word")
    told: dict[str, Any] = json.loads(line)
    return told
