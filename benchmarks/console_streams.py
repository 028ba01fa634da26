"""Fifty people who stream at once, and what surviving a cut costs: `python -m benchmarks.console_streams [--quick] [--json]`.

A platform as its user runs it (`ondol up`, two HTTP workers) with an assistant over a small base, whose model is a scripted one that says a sentence
every tenth of a second. The model and the readers run on the same cores, and are charged to the figures. Gaps are those between two events with
text as one reader sees them: smooth is what stays near the tenth of a second. First events are told of one reader alone, with and without
`ondol.resume`, in turn.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.gateway.stand import answers, free_ports, running, wait_for
from benchmarks.machine import machine
from ondol.application.declaration import apply_declaration, parse_declaration
from ondol.application.knowledge.ingest import IngestOptions, ingest_folder
from ondol.core.config import load_settings
from ondol.infrastructure.access.keys import create_key
from ondol.infrastructure.access.people import NewPerson, add_person, find_tenant
from ondol.infrastructure.serving.scripted import Reply, ScriptedModel
from ondol.wiring.platform import open_platform

PEOPLE: Final = 50
EVERY_S: Final = 0.1
SENTENCES: Final = 300
SENTENCES_QUICK: Final = 60
ALONE: Final = 100
ALONE_QUICK: Final = 15
FACTS: Final = [f"Plan {number} costs {number + 10} dollars a month." for number in range(1, 13)]
SAID: Final = [fact.removesuffix(".") + " [1].\n" for fact in FACTS]
QUESTION: Final = "What does plan 3 cost a month?"
TENANT: Final = {"slug": "bench", "bases": ["plans"], "assistants": [{"name": "help", "base": "plans", "settings": {"snippet": False}}]}
TIMEOUT_S: Final = 120.0


@dataclass(slots=True)
class Stream:
    """What one reader saw, in seconds of the monotonic clock."""

    asked_s: float
    first_s: float = 0.0
    texts_s: list[float] = field(default_factory=list)
    is_done: bool = False


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="what fits into 50 seconds")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ondol-streams-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        figures = asyncio.run(measure(folder, quick=options.quick))
    for label, value in figures.items():
        print(f"{label:28} {value}")
    if options.json:
        print(json.dumps(figures, ensure_ascii=False))


async def measure(folder: Path, *, quick: bool) -> dict[str, Any]:
    """All figures, by name; times in milliseconds."""
    began = time.monotonic()
    [port] = free_ports(1)
    async with ScriptedModel(Reply(pieces=SAID)) as model:
        environment = {"ONDOL_DATA_DIR": (folder / "data").as_posix(), "ONDOL_LOG_LEVEL": "error"}
        environment |= {"OPENAI_BASE_URL": model.base_url, "OPENAI_API_KEY": "x"}
        keys = await furnish(folder, environment)
        log = folder / "up.log"
        with running([sys.executable, "-m", "ondol.cli.main", "up", "--no-demo", "--port", str(port), "--workers", "2"], log, environment) as process:
            body, told = json.dumps(asked(resume=False)).encode(), {"authorization": f"Bearer {keys[0]}"}
            await asyncio.to_thread(wait_for, lambda: answers(port, body, told), process, "ondol up", log)
            figures: dict[str, Any] = {}
            for _ in range(ALONE_QUICK if quick else ALONE):
                for resume in (False, True):
                    figures.setdefault(f"alone_{resume}", []).append(await read(port, keys[0], resume=resume))
            model.say(Reply(pieces=(SAID * SENTENCES)[: SENTENCES_QUICK if quick else SENTENCES], between_s=EVERY_S))
            together = await asyncio.gather(*(read(port, key, resume=True) for key in keys))
    figures = {
        **first_figures("first_event", figures["alone_False"]),
        **first_figures("first_event_resumable", figures["alone_True"]),
        "streams": len(together),
        "streams_whole": sum(stream.is_done for stream in together),
        **first_figures("streams_first_event", together),
        **gap_figures(together),
        "gap_wanted_ms": EVERY_S * 1e3,
    }
    return {**figures, "seconds": round(time.monotonic() - began, 1), "machine": machine()}


async def furnish(folder: Path, environment: dict[str, str]) -> list[str]:
    """A tenant with an assistant, and a key of each of its people."""
    documents = folder / "documents"
    documents.mkdir()
    (documents / "plans.md").write_text("# Plans\n\n" + " ".join(FACTS) + "\n", "utf-8")
    async with open_platform(load_settings(environment={**os.environ, **environment})) as platform:
        await apply_declaration(platform.declaration_room, parse_declaration(json.dumps({"version": 1, "tenants": [TENANT]})))
        tenant = await find_tenant(platform.database, "bench")
        await ingest_folder(platform.knowledge, tenant.id, "plans", documents, IngestOptions(), lambda done, total: None)
        keys: list[str] = []
        for number in range(PEOPLE):
            async with platform.database.tenant_tx(tenant.id) as connection:
                new = NewPerson(f"reader{number}", f"Reader {number}")
                person = await add_person(connection, platform.keyring, tenant.id, new, platform.clock())
                _, minted = await create_key(connection, tenant.id, person.id, "bench", platform.clock())
            keys.append(minted.text)
    return keys


def asked(*, resume: bool) -> dict[str, Any]:
    """The question, never answered from what was said before."""
    messages = [{"role": "user", "content": QUESTION}]
    return {"model": "assistant/help", "stream": True, "messages": messages, "ondol": {"progress": True, "cache": False, "resume": resume}}


async def read(port: int, key: str, *, resume: bool) -> Stream:
    """Ask on a connection of one's own and read to the end."""
    body = json.dumps(asked(resume=resume)).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
    async with asyncio.timeout(TIMEOUT_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        stream = Stream(time.monotonic())
        writer.write(head.encode() + body)
        async for line in reader:
            now = time.monotonic()
            if line.startswith(b"data: [DONE]"):
                stream.is_done = True
            elif line.startswith(b"data: "):
                stream.first_s = stream.first_s or now
                if b'"content":"' in line:
                    stream.texts_s.append(now)
        writer.close()
        await writer.wait_closed()
    return stream


def first_figures(name: str, streams: Sequence[Stream]) -> dict[str, float]:
    """Times to the first event, and to the first one with text."""
    first = [1e3 * (stream.first_s - stream.asked_s) for stream in streams]
    text = [1e3 * (stream.texts_s[0] - stream.asked_s) for stream in streams if stream.texts_s]
    return {
        f"{name}_ms_p50": at(first, 50),
        f"{name}_ms_p95": at(first, 95),
        f"{name}_text_ms_p50": at(text, 50),
        f"{name}_text_ms_p95": at(text, 95),
    }


def gap_figures(streams: Sequence[Stream]) -> dict[str, float]:
    """Gaps between two events with text."""
    gaps = [1e3 * (later - earlier) for stream in streams for earlier, later in zip(stream.texts_s, stream.texts_s[1:], strict=False)]
    return {"gaps": len(gaps), **{f"gap_ms_p{percent}": at(gaps, percent) for percent in (50, 95, 99)}}


def at(values: Sequence[float], percent: int) -> float:
    """A percentile, to a tenth; nan of nothing."""
    if len(values) < 2:
        return round(values[0], 1) if values else float("nan")
    return round(statistics.quantiles(values, n=100, method="inclusive")[percent - 1], 1)


if __name__ == "__main__":
    main()
