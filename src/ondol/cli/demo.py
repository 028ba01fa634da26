"""`ondol demo`: what `ondol up` calls on an empty installation."""

from __future__ import annotations

import click

from ondol.cli.main import settings_of
from ondol.cli.output import Progress, print_json, say
from ondol.cli.running import with_platform
from ondol.wiring.platform import Platform


@click.command("demo", hidden=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:
    """Make the demo tenant, if this installation has no tenant or an unfinished demo; null when there was nothing to do."""
    from ondol.demo.make import demo_is_wanted, make_demo

    progress = Progress("demo documents")

    async def work(platform: Platform) -> None:
        if not await demo_is_wanted(platform):
            if as_json:
                print_json(None)
            return
        click.echo("  Demo tenant: taking in its documents …", err=True)
        made = await make_demo(platform, progress)
        progress.done()
        click.echo(f"  Demo tenant: {made.documents} documents, {made.passages:,} passages", err=True)
        if as_json:
            print_json({"code": made.code, "key": made.key, "model": made.model})
        else:
            say(made.key)

    with_platform(settings_of(context), work)
