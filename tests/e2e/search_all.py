"""Ask a running platform's index every question and print what it finds, without anything that differs from run to run."""

from __future__ import annotations

import asyncio
import json
import sys

from ondol.application.knowledge.search import IndexStates, search
from ondol.application.knowledge.store import find_base
from ondol.core.config import load_settings
from ondol.infrastructure.access.people import find_person, find_tenant
from ondol.wiring.platform import open_platform


async def main(tenant_slug: str, base_name: str, login: str, questions: list[str]) -> None:
    """Print one JSON object."""
    async with open_platform(load_settings()) as platform:
        tenant = await find_tenant(platform.database, tenant_slug)
        async with platform.database.tenant_tx(tenant.id) as connection:
            person = await find_person(connection, platform.keyring, tenant.id, login)
            base = await find_base(connection, base_name)
        states = IndexStates()
        answers = {}
        for question in questions:
            found = await search(platform.knowledge, states, tenant.id, person.id, base.id, question, limit=1000)
            shape = [(-item.hit.score, item.version.details.path, item.hit.passage_ordinal, item.text) for item in found.evidence]
            answers[question] = sorted(shape)
    print(json.dumps({"found": sum(map(len, answers.values())), "answers": answers}, ensure_ascii=False))  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]))
