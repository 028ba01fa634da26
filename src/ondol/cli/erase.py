"""`ondol erase`."""

from __future__ import annotations

import click

from ondol.cli.erasure import erasure_json, told
from ondol.cli.guard_policies import json_option, tenant_option
from ondol.cli.main import settings_of
from ondol.cli.output import print_json, say
from ondol.cli.running import with_platform
from ondol.core.errors import UserError
from ondol.infrastructure.ledger.erasure import Erasure
from ondol.wiring.platform import Platform


@click.command("erase")
@click.option("--document", help="A document of --base, by its key, the path of its file, or its id.")
@click.option("--base", help="The knowledge base that holds the document.")
@click.option("--subject", metavar="LOGIN", help="A person, by login.")
@click.option("--identifier", "identifiers", multiple=True, help="With --subject: more by which documents speak of them. May be given several times.")
@click.option("--with-documents", is_flag=True, help="With --subject: erase the documents too that hold the login or an identifier.")
@click.option("--reason", default="request", show_default=True, help="A fixed word, such as a ticket's number. It stays in the ledger.")
@click.option("--background", is_flag=True, help="Hide it now and leave the rest to the job worker.")
@click.option("--yes", is_flag=True, help="Do not ask. What is erased cannot be brought back.")
@tenant_option
@json_option
@click.pass_context
def command(
    context: click.Context,
    document: str | None,
    base: str | None,
    subject: str | None,
    identifiers: tuple[str, ...],
    with_documents: bool,
    reason: str,
    background: bool,
    yes: bool,
    tenant: str,
    as_json: bool,
) -> None:
    """Erase a document or a person: hidden at once, removed from every store, proved by probes, with a signed receipt.

    The exit status is 1 when it cannot be proved.
    """
    from ondol.application.erasure import erase_document, erase_subject
    from ondol.infrastructure.access.people import find_tenant
    from ondol.infrastructure.ledger.erasure import carry_out
    from ondol.wiring.erasure import erasure_room

    _check(document, base, subject, identifiers, with_documents)
    if not yes:
        click.confirm(f"Erase {document or subject} for good?", abort=True, err=True)

    async def work(platform: Platform) -> Erasure:
        where = await find_tenant(platform.database, tenant)
        room = platform.knowledge
        if document is not None and base is not None:
            made = await erase_document(room, where.id, base, document, reason=reason)
        else:
            made = await erase_subject(room, where.id, subject or "", identifiers=identifiers, with_documents=with_documents, reason=reason)
        return made if background else await carry_out(erasure_room(platform), where.id, made.id)

    made = with_platform(settings_of(context), work)
    if as_json:
        print_json(erasure_json(made))
    else:
        say(told(made))
    if made.state == "failed":
        raise SystemExit(1)


def _check(document: str | None, base: str | None, subject: str | None, identifiers: tuple[str, ...], with_documents: bool) -> None:
    if (document is None) == (subject is None):
        raise UserError("It is not clear what to erase.", "Give either --document with --base, or --subject.")
    if (document is None) != (base is None):
        raise UserError("A document and its base go together.", "`ondol erase --document KEY --base NAME`.")
    if document is not None and (identifiers or with_documents):
        raise UserError("--identifier and --with-documents say which documents speak of a person.", "Give them with --subject.")
