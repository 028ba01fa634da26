"""`ondol doctor`."""

from __future__ import annotations

import click

from ondol.cli.main import settings_of
from ondol.cli.output import print_json, say
from ondol.core.errors import SettingsError

_MARKS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "failed": ("✗", "red")}


@click.command("doctor")
@click.option("--production", is_flag=True, help="Also fail what only suits an evaluation.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def command(context: click.Context, production: bool, as_json: bool) -> None:
    """Check this installation and say how to mend each finding. The exit status is 1 when something failed."""
    from ondol.wiring.doctor import Finding, examine

    try:
        findings = examine(settings_of(context), production=production)
    except SettingsError as error:
        mend = f"{error.hint} What runs already goes on with the settings it had.".strip()
        findings = [Finding("settings", "failed", error.message, mend)]
    failed = sum(finding.state == "failed" for finding in findings)
    if as_json:
        print_json({"failed": failed, "findings": [{"check": f.check, "state": f.state, "found": f.found, "mend": f.mend} for f in findings]})
    else:
        width = max(len(finding.check) for finding in findings)
        for finding in findings:
            mark, colour = _MARKS[finding.state]
            say(f"{click.style(mark, fg=colour)} {finding.check.ljust(width)}  {finding.found}")
            if finding.mend and finding.state != "ok":
                say(f"  {' ' * width}  → {finding.mend}")
        say(f"\n{len(findings)} checks, {failed} failed." if failed else f"\n{len(findings)} checks, all well.")
    if failed:
        raise SystemExit(1)
