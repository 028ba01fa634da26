"""How soon an assistant answers at once, and how often a snippet is right: `python -m benchmarks.answers.at_once FOLDER [--json]`.

A model behind a real socket takes its time to speak; a snippet is there before. All goes through HTTP, the guard and the audit as in use: a
gateway is opened in this process over the demo documents, in a data folder that is made when it is missing.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
import socket
import statistics
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from benchmarks.machine import machine
from ondol.application.assistant.evidence import find_evidence
from ondol.application.assistant.extractive import extract
from ondol.application.assistant.snippet import SNIPPET_MIN
from ondol.application.assistant.store import find_assistant
from ondol.application.knowledge.search import IndexStates
from ondol.core.config import load_settings
from ondol.demo.golden import ASKERS, GoldenQuestion, load_golden
from ondol.demo.make import demo_is_wanted, make_demo
from ondol.infrastructure.access.keys import create_key
from ondol.infrastructure.access.people import find_person, find_tenant
from ondol.infrastructure.gateway.server import Limits, Server
from ondol.infrastructure.serving.scripted import Reply, ScriptedModel
from ondol.wiring.http import open_worker
from ondol.wiring.platform import Platform, open_platform

ASKED_MAX = 40
"""Golden questions that are asked over HTTP, each once for its snippet and once more for the answer that is kept."""
MODEL_S = 0.5
"""So long the model thinks before its first word."""
READY_S = 60.0
ATTEMPTS_MAX = 100
_FIRST_PASSAGE = re.compile(r"^\[1\] [^\n]*\n(?P<text>[^\n]+)", re.MULTILINE)


def first_passage(body: Mapping[str, Any]) -> Reply:
    """A model that thinks for a while and then repeats the first line of the first passage, which is always borne out."""
    shown = _FIRST_PASSAGE.search(body["messages"][-1]["content"])
    return Reply(f"{shown['text'] if shown else 'Nothing'} [1].", before_s=MODEL_S)


@dataclass(frozen=True, slots=True)
class Demo:
    """The demo tenant, opened."""

    platform: Platform
    tenant_id: uuid.UUID
    base_id: uuid.UUID
    people: dict[str, uuid.UUID]


@contextlib.asynccontextmanager
async def open_demo(folder: Path, **options: Any) -> AsyncIterator[Demo]:
    """The demo tenant in a data folder, made there when it is missing."""
    async with open_platform(load_settings(environment={}, options={"data_dir": folder, **options})) as platform:
        if await demo_is_wanted(platform):
            await make_demo(platform, lambda done, total: None)
        tenant = await find_tenant(platform.database, "demo")
        async with platform.database.tenant_tx(tenant.id) as connection:
            assistant = await find_assistant(connection, "help")
            people = {name: (await find_person(connection, platform.keyring, tenant.id, asker.login)).id for name, asker in ASKERS.items()}
        yield Demo(platform, tenant.id, assistant.base_id, people)


async def rightness(demo: Demo) -> dict[str, Any]:
    """Of the golden questions that get a snippet, how many get a right one, by threshold."""
    states = IndexStates()
    drafts: list[tuple[float, bool, bool]] = []
    for question in load_golden():
        found = await find_evidence(demo.platform.knowledge, states, demo.tenant_id, demo.people[question.asker], demo.base_id, question.question)
        draft = extract(question.question, found.evidence, found.term_weights)
        text = " ".join(sentence.text for sentence in draft.sentences)
        drafts.append((draft.score, len({sentence.source for sentence in draft.sentences}) == 1, _is_right(question, text)))
    told: dict[str, Any] = {}
    for least in sorted({0.6, 0.7, 0.8, 0.9, SNIPPET_MIN}):
        given = [right for score, single, right in drafts if single and score >= least]
        told[str(least)] = {"snippets": len(given), "right": sum(given)}
    return {"questions": len(drafts), "by_threshold": told}


def _is_right(question: GoldenQuestion, text: str) -> bool:
    holds = bool(question.must_contain) and all(any(form in text for form in forms) for forms in question.must_contain)
    return holds and not any(form in text for form in question.must_not_contain)


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds until something was there, each from the first byte of its request.

    Attributes:
        snippets_cpu, cached_cpu: of them, what this process worked, both sides of the socket: what a busy machine adds is not in it.
    """

    snippets: list[float]
    first_words: list[float]
    cached: list[float]
    snippets_cpu: list[float]
    cached_cpu: list[float]


async def ask_all(url: str, key: str, questions: list[str]) -> Times:
    """Ask over HTTP: once as a stream for the snippet, and once more for the answer that is kept by then."""
    times = Times([], [], [], [], [])
    headers = {"authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as client:
        for question in questions:
            await _streamed(client, _body(question, progress=True, stream=True), times)
            began, worked = time.perf_counter(), time.process_time()
            answer = await client.post("/v1/chat/completions", json=_body(question))
            if "cached" in answer.json().get("ondol", {}):
                times.cached.append(time.perf_counter() - began)
                times.cached_cpu.append(time.process_time() - worked)
    return times


def _body(question: str, *, stream: bool = False, **ondol: Any) -> dict[str, Any]:
    return {"model": "assistant/help", "messages": [{"role": "user", "content": question}], "stream": stream, "ondol": ondol}


async def _streamed(client: httpx.AsyncClient, body: dict[str, Any], times: Times) -> None:
    began, worked, worded = time.perf_counter(), time.process_time(), False
    async with client.stream("POST", "/v1/chat/completions", json=body) as answer:
        async for line in answer.aiter_lines():
            if not line.startswith("data: {"):
                continue
            chunk = json.loads(line[6:])
            choice = chunk["choices"][0] if chunk["choices"] else {}
            if "snippet" in chunk.get("ondol", {}) and not choice.get("finish_reason"):
                times.snippets.append(time.perf_counter() - began)
                times.snippets_cpu.append(time.process_time() - worked)
            elif choice.get("delta", {}).get("content") and not worded:
                worded = True
                times.first_words.append(time.perf_counter() - began)


def milliseconds(seconds: list[float]) -> dict[str, Any]:
    """How many, and p50 and p95 in milliseconds."""
    if not seconds:
        return {"count": 0, "p50_ms": None, "p95_ms": None}
    ordered = sorted(seconds)
    p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    return {"count": len(ordered), "p50_ms": round(1000 * statistics.median(ordered), 1), "p95_ms": round(1000 * p95, 1)}


async def measured(folder: Path) -> dict[str, Any]:
    """All figures."""
    async with ScriptedModel(first_passage) as model:
        options = {"model.base_url": model.base_url, "model.api_key": "none", "model.name": "scripted"}
        async with open_demo(folder, **options) as demo, _served(demo.platform) as url:
            async with demo.platform.database.tenant_tx(demo.tenant_id) as connection:
                _, minted = await create_key(connection, demo.tenant_id, demo.people["customer"], "at once", demo.platform.clock())
            questions = [one.question for one in load_golden() if one.asker == "customer"][:ASKED_MAX]
            await _ask_until_known(url, minted.text, questions[0])
            times = await ask_all(url, minted.text, questions)
            right = await rightness(demo)
    first = {"model_speaks_after_ms": 1000 * MODEL_S, "snippet": milliseconds(times.snippets), "first_word": milliseconds(times.first_words)}
    cpu = {"snippet_cpu": milliseconds(times.snippets_cpu), "kept_cpu": milliseconds(times.cached_cpu)}
    return {**first, "kept": milliseconds(times.cached), **cpu, "snippets": right}


@contextlib.asynccontextmanager
async def _served(platform: Platform) -> AsyncIterator[str]:
    """One HTTP worker in this process, ready; where it listens."""
    warm = asyncio.Event()
    async with open_worker(platform, warm.set) as handler:
        server = Server(handler, [socket.create_server(("127.0.0.1", 0))], Limits())
        await server.start()
        try:
            async with asyncio.timeout(READY_S):
                await warm.wait()
            yield f"http://127.0.0.1:{server.port}"
        finally:
            await server.drain(0)


async def _ask_until_known(url: str, key: str, question: str) -> None:
    """Ask until the new key is known, and everything that a first answer loads is there."""
    async with httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=60) as client:
        for _ in range(ATTEMPTS_MAX):
            if (await client.post("/v1/chat/completions", json=_body(question, cache=False))).status_code != 401:
                return
            await asyncio.sleep(0.1)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="a data folder; one is made there if it is missing")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    figures = asyncio.run(measured(options.folder)) | {"machine": machine()}
    print(f"{'from the request to':24} {'count':>6} {'p50 ms':>8} {'p95 ms':>8}")
    for name, told in (
        ("the snippet", "snippet"),
        ("the first word", "first_word"),
        ("a whole answer, kept", "kept"),
        ("snippet, work alone", "snippet_cpu"),
        ("kept, work alone", "kept_cpu"),
    ):
        row = figures[told]
        print(f"{name:24} {row['count']:6} {row['p50_ms']!s:>8} {row['p95_ms']!s:>8}")
    for least, row in figures["snippets"]["by_threshold"].items():
        print(f"snippets at {least}: {row['snippets']} of {figures['snippets']['questions']} questions, {row['right']} right")
    if options.json:
        print(json.dumps(figures, ensure_ascii=False))


if __name__ == "__main__":
    main()
