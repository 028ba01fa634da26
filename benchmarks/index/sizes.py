"""What the length of passages does to what is found: the same documents in index versions of several sizes, asked the same questions."""

from __future__ import annotations

import json
import tempfile
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.data import data_folder
from ondol.application.knowledge.index_versions import Wanted, build_version, start_version
from ondol.application.knowledge.ingest import IngestOptions, ingest_folder
from ondol.application.knowledge.search import IndexStates, search
from ondol.application.knowledge.store import find_base
from ondol.application.knowledge.types import IndexSettings
from ondol.core.config import load_settings
from ondol.demo.golden import ASKERS, load_golden
from ondol.demo.make import demo_is_wanted, make_demo
from ondol.infrastructure.access.people import find_person, find_tenant
from ondol.wiring.platform import Platform, open_platform

SIZES = ((300, 600), (600, 1200), (900, 1800))
READ_CHARACTERS = 3_000
"""A model is given about so much of what was found; longer passages are then fewer."""
HITS = 20


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, its asker's login, and texts of which a passage that answers it holds one of each group."""

    question: str
    who: str
    holds: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Sized:
    """What one size finds: the share of questions whose answer stands in the first passage, the first five, the first `READ_CHARACTERS`."""

    questions: str
    size: str
    passages: int
    at_1: float
    at_5: float
    in_read: float


async def measure(folder: Path, questions: int) -> list[Sized]:
    """The table.

    Args:
        questions: how many of KorQuAD's are asked, evenly chosen.
    """
    settings = load_settings(environment={}, options={"data_dir": folder})
    async with open_platform(settings) as platform:
        if await demo_is_wanted(platform):
            await make_demo(platform, lambda done, total: None)
        tenant = await find_tenant(platform.database, "demo")
        korquad = await _take_in_korquad(platform, tenant.id, questions)
        golden = [
            Asked(item.question, ASKERS[item.asker].login, item.must_contain) for item in load_golden() if item.kind in ("answerable", "newest")
        ]
        return [
            found
            for name, base, asked in (("KorQuAD, whole articles", "articles", korquad), ("the demo's golden", "help", golden))
            for size in SIZES
            for found in [await _sized(platform, tenant.id, name, base, size, asked)]
        ]


async def _take_in_korquad(platform: Platform, tenant_id: uuid.UUID, count: int) -> list[Asked]:
    with tempfile.TemporaryDirectory() as texts:
        asked = _write_articles(Path(texts))
        await ingest_folder(platform.knowledge, tenant_id, "articles", Path(texts), IngestOptions(), lambda done, total: None)
    return asked[:: max(1, len(asked) // count)]


def _write_articles(folder: Path) -> list[Asked]:
    """Each article of the development set is one document, its paragraphs below one another; all questions."""
    file = next(iter(sorted(data_folder("korquad").rglob("*dev*.json"))))
    asked = []
    for number, article in enumerate(json.loads(file.read_text("utf-8"))["data"]):
        paragraphs = [paragraph["context"] for paragraph in article["paragraphs"]]
        (folder / f"{number:03}.md").write_text(f"# {article['title']}\n\n" + "\n\n".join(paragraphs), "utf-8")
        questions = [item for paragraph in article["paragraphs"] for item in paragraph["qas"]]
        asked += [Asked(item["question"], ASKERS["customer"].login, ((item["answers"][0]["text"],),)) for item in questions]
    return asked


async def _sized(platform: Platform, tenant_id: uuid.UUID, name: str, base_name: str, size: tuple[int, int], asked: Sequence[Asked]) -> Sized:
    room = platform.knowledge
    async with platform.database.tenant_tx(tenant_id) as connection:
        base = await find_base(connection, base_name)
        logins = {item.who for item in asked}
        people = {login: (await find_person(connection, platform.keyring, tenant_id, login)).id for login in logins}
    made = await start_version(room, tenant_id, base.id, IndexSettings(*size), Wanted())
    report = await build_version(room, tenant_id, made.id)
    states, at_1, at_5, in_read = IndexStates(), 0, 0, 0
    for item in asked:
        found = await search(room, states, tenant_id, people[item.who], base.id, item.question, limit=HITS, index_id=made.id)
        texts = [evidence.text for evidence in found.evidence]
        at_1 += _holds(texts[:1], item)
        at_5 += _holds(texts[:5], item)
        in_read += _holds(["\n".join(texts)[:READ_CHARACTERS]], item)
    count = len(asked)
    return Sized(name, made.settings.cut, report.passages, at_1 / count, at_5 / count, in_read / count)


def _holds(texts: Sequence[str], item: Asked) -> bool:
    return any(all(any(spelling in text for spelling in group) for group in item.holds) for text in texts)
