"""The real world, to which everything happens, and for each reader and moment a twin that never held what that reader may not read."""

from __future__ import annotations

import contextlib
import shutil
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from benchmarks.knowledge.noninterference.rights import ATTRIBUTES, CLASSES, GROUPS, READERS, Rights, Rule
from benchmarks.knowledge.noninterference.stand import Stand
from ondol.application.assistant.answer import AssistantRoom, answer
from ondol.application.assistant.store import put_assistant
from ondol.application.assistant.types import Assistant
from ondol.application.declaration import apply_declaration, parse_declaration
from ondol.application.knowledge.documents import Readers, delete_document, restrict_document, rule_of
from ondol.application.knowledge.erasure.hide import hide_document
from ondol.application.knowledge.index_versions import (
    Wanted,
    activate_version,
    build_version,
    drop_old_versions,
    embed_missing,
    roll_back,
    start_version,
    with_embedder,
)
from ondol.application.knowledge.ingest import IngestOptions, ingest_folder
from ondol.application.knowledge.search import Evidence, IndexStates, read_beside, search
from ondol.application.knowledge.segments import drop_replaced
from ondol.application.knowledge.store import find_base, known_sources
from ondol.application.knowledge.types import IndexSettings
from ondol.core.canonical import keyed_digest
from ondol.core.errors import Conflict, NotFound, OndolError
from ondol.core.ids import new_id
from ondol.infrastructure.access.attributes import set_attributes
from ondol.infrastructure.access.people import (
    NewPerson,
    add_person,
    change_person,
    create_tenant,
    get_person,
    set_disabled,
    set_groups,
    set_member_groups,
)
from ondol.infrastructure.serving.types import ChatRequest, Finish, Message
from ondol.infrastructure.storage.blobs import KeyOwner
from ondol.infrastructure.storage.postgres import rows
from ondol.wiring.platform import Platform

BASE = "base"
FILES_MAX = 10
EMBEDDER = "meanings"
SETTINGS = (IndexSettings(60, 120), IndexSettings(600, 1200))
WITH_VECTORS = len(SETTINGS)
"""The number of the settings that are the first ones with vectors."""
SENTENCES = (
    "The beacon is lit at dusk.",
    "The harbour closes at 22:00.",
    "A refund takes 14 days.",
    "The refund limit is 30,000 won a month.",
    "Backups are kept for 30 days.",
    "The plans are small, medium and large.",
    "A beacon is a light that guides ships into the harbour.",
    "Run `ondol backup` to save the server.",
    "등대는 항구 입구에 있습니다.",
    "환불은 14일 안에 처리됩니다.",
    "백업은 30일 동안 보관됩니다.",
)
QUESTIONS = (
    "beacon",
    "harbour beacon",
    "refund days",
    "환불 등대",
    "zebra",
    "How long are backups kept?",
    "What is a beacon?",
    "What is the refund limit?",
    "Which plans are there?",
    "How do I save the server?",
    "등대는 어디에 있습니까?",
    "환불은 며칠 걸리나요?",
)


@dataclass(frozen=True, slots=True)
class Written:
    """A file as it is written; `said` is its sentences by number, `begins_s` and `ends_s` when it is valid, from now."""

    rule: Rule
    said: tuple[int, ...]
    begins_s: int | None = None
    ends_s: int | None = None


FIRST = (Written(Rule(), (0, 2, 3, 6, 9)), Written(Rule(len(CLASSES) - 1), (0, 2, 4, 6, 8)), Written(Rule(1), (1, 5, 7, 10)))
"""With these a world begins: something is open, and something of much the same words is closed to most."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A reader's question, by numbers, and how it is asked: by a search or of an assistant."""

    who: int
    question: int
    limit: int = 10
    beginnings: int = 0
    of_assistant: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """What a document version holds, so that a twin can be given the same."""

    version_id: uuid.UUID
    document_id: uuid.UUID
    name: str
    rule: Rule
    head: str
    body: str

    def as_file(self, rule: str) -> str:
        """The file's text, under this rule."""
        return f"---\n{self.head}\n{rule}\n---\n{self.body}"


@dataclass(frozen=True, slots=True)
class Compared:
    """What a reader got in both worlds.

    Attributes:
        is_telling: whether the reader got something while something was closed to them: else the worlds could hardly differ.
    """

    here: Any
    there: Any
    is_telling: bool


@dataclass(frozen=True, slots=True)
class Place:
    """Where a question is asked: a tenant's base on one of the platforms, and who asks."""

    platform: Platform
    tenant_id: uuid.UUID
    base_id: uuid.UUID
    assistant: Assistant
    states: IndexStates


@dataclass
class Worlds:
    """One tenant to which everything happens, and its twins so far."""

    stand: Stand
    place: Place
    folder: Path
    people: Sequence[uuid.UUID]
    rights: Rights = field(default_factory=Rights)
    files: dict[str, Held] = field(default_factory=dict)
    set_by_hand: dict[uuid.UUID, Rule] = field(default_factory=dict)
    held: dict[uuid.UUID, Held] = field(default_factory=dict)
    twins: dict[tuple[frozenset[uuid.UUID], IndexSettings], tuple[Place, uuid.UUID]] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(1, 1_000_000)))

    # ---- What may happen

    async def settle(self, documents: Iterable[Written], rights: Iterable[tuple[int, frozenset[int], frozenset[int]]], settings: int) -> None:
        """The world begins with readers of some rights, some files and an index of some settings."""
        for who, right in enumerate(rights):
            await self.change_reader(who, *right)
        await self.write([*FIRST, *documents])
        if settings:
            await self.build_index(settings, activate=True, reuse=True)

    async def write(self, documents: Iterable[Written]) -> None:
        """New files come, and the oldest go where there are too many."""
        for document in documents:
            self._put(f"d{next(self.numbers):05}", document, version=1)
        for name in sorted(self.files)[:-FILES_MAX]:
            self._remove(name)
        await self._take_in()

    async def revise(self, which: int, document: Written) -> None:
        """A file is written anew: other words, another rule, another time."""
        if (name := self._chosen(which)) is not None:
            self._put(name.partition(".")[0], document, version=int(name.split(".")[1][1:]))
            await self._take_in()

    async def add_version(self, which: int, document: Written, version: int) -> None:
        """Beside a file comes another version of the same document."""
        if (name := self._chosen(which)) is not None:
            self._put(name.partition(".")[0], document, version=version)
            await self._take_in()

    async def delete(self, which: int, instead: Written) -> None:
        """A file goes, what it held with it, and another comes."""
        if (name := self._chosen(which)) is not None:
            self._remove(name)
        await self.write([instead])

    async def erase(self, which: int) -> None:
        """A document is hidden with all its versions, in one transaction, and then its key is destroyed. Its segments are still there."""
        if (name := self._chosen(which)) is None:
            return
        document_id, stem, place = self.files[name].document_id, name.partition(".")[0], self.place
        for other in [other for other in self.files if other.partition(".")[0] == stem]:
            self._remove(other)
        async with place.platform.database.tenant_tx(place.tenant_id) as connection:
            await hide_document(connection, place.base_id, document_id, self.stand.clock())
        place.platform.keyring.destroy(KeyOwner(place.tenant_id, "document", document_id))

    async def take_out(self, which: int) -> None:
        """A document is deleted by itself, with all its versions."""
        if (name := self._chosen(which)) is None:
            return
        document_id, stem = self.files[name].document_id, name.partition(".")[0]
        for other in [other for other in self.files if other.partition(".")[0] == stem]:
            self._remove(other)
        place = self.place
        with contextlib.suppress(NotFound):  # where only an older version's file was left, it is gone already
            await delete_document(place.platform.knowledge, place.tenant_id, place.base_id, document_id, person_id=None)

    async def restrict(self, which: int, rule: Rule) -> None:
        """Who may read a document is set by hand, whatever its files say from then on."""
        if (name := self._chosen(which)) is None:
            return
        room, place, document_id = self.place.platform.knowledge, self.place, self.files[name].document_id
        readers = Readers(CLASSES[rule.security_class], tuple(GROUPS[group] for group in rule.groups), access=rule.access or None)
        async with room.database.tenant_tx(place.tenant_id) as connection:
            stated = await rule_of(room, connection, place.tenant_id, readers)
            current = await rows(connection, "select id from document_versions where document_id = %(id)s and state = 'current'", {"id": document_id})
        if current:
            done = await restrict_document(room, place.tenant_id, place.base_id, document_id, stated, person_id=None)
            self.set_by_hand[document_id] = rule
            before = self.held[current[0]["id"]]
            after = replace(before, version_id=done.version_id, rule=rule)
            self.held[done.version_id] = self.files[before.name] = after

    def wait(self, seconds: int) -> None:
        """Time passes: documents begin and cease to be valid."""
        self.stand.clock.advance(seconds)

    async def change_reader(self, who: int, clearance: int, groups: frozenset[int], attributes: frozenset[int]) -> None:
        """Somebody's clearance, groups and attributes are others now."""
        reader = self.rights.readers[who]
        reader.clearance, reader.groups, reader.attributes = clearance, groups, attributes
        keyring = self.place.platform.keyring
        async with self.place.platform.database.tenant_tx(self.place.tenant_id) as connection:
            known = await get_person(connection, keyring, self.place.tenant_id, self.people[who])
            names = tuple(GROUPS[group] for group in groups)
            new = NewPerson(
                known.login, known.name, known.kind, CLASSES[clearance], known.roles, names, tuple(ATTRIBUTES[value] for value in attributes)
            )
            await change_person(connection, keyring, known, new, self.stand.clock())

    async def revoke(self, who: int) -> None:
        """Somebody loses all groups and attributes."""
        self.rights.readers[who].groups = self.rights.readers[who].attributes = frozenset()
        async with self.place.platform.database.tenant_tx(self.place.tenant_id) as connection:
            await set_groups(connection, self.place.tenant_id, self.people[who], [])
            await set_attributes(connection, self.place.tenant_id, self.people[who], [])

    async def shut_out(self, who: int, *, disabled: bool) -> None:
        """Somebody is shut out, or let in again."""
        self.rights.readers[who].is_disabled = disabled
        async with self.place.platform.database.tenant_tx(self.place.tenant_id) as connection:
            known = await get_person(connection, self.place.platform.keyring, self.place.tenant_id, self.people[who])
            await set_disabled(connection, known, disabled=disabled, now=self.stand.clock())

    async def nest(self, outer: int, members: frozenset[int]) -> None:
        """A group has these groups as its members, circles included."""
        self.rights.members[outer] = members - {outer}
        async with self.place.platform.database.tenant_tx(self.place.tenant_id) as connection:
            await set_member_groups(connection, self.place.tenant_id, GROUPS[outer], [GROUPS[member] for member in members])

    async def build_index(self, settings: int, *, activate: bool, reuse: bool) -> None:
        """A further index version is built, and may serve at once; old ones go."""
        room, tenant_id = self.place.platform.knowledge, self.place.tenant_id
        wanted = SETTINGS[settings % WITH_VECTORS]
        if settings == WITH_VECTORS:
            wanted = await with_embedder(room, tenant_id, wanted, EMBEDDER)
        made = await start_version(room, tenant_id, self.place.base_id, wanted, Wanted(reuse=reuse))
        try:
            await build_version(room, tenant_id, made.id)
            if activate:
                await activate_version(room, tenant_id, made.id)
        except Conflict as error:
            if error.code not in ("index_unreadable", "index_behind"):
                raise
        await drop_old_versions(room, tenant_id)

    async def roll_index_back(self) -> None:
        """The index version serves that served before, if there is one."""
        try:
            await roll_back(self.place.platform.knowledge, self.place.tenant_id, self.place.base_id)
        except Conflict as error:
            if error.code not in ("no_previous_version", "index_behind", "index_not_ready"):
                raise

    async def care(self) -> None:
        """What merges have replaced is removed, and readers have to notice."""
        self.stand.clock.advance(120)
        await drop_replaced(self.place.platform.knowledge, self.place.tenant_id)

    # ---- What is seen

    async def ask(self, asked: Asked) -> Compared:
        """What a reader gets here, and what the same reader gets where there is nothing that they may not read."""
        await embed_missing(self.place.platform.knowledge, self.place.tenant_id)
        visible, closed, settings = await self._visible(asked.who)
        twin, twin_person = await self._twin(visible, settings)
        request_id = new_id()
        here = await _observed(self.place, self.people[asked.who], asked, request_id)
        there = await _observed(twin, twin_person, asked, request_id)
        return Compared(here, there, closed > 0 and _is_given(here))

    async def _visible(self, who: int) -> tuple[frozenset[uuid.UUID], int, IndexSettings]:
        """The versions that a reader may read now, and how many others there are.

        What is current and valid is told by the tables, whom it is for by the rights that were given.
        """
        platform, now = self.place.platform, self.stand.clock()
        async with platform.database.tenant_tx(self.place.tenant_id) as connection:
            current = await rows(connection, "select id, document_id, valid_from, valid_until from document_versions where state = 'current'", {})
            settings = (await find_base(connection, BASE)).settings
        visible = frozenset(
            row["id"]
            for row in current
            if (row["valid_from"] is None or row["valid_from"] <= now)
            and (row["valid_until"] is None or row["valid_until"] > now)
            and platform.keyring.exists(KeyOwner(self.place.tenant_id, "document", row["document_id"]))
            and self.rights.may_read(who, self.held[row["id"]].rule)
        )
        return visible, len(current) - len(visible), settings

    async def _twin(self, visible: frozenset[uuid.UUID], settings: IndexSettings) -> tuple[Place, uuid.UUID]:
        """The world that holds these versions alone, under the same ids, all of them for everybody."""
        if (known := self.twins.get((visible, settings))) is not None:
            return known
        files = sorted((self.held[version_id] for version_id in visible), key=lambda held: Path(held.name))
        folder = self.folder.with_name("twin")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for held in files:
            (folder / held.name).write_text(held.as_file(f"class: {CLASSES[held.rule.security_class]}"), "utf-8")
        ids = iter([new_id(), *(held.document_id for held in files), *(held.version_id for held in files)])
        place, [person] = await _settle(self.stand.twin, self.stand, ["reader"], folder, settings, ids)
        assert next(ids, None) is None, "the twin was given other documents than there are"
        self.twins[(visible, settings)] = place, person
        return place, person

    async def end(self) -> None:
        """Remove all files of it."""
        self.stand.forget(self.place.platform, self.place.tenant_id)
        for place, _ in self.twins.values():
            self.stand.forget(place.platform, place.tenant_id)
        shutil.rmtree(self.folder.parent)

    # ---- Files

    def _chosen(self, which: int) -> str | None:
        names = sorted(self.files)
        return names[which % len(names)] if names else None

    def _put(self, stem: str, document: Written, version: int) -> None:
        name, now = f"{stem}.v{version}.md", self.stand.clock()
        head = [f"id: {stem}", f"version: {version}"]
        for key, seconds in (("valid_from", document.begins_s), ("valid_until", document.ends_s)):
            if seconds is not None:
                head.append(f"{key}: {(now + timedelta(seconds=seconds)).isoformat()}")
        body = "# Page\n\n" + "\n\n".join(SENTENCES[number] for number in document.said) + "\n"
        held = Held(uuid.UUID(int=0), uuid.UUID(int=0), name, document.rule, "\n".join(head), body)
        (self.folder / name).write_text(held.as_file(document.rule.front_matter()), "utf-8")
        self.files[name] = held

    def _remove(self, name: str) -> None:
        (self.folder / name).unlink()
        del self.files[name]

    async def _take_in(self) -> None:
        """Bring the base to what the folder holds, and note which version each file has become."""
        room = self.place.platform.knowledge
        report = await ingest_folder(room, self.place.tenant_id, BASE, self.folder, IngestOptions(prune=True), lambda done, total: None)
        assert not report.failed, report.failed
        key = room.tenant_key(self.place.tenant_id, "knowledge")
        async with room.database.tenant_tx(self.place.tenant_id) as connection:
            known = await known_sources(connection, self.place.base_id)
        for name, held in self.files.items():
            source = known[keyed_digest(key, "source", name.encode())]
            if held.version_id != source.version_id:
                rule = self.set_by_hand.get(source.document_id, held.rule)
                known_as = replace(held, version_id=source.version_id, document_id=source.document_id, rule=rule)
                self.files[name] = self.held[source.version_id] = known_as


async def begin(stand: Stand, settings: int = 0) -> Worlds:
    """A tenant with its readers, groups and attributes, and an empty base."""
    folder = stand.folder / f"files-{uuid.uuid4().hex[:8]}" / "real"
    folder.mkdir(parents=True)
    place, people = await _settle(stand.real, stand, READERS, folder, SETTINGS[settings])
    return Worlds(stand, place, folder, people)


async def _settle(
    platform: Platform, stand: Stand, logins: Sequence[str], folder: Path, settings: IndexSettings, ids: Iterator[uuid.UUID] | None = None
) -> tuple[Place, list[uuid.UUID]]:
    """A new tenant with people, a base that holds a folder, and an assistant over it."""
    room = platform.knowledge if ids is None else replace(platform.knowledge, make_id=lambda: next(ids))
    now, slug = stand.clock(), f"w{uuid.uuid4().hex[:12]}"
    tenant = await create_tenant(platform.database, platform.keyring, slug=slug, name="World", now=now)
    if ids is None or settings.embedder is not None:
        await apply_declaration(platform.declaration_room, parse_declaration(_declared(slug, stand.embedder.base_url)))
    async with platform.database.tenant_tx(tenant.id) as connection:
        clearance = CLASSES[-1 if len(logins) == 1 else 0]
        people = [
            (await add_person(connection, platform.keyring, tenant.id, NewPerson(login, login, clearance=clearance), now)).id for login in logins
        ]
    report = await ingest_folder(room, tenant.id, BASE, folder, IngestOptions(index_settings=settings), lambda done, total: None)
    assert not report.failed, report.failed
    async with platform.database.tenant_tx(tenant.id) as connection:
        base = await find_base(connection, BASE)
        assistant = await put_assistant(connection, tenant.id, new_id(), "helper", base.id, {}, now)
    return Place(platform, tenant.id, base.id, assistant, IndexStates()), people


def _declared(slug: str, embedder_url: str) -> str:
    groups = ", ".join(f"{{name: {name}}}" for name in GROUPS)
    names = dict.fromkeys(name for name, _ in ATTRIBUTES)
    attributes = ", ".join(f"{{name: {name}, values: [{', '.join(value for of, value in ATTRIBUTES if of == name)}]}}" for name in names)
    provider = f"{{name: local, base_url: '{embedder_url}', settings: {{private_network: true}}}}"
    model = f"{{alias: {EMBEDDER}, targets: [{{provider: local, name: words}}]}}"
    tenant = f"slug: {slug}, name: World, groups: [{groups}], attributes: [{attributes}], providers: [{provider}], models: [{model}]"
    return f"{{version: 1, tenants: [{{{tenant}}}]}}"


async def _observed(place: Place, person_id: uuid.UUID, asked: Asked, request_id: uuid.UUID) -> Any:
    """All that a reader gets, refusals and their words included; without what the two worlds cannot have in common: names of index versions."""
    try:
        return await (_answered if asked.of_assistant else _searched)(place, person_id, asked, request_id)
    except OndolError as error:
        return type(error).__name__, error.message, error.hint


async def _searched(place: Place, person_id: uuid.UUID, asked: Asked, request_id: uuid.UUID) -> Any:
    room, question = place.platform.knowledge, QUESTIONS[asked.question]
    found = await search(room, place.states, place.tenant_id, person_id, place.base_id, question, limit=asked.limit, beginnings=asked.beginnings)
    beside = await read_beside(room, place.tenant_id, found.evidence)
    return len(found.evidence), [_told(item) for item in found.evidence], [_told(item) for item in beside], dict(found.term_weights)


def _told(item: Evidence) -> Any:
    """A passage as it is told, with its score to the last bit."""
    hit, version = item.hit, item.version
    place = hit.document_version_id, hit.passage_ordinal, hit.start, hit.end, hit.score, hit.matched_terms, hit.coverage
    about = version.document_id, version.declared_version, version.security_class, version.valid_from, version.valid_until, version.details
    return place, about, item.text, item.headings, item.page, item.cut


async def _answered(place: Place, person_id: uuid.UUID, asked: Asked, request_id: uuid.UUID) -> Any:
    room = AssistantRoom(place.platform.knowledge, place.states, None, lambda tenant_id: "World")
    request = ChatRequest(request_id, place.assistant.model, (Message("user", QUESTIONS[asked.question]),))
    events = [event async for event in answer(room, place.tenant_id, person_id, place.assistant, request)]
    return [replace(event, extension=_without_index(event.extension)) if isinstance(event, Finish) else event for event in events]


def _is_given(seen: Any) -> bool:
    """Whether there was a passage or an answer in it."""
    last = seen[-1]
    return not last.extension["refused"] if isinstance(last, Finish) else isinstance(seen[0], int) and seen[0] > 0


def _without_index(extension: Any) -> Any:
    return {**extension, "searched": {name: value for name, value in extension["searched"].items() if name not in ("index_version", "index_number")}}
