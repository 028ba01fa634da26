"""One installation in a folder: the demo tenant, and beside its documents a base of the Kubernetes documentation with the paragraphs of KorQuAD."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.data import data_folder, read_korquad
from ondol.application.assistant.answer import AssistantRoom, answer
from ondol.application.assistant.evidence import find_evidence
from ondol.application.assistant.store import find_assistant, put_assistant
from ondol.application.assistant.types import Assistant
from ondol.application.knowledge.ingest import IngestOptions, ingest_folder
from ondol.application.knowledge.search import Evidence, search
from ondol.application.knowledge.store import find_base
from ondol.core.config import load_settings
from ondol.core.ids import new_id
from ondol.demo.golden import ASKERS
from ondol.demo.make import demo_is_wanted, make_demo
from ondol.infrastructure.access.people import find_person, find_tenant
from ondol.infrastructure.serving.types import ChatRequest, Finish, Message, TextDelta
from ondol.wiring.platform import Platform, assistant_room, open_platform

REAL = "real"
DEMO = "help"
TENANT = "demo"
READER = "customer"


@dataclass(frozen=True, slots=True)
class Quoted:
    """A source of an answer: where it is from, and what of it the answer rests on."""

    path: str
    quotes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """What was said to a question.

    Attributes:
        everything: the text, the extension and the annotations: all that the asker receives.
        seconds: from the request to the last event.
    """

    text: str
    everything: str
    refused: bool
    sources: tuple[Quoted, ...]
    seconds: float

    @property
    def paths(self) -> tuple[str, ...]:
        """Where the sources are from."""
        return tuple(source.path for source in self.sources)


@dataclass(frozen=True, slots=True)
class Base:
    """The open installation; its assistants and people by name."""

    platform: Platform
    room: AssistantRoom
    tenant_id: uuid.UUID
    assistants: Mapping[str, Assistant]
    people: Mapping[str, uuid.UUID]

    async def find(self, assistant: str, question: str, limit: int, who: str = READER) -> tuple[Evidence, ...]:
        """The passages that a search finds for one person, best first."""
        person_id, base_id = self.people[who], self.assistants[assistant].base_id
        return (await search(self.room.knowledge, self.room.states, self.tenant_id, person_id, base_id, question, limit=limit)).evidence

    async def read(self, assistant: str, question: str, who: str = READER) -> tuple[Evidence, ...]:
        """The passages from which the assistant answers one person."""
        person_id, base_id = self.people[who], self.assistants[assistant].base_id
        return (await find_evidence(self.room.knowledge, self.room.states, self.tenant_id, person_id, base_id, question)).evidence

    async def ask(self, assistant: str, question: str, who: str = READER) -> Told:
        """Ask as one person, through everything but HTTP."""
        chosen = self.assistants[assistant]
        request = ChatRequest(new_id(), chosen.model, (Message("user", question),))
        began = time.perf_counter()
        events = [event async for event in answer(self.room, self.tenant_id, self.people[who], chosen, request)]
        seconds = time.perf_counter() - began
        text = "".join(event.text for event in events if isinstance(event, TextDelta))
        [finish] = [event for event in events if isinstance(event, Finish)]
        everything = text + json.dumps([finish.extension, finish.annotations], ensure_ascii=False, default=str)
        sources = tuple(
            Quoted(source["path"], tuple(source["text"][quote["start"] : quote["end"]] for quote in source["quotes"]))
            for source in finish.extension["sources"]
        )
        return Told(text, everything, finish.extension["refused"], sources, seconds)


@contextlib.asynccontextmanager
async def open_base(folder: Path, *, with_korquad: bool = True, pages: Sequence[str] | None = None) -> AsyncIterator[Base]:
    """Open the installation in a data folder; what is missing in it is made first.

    Args:
        with_korquad: whether the base that is made holds the paragraphs of KorQuAD.
        pages: of the Kubernetes documentation, by their paths in its folder `content`; all when None.

    Raises:
        DataAbsent: when the public data is not on this machine.
    """
    async with open_platform(load_settings(environment={}, options={"data_dir": folder})) as platform:
        if await demo_is_wanted(platform):
            await make_demo(platform, lambda done, total: None)
            await _make_real(platform, with_korquad=with_korquad, pages=pages)
        tenant = await find_tenant(platform.database, TENANT)
        async with platform.database.tenant_tx(tenant.id) as connection:
            assistants = {name: await find_assistant(connection, name) for name in (DEMO, REAL)}
            people = {name: (await find_person(connection, platform.keyring, tenant.id, asker.login)).id for name, asker in ASKERS.items()}
        yield Base(platform, assistant_room(platform, {tenant.id: tenant.name}), tenant.id, assistants, people)


def _write_korquad(folder: Path) -> None:
    for index, paragraph in enumerate(read_korquad().paragraphs):
        (folder / f"{index:04}.txt").write_text(paragraph, "utf-8")


def _copy_pages(pages: Sequence[str], folder: Path) -> None:
    for page in pages:
        (folder / page).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(data_folder("k8s-docs") / "content" / page, folder / page)


async def _make_real(platform: Platform, *, with_korquad: bool, pages: Sequence[str] | None) -> None:
    tenant = await find_tenant(platform.database, TENANT)
    with tempfile.TemporaryDirectory() as temporary:
        folders = [data_folder("k8s-docs") / "content"]
        if pages is not None:
            folders = [Path(temporary, "content")]
            _copy_pages(pages, folders[0])
        if with_korquad:
            folders.append(Path(temporary, "korquad"))
            folders[-1].mkdir()
            _write_korquad(folders[-1])
        for folder in folders:
            await ingest_folder(platform.knowledge, tenant.id, REAL, folder, IngestOptions(), lambda done, total: None)
    async with platform.database.tenant_tx(tenant.id) as connection:
        base = await find_base(connection, REAL)
        await put_assistant(connection, tenant.id, new_id(), REAL, base.id, {}, platform.clock())
