"""How often a question that leans on the one before it finds its document: alone, with all of the one before, and completed from the thread.

`python -m benchmarks.answers.follow_ups FOLDER` asks the demo documents, in a data folder that is made when it is missing; no public data is needed.
"""

from __future__ import annotations

import argparse
import asyncio
import tomllib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ondol.application.assistant.evidence import find_evidence
from ondol.application.assistant.store import find_assistant
from ondol.application.assistant.threads import Exchange, complete_question
from ondol.application.assistant.threads.follow_up import leans
from ondol.application.knowledge.search import IndexStates
from ondol.core.config import load_settings
from ondol.demo.golden import ASKERS, load_golden
from ondol.demo.make import demo_is_wanted, make_demo
from ondol.infrastructure.access.people import find_person, find_tenant
from ondol.wiring.platform import open_platform

QUESTIONS = Path(__file__).with_name("follow_ups.toml")
FIRST = 3
"""Among so many passages the document must be."""


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A question, the one before it, and a piece of the path of the document that answers it."""

    language: str
    before: str
    question: str
    path: str


def follow_ups() -> list[FollowUp]:
    """All of them."""
    told = tomllib.loads(QUESTIONS.read_text("utf-8"))
    return [FollowUp(language, **entry) for language, entries in told.items() for entry in entries]


async def _completed(one: FollowUp) -> str:
    return (await complete_question(one.question, [Exchange(one.before, "")]))[0]


async def _alone(one: FollowUp) -> str:
    return one.question


async def _glued(one: FollowUp) -> str:
    return f"{one.before}\n{one.question}"


WAYS: dict[str, Callable[[FollowUp], Awaitable[str]]] = {"alone": _alone, "with the one before": _glued, "completed": _completed}


async def figures(folder: Path) -> dict[str, Any]:
    """Share of follow-ups whose document is among the first passages, by language and way, and of golden questions taken for follow-ups."""
    async with open_platform(load_settings(environment={}, options={"data_dir": folder})) as platform:
        if await demo_is_wanted(platform):
            await make_demo(platform, lambda done, total: None)
        tenant = await find_tenant(platform.database, "demo")
        async with platform.database.tenant_tx(tenant.id) as connection:
            assistant = await find_assistant(connection, "help")
            asker = await find_person(connection, platform.keyring, tenant.id, ASKERS["customer"].login)
        states, found = IndexStates(), {}
        for language in ("en", "ko"):
            asked = [one for one in follow_ups() if one.language == language]
            for name, way in WAYS.items():
                right = 0
                for one in asked:
                    text = await way(one)
                    hits = await find_evidence(platform.knowledge, states, tenant.id, asker.id, assistant.base_id, text)
                    right += any(one.path in item.version.details.path for item in hits.evidence[:FIRST])
                found[f"{language} {name}"] = right / len(asked)
    golden = load_golden()
    return {**found, "golden questions taken for follow-ups": sum(leans(one.question) for one in golden) / len(golden)}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="a data folder; one is made there if it is missing")
    for name, share in asyncio.run(figures(parser.parse_args().folder)).items():
        print(f"{name:40} {share:6.3f}")


if __name__ == "__main__":
    main()
