"""Make the demo tenant. Every step can be repeated, and its assistant comes last: while that is missing, the demo is unfinished."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources

from ondol.application.assistant.store import find_assistant
from ondol.application.declaration import apply_declaration, parse_declaration
from ondol.application.knowledge.ingest import IngestOptions, ingest_folder
from ondol.core.errors import NotFound, OndolError
from ondol.demo import documents_folder
from ondol.demo.golden_sets import make_golden_sets
from ondol.infrastructure.access.keys import create_key
from ondol.infrastructure.access.people import find_person, find_tenant, list_tenants
from ondol.infrastructure.access.sign_in import issue_one_time
from ondol.wiring.platform import Platform

TENANT = "demo"
BASE = "help"
ASSISTANT = "help"
ADMINISTRATOR = "admin@durubitnaru.example"
WEBSITE = "website"


@dataclass(frozen=True, slots=True)
class MadeDemo:
    """What is shown once: the administrator's one-time code and the website's key."""

    code: str
    key: str
    model: str
    documents: int
    passages: int


async def demo_is_wanted(platform: Platform) -> bool:
    """Whether the installation has no tenant, or a demo tenant without its assistant."""
    tenants = await list_tenants(platform.database)
    if not tenants:
        return True
    demo = next((tenant for tenant in tenants if tenant.slug == TENANT), None)
    if demo is None:
        return False
    async with platform.database.tenant_tx(demo.id) as connection:
        try:
            await find_assistant(connection, ASSISTANT)
        except NotFound:
            return True
    return False


async def make_demo(platform: Platform, progress: Callable[[int, int], None]) -> MadeDemo:
    """Make the tenant, its people and groups, its documents, its golden sets and its assistant.

    Raises:
        OndolError: when a document of the demo cannot be taken in, which would be a defect of this release.
    """
    text = (resources.files("ondol.demo") / "tenant.yaml").read_text("utf-8")
    declaration = parse_declaration(text)
    await apply_declaration(platform.declaration_room, declaration, without_assistants=True)
    tenant = await find_tenant(platform.database, TENANT)
    report = await ingest_folder(platform.knowledge, tenant.id, BASE, documents_folder(), IngestOptions(), progress)
    if report.failed:
        raise OndolError(f"The demo document {report.failed[0].path} cannot be taken in: {report.failed[0].reason}")
    now = platform.clock()
    async with platform.database.tenant_tx(tenant.id) as connection:
        administrator = await find_person(connection, platform.keyring, tenant.id, ADMINISTRATOR)
        website = await find_person(connection, platform.keyring, tenant.id, WEBSITE)
        code = await issue_one_time(connection, platform.settings.sign_in, tenant.id, administrator.id, now)
        _, minted = await create_key(connection, tenant.id, website.id, "demo website", now)
    await make_golden_sets(platform, tenant.id, BASE, administrator.id)
    await apply_declaration(platform.declaration_room, declaration)
    documents = report.added + report.changed + report.unchanged
    return MadeDemo(code, minted.text, f"assistant/{ASSISTANT}", documents, report.passages)
