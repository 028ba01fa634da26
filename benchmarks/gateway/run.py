"""The gateway's figures: `python -m benchmarks.gateway [--quick] [--json] [--peers nginx,portkey,litellm] [--soak MINUTES]`.

Needs wrk and the public data (ONDOL_TEST_DATA); nginx for the cheapest upstream, and as a peer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

from benchmarks.data import DataAbsent
from benchmarks.gateway import peers as beside
from benchmarks.gateway.holding import BUDGET_NANO, Purse, idle_streams, purses, soak, spend_budget
from benchmarks.gateway.pace import Paced, pace
from benchmarks.gateway.platform import Governed, TenantPlan
from benchmarks.gateway.prompts import Halves, body_of, read_halves, read_shapes
from benchmarks.gateway.stand import NotStarted, Side, cpu_seconds, free_ports, is_listening, python_module, running, wait_for, workers_of
from benchmarks.gateway.stub import EVENTS, SLOW_STEP_S
from benchmarks.gateway.wrk import CONNECTIONS, STREAM_CONNECTIONS, Load, load, write_script, wrk_program
from benchmarks.ground.processes import family_of, weigh
from benchmarks.machine import machine
from ondol.core.money import NANO_PER_UNIT

RATE: Final = 1_000.0
CONCURRENT_STREAMS: Final = 100
ORIGINS: Final = 10
KNOWN_AFTER_S: Final = 2.5
"""Workers read keys, models, limits and prices about once a second."""
PURSE_PRICES: Final = (NANO_PER_UNIT // 10, 20 * NANO_PER_UNIT)
LARGE_TOKENS: Final = 20_000
"""At 20.00 for a million, 0.40 at worst."""
PEER_PROGRAMS: Final[dict[str, Callable[[Path, dict[str, int]], AbstractContextManager[beside.Sides]]]] = {
    "nginx": beside.nginx_proxy, "portkey": beside.portkey, "litellm": beside.litellm,
}  # fmt: skip
Starting: TypeAlias = dict[str, tuple[AbstractContextManager[beside.Sides], Future[beside.Sides]]]


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured.

    Attributes:
        rounds, seconds: of each side under full load; sides take turns.
        slow_factor: by which LiteLLM's rounds are longer, since it answers few.
        paced_rounds, paced_seconds: at a constant rate, directly and through the gateway in turn.
        streams: that stand still.
        workers: numbers of workers whose throughput is told.
        budget_workers: that share the budgets.
        small_tokens: the most that an answer on the budget of small requests may have.
        without, without_streams: sides that are left out of whole answers and of streams.
    """

    rounds: int
    seconds: float
    slow_factor: int
    paced_rounds: int
    paced_seconds: float
    streams: int
    workers: tuple[int, ...]
    budget_workers: int
    small_tokens: int
    without: frozenset[str] = frozenset()
    without_streams: frozenset[str] = frozenset({"portkey"})


QUICK: Final = Size(2, 1, 1, 1, 1.5, 1_000, (), beside.WORKERS, 400, frozenset({"kept"}), frozenset({"portkey", "nginx"}))
LONG: Final = Size(7, 4, 2, 7, 4, 10_000, (1, 2, 4), 4, 100)
"""Portkey 1.15.2 answers 500 to streams of such an upstream: it changes headers that Node's own `fetch` made immutable."""


@dataclass(slots=True)
class Bench:
    """One run: what stands, and what was found."""

    folder: Path
    size: Size
    halves: Halves
    stack: ExitStack
    governed: Governed
    stub: int = 0
    stub_ports: list[int] = field(default_factory=list)
    sides: dict[str, beside.Sides] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    answered: dict[str, int] = field(default_factory=dict)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short rounds and fewer streams; under 50 s once the peers are installed")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.add_argument("--peers", default=None, help="what runs beside us, by commas; all if absent, none with --quick")
    parser.add_argument("--soak", type=float, default=0.0, metavar="MINUTES", help="load with the Azure trace's shapes for so long as well")
    options = parser.parse_args()
    wanted = options.peers if options.peers is not None else "" if options.quick else ",".join(beside.PEERS)
    names = [name for name in wanted.split(",") if name]
    if unknown := set(names) - set(beside.PEERS):
        parser.error(f"--peers knows {', '.join(beside.PEERS)}, not {', '.join(sorted(unknown))}")
    try:
        figures = run(QUICK if options.quick else LONG, names, soak_minutes=options.soak)
    except (DataAbsent, NotStarted) as absent:
        sys.exit(str(absent))
    show(figures)
    if options.json:
        print(json.dumps(figures, ensure_ascii=False))


def run(size: Size, names: Sequence[str], *, soak_minutes: float = 0.0) -> dict[str, Any]:
    """All figures, by name."""
    began = time.monotonic()
    wrk_program()
    halves = read_halves()
    with tempfile.TemporaryDirectory(prefix="ondol-benchmark-") as temporary:
        folder = Path(temporary)
        folder.chmod(0o711)
        with ExitStack() as stack:
            bench = Bench(folder, size, halves, stack, Governed(folder / "data"))
            _start_upstreams(bench)
            with ExitStack() as with_peers, ThreadPoolExecutor(len(beside.PEERS)) as pool:
                starting = _start_peers(bench, pool, names)
                is_one = size.budget_workers == beside.WORKERS
                if not is_one:
                    with _started(bench, size.budget_workers) as (port, process_id):
                        _begin(bench, port, process_id)
                with _started(bench, beside.WORKERS) as (port, process_id):
                    if is_one:
                        _begin(bench, port, process_id)
                    _ways_in(bench, port, process_id)
                    if 1 not in size.workers:
                        _timed(bench, "idle streams", lambda: _idle(bench, process_id, workers=beside.WORKERS))
                    _timed(bench, "start of peers", lambda: _await_peers(bench, with_peers, starting))
                    _timed(bench, "throughput", lambda: _throughput(bench, process_id))
                    _timed(bench, "streams", lambda: _streams(bench))
                    with_peers.close()
                    _timed(bench, "latency", lambda: _latency(bench))
                    if soak_minutes:
                        _timed(bench, "soak", lambda: _soak(bench, soak_minutes))
            _other_workers(bench)
    return {
        **bench.figures, "absent": bench.absent, "versions": beside.versions(), "machine": machine(), "seconds": round(time.monotonic() - began, 1),
    }  # fmt: skip


def _timed(bench: Bench, name: str, measure: Callable[[], None]) -> None:
    """Measure something; what cannot be measured is named in the figures, and how long it took."""
    began = time.monotonic()
    try:
        measure()
    except NotStarted as absent:
        bench.absent[name] = str(absent)
    _spent(bench, name, began)


def _spent(bench: Bench, name: str, began: float) -> None:
    seconds: dict[str, float] = bench.figures.setdefault("seconds_of", {})
    seconds[name] = round(seconds.get(name, 0.0) + time.monotonic() - began, 1)


def plans(bench: Bench) -> list[TenantPlan]:
    """The tenants of a run."""
    whole, ports = bench.stub, bench.stub_ports
    purse = {"is_total": True, "budget_nano": BUDGET_NANO, "price_input": PURSE_PRICES[0], "price_output": PURSE_PRICES[1]}
    drawn = {"drawn": (ports[0], "whole-drawn")}
    idle = {f"idle-{number}": (port, "idle") for number, port in enumerate(ports)}
    return [
        TenantPlan("governed", {"whole": (whole, "whole"), "stream": (ports[0], "whole"), "slow": (ports[0], "slow"), **idle}),
        TenantPlan("kept", {"whole": (whole, "whole")}, content="masked"),
        TenantPlan("paced", {"whole": (whole, "whole"), "sized": (ports[0], "whole-sized")}),
        TenantPlan("small", drawn, **purse),  # type: ignore[arg-type]
        TenantPlan("large", drawn, **purse),  # type: ignore[arg-type]
    ]


def _start_upstreams(bench: Bench) -> None:
    bench.stub_ports = free_ports(ORIGINS)
    log = bench.folder / "stub.log"
    upstream = bench.stack.enter_context(running(python_module("stub", "--ports", ",".join(map(str, bench.stub_ports))), log))
    wait_for(lambda: is_listening(bench.stub_ports[-1]), upstream, "the stub", log)
    try:
        bench.stub = bench.stack.enter_context(beside.nginx_stub(bench.folder))
    except NotStarted as absent:
        bench.absent["nginx stub"] = f"{absent}; a Python program answers in its place, which costs every side more"
        bench.stub = bench.stub_ports[0]


def _start_peers(bench: Bench, pool: ThreadPoolExecutor, names: Sequence[str]) -> Starting:
    """Begin to start the peers, side by side: some take half a minute."""
    upstreams = {"whole": bench.stub, "stream": bench.stub_ports[0]}
    contexts = {name: PEER_PROGRAMS[name](bench.folder, upstreams) for name in names}
    return {name: (context, pool.submit(context.__enter__)) for name, context in contexts.items()}


def _await_peers(bench: Bench, stack: ExitStack, starting: Starting) -> None:
    """Wait until they answer; one that cannot be had is named in the figures."""
    for name, (context, started) in starting.items():
        try:
            bench.sides[name] = started.result()
            stack.push(context.__exit__)
        except NotStarted as absent:
            bench.absent[name] = str(absent)


def _ways_in(bench: Bench, port: int, process_id: int) -> None:
    """Our tenants' ways in, at the port of a platform that has just been started."""
    for name, slug, models in (
        ("ondol", "governed", ("whole", "stream", "slow")), ("kept", "kept", ("whole",)), ("paced", "paced", ("whole", "sized")),
        ("small", "small", ("drawn",)), ("large", "large", ("drawn",)),
    ):  # fmt: skip
        bench.sides[name] = {model: bench.governed.side(name, slug, model, port, process_id) for model in models}


@contextmanager
def _started(bench: Bench, workers: int) -> Iterator[tuple[int, int]]:
    """The platform with so many workers; how long its start and its end took stands in the figures."""
    began = time.monotonic()
    with bench.governed.up(workers) as found:
        _spent(bench, "start of Ondol", began)
        yield found
        began = time.monotonic()
    _spent(bench, "end of Ondol", began)


def _begin(bench: Bench, port: int, process_id: int) -> None:
    """The first start: tenants are made, and budgets spent."""
    asyncio.run(bench.governed.make(plans(bench)))
    time.sleep(KNOWN_AFTER_S)
    _ways_in(bench, port, process_id)
    _timed(bench, "budgets", lambda: _budgets(bench))


def _throughput(bench: Bench, process_id: int) -> None:
    """Whole answers: every side in turn, several rounds."""
    names = [name for name in ("ondol", *beside.PEERS, "kept") if name in bench.sides and name not in bench.size.without]
    others_before = _others(process_id)
    rounds = _rounds(bench, names, "whole")
    ours = bench.answered["ondol"] + bench.answered.get("kept", 0)
    others_us = (_others(process_id) - others_before) / ours * 1e6
    medians = {name: _median(loads) for name, loads in rounds.items()}
    bench.figures |= {
        "governed_rps": round(medians["ondol"]["per_s"]),
        **{f"governed_vs_{name}": _ratio(rounds, "ondol", name, 4) for name in beside.PEERS},
        "content_kept_rps": round(medians["kept"]["per_s"]) if "kept" in medians else None,
        "worker_cpu_us": round(medians["ondol"]["cpu_us"]),
        "beside_cpu_us": round(others_us),
        "rss_mb_per_worker": round(weigh(workers_of(process_id))[0] / beside.WORKERS, 1),
        "throughput": medians,
    }


def _streams(bench: Bench) -> None:
    """Streams of 30 events."""
    names = [name for name in ("ondol", *beside.PEERS) if name in bench.sides and name not in bench.size.without_streams]
    rounds = _rounds(bench, names, "stream", count=max(1, bench.size.rounds - 1))
    medians = {name: _median(loads) for name, loads in rounds.items()}
    bench.figures |= {
        "streams_per_s": round(medians["ondol"]["per_s"]),
        **{f"streams_vs_{name}": _ratio(rounds, "ondol", name, 4) for name in beside.PEERS},
        "stream_worker_cpu_us": round(medians["ondol"]["cpu_us"]),
        "streams": medians,
    }


def _rounds(bench: Bench, names: Sequence[str], model: str, *, count: int = 0) -> dict[str, list[Load]]:
    """So many rounds of each side; in every other round they come in the opposite order."""
    is_stream = model == "stream"
    sides = {name: bench.sides[name][model] for name in names}
    scripts = {name: write_script(bench.folder, side, bench.halves, stream=is_stream) for name, side in sides.items()}
    found: dict[str, list[Load]] = {name: [] for name in names}

    def once(name: str, seconds: float, number: int) -> Load:
        connections = STREAM_CONNECTIONS if is_stream and name != "litellm" else CONNECTIONS
        one = load(sides[name], scripts[name], seconds, connections=connections, number=number * 100_000)
        bench.answered[name] = bench.answered.get(name, 0) + one.answered
        return one

    for name in names:
        once(name, 1, 0)  # what is loaded and compiled at first use is not what is asked
    for number in range(1, (count or bench.size.rounds) + 1):
        for name in names if number % 2 else reversed(names):
            found[name].append(once(name, bench.size.seconds * (bench.size.slow_factor if name == "litellm" else 1), number))
    return found


def _latency(bench: Bench) -> None:
    """At a constant rate: directly and through the gateway in turn. What is added is the difference of the two, round by round."""
    bodies = [body_of("whole", bench.halves.prompt(number)) for number in range(5_000)]
    slow = [body_of("slow", bench.halves.prompt(number), stream=True) for number in range(2_000)]
    direct = Side("direct", bench.stub, {}, "whole", list)
    direct_slow = Side("direct", bench.stub_ports[0], {}, "slow", list)
    streams_rate = CONCURRENT_STREAMS / (EVENTS * SLOW_STEP_S)
    seconds = bench.size.paced_seconds
    whole, streamed = [], []
    pace(bench.sides["paced"]["whole"], bodies, RATE, 1)
    for _ in range(bench.size.paced_rounds):
        whole.append((pace(direct, bodies, RATE, seconds), pace(bench.sides["paced"]["whole"], bodies, RATE, seconds)))
    for _ in range(max(1, bench.size.paced_rounds - 1)):
        streamed.append((pace(direct_slow, slow, streams_rate, seconds, 250), pace(bench.sides["ondol"]["slow"], slow, streams_rate, seconds, 250)))
    time.sleep(KNOWN_AFTER_S)
    bench.figures |= {
        "added_p50_ms": _added(whole, "whole_ms", "p50"),
        "added_p99_ms": _added(whole, "whole_ms", "p99"),
        "direct_p50_ms": round(statistics.median(one.whole_ms["p50"] for one, _ in whole), 3),
        "direct_p99_ms": round(statistics.median(one.whole_ms["p99"] for one, _ in whole), 3),
        "paced_per_s": round(statistics.median(ours.per_s for _, ours in whole)),
        "paced_failed": sum(ours.failed for _, ours in (*whole, *streamed)),
        "generator_late_p99_ms": round(statistics.median(one.late_p99_ms for pair in whole for one in pair), 3),
        "first_event_added_p99_ms": _added(streamed, "first_ms", "p99"),
        "first_token_added_p50_ms": _added(streamed, "text_ms", "p50"),
        "first_token_added_p99_ms": _added(streamed, "text_ms", "p99"),
        "stages_us": asyncio.run(bench.governed.stages("paced")),
    }


def _idle(bench: Bench, process_id: int, workers: int) -> None:
    way = bench.sides["ondol"]["whole"]
    side = Side("Ondol", way.port, way.headers, "idle-0", lambda: workers_of(process_id))
    found = idle_streams(side, [f"idle-{number}" for number in range(ORIGINS)], bench.halves, bench.size.streams)
    bench.figures |= {"idle_kb_per_stream": found["kb_per_stream"], "idle": {**found, "workers": workers}}


def _other_workers(bench: Bench) -> None:
    """How throughput grows with workers, and streams that stand still on one."""
    growth: dict[str, int] = {}
    for workers in bench.size.workers:
        with _started(bench, workers) as (port, process_id):
            _ways_in(bench, port, process_id)
            growth[str(workers)] = round(_median(_rounds(bench, ["ondol"], "whole", count=3)["ondol"])["per_s"])
            if workers == 1:
                _timed(bench, "idle streams", partial(_idle, bench, process_id, workers=1))
    if growth:
        bench.figures["rps_by_workers"] = growth


def _budgets(bench: Bench) -> None:
    found: dict[str, Purse] = {}
    for slug, tokens in (("small", bench.size.small_tokens), ("large", LARGE_TOKENS)):
        found[slug] = spend_budget(bench.governed, bench.sides[slug]["drawn"], slug, bench.halves, PURSE_PRICES, tokens)
    bench.figures |= purses(found)


def _soak(bench: Bench, minutes: float) -> None:
    bench.figures["soak"] = soak(bench.sides["paced"]["sized"], read_shapes(2_000, 16_000, 500), bench.halves, minutes * 60)


def _others(process_id: int) -> float:
    """Processor time of what runs beside the workers: Postgres, the job worker, the supervisor."""
    workers = set(workers_of(process_id))
    return cpu_seconds([one for one in family_of(process_id) if one not in workers])


def _median(loads: Sequence[Load]) -> dict[str, float]:
    found = {name: round(statistics.median(getattr(one, name) for one in loads), 3) for name in Load.__slots__}
    return {**found, "failed": sum(one.failed for one in loads)}


def _ratio(rounds: dict[str, list[Load]], ours: str, theirs: str, digits: int) -> float | None:
    """The median of the ratios, round by round: neighbours in time share what the machine had left."""
    if theirs not in rounds:
        return None
    pairs = zip(rounds[ours], rounds[theirs], strict=True)
    return round(statistics.median(one.per_s / max(other.per_s, 0.1) for one, other in pairs), digits)


def _added(pairs: Sequence[tuple[Paced, Paced]], name: str, share: str) -> float | None:
    found = [getattr(ours, name)[share] - getattr(direct, name)[share] for direct, ours in pairs if getattr(ours, name) and getattr(direct, name)]
    return round(statistics.median(found), 3) if found else None


def show(figures: dict[str, Any]) -> None:
    """The tables for people."""
    print(f"{'whole answers':24} {'requests/s':>10} {'p50 ms':>8} {'p99 ms':>8} {'CPU us':>8} {'failed':>7}")
    for name, one in figures["throughput"].items():
        print(f"{name:24} {one['per_s']:10.0f} {one['p50_ms']:8.2f} {one['p99_ms']:8.2f} {one['cpu_us']:8.0f} {one['failed']:7}")
    print(f"\n{'streams of 30 events':24} {'streams/s':>10} {'p50 ms':>8} {'p99 ms':>8} {'CPU us':>8} {'failed':>7}")
    for name, one in figures["streams"].items():
        print(f"{name:24} {one['per_s']:10.0f} {one['p50_ms']:8.2f} {one['p99_ms']:8.2f} {one['cpu_us']:8.0f} {one['failed']:7}")
    print()
    for name, value in figures.items():
        if name not in {"throughput", "streams"}:
            print(f"{name:28} {json.dumps(value, ensure_ascii=False)}")
    print()


if __name__ == "__main__":
    main()
