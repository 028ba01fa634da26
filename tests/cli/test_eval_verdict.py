"""`ondol eval verify`, `verdicts` and `export-verdict`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ondol.application.evaluation.verdicts import Verdict, sign_finding
from ondol.cli.main import cli
from ondol.cli.running import with_platform
from ondol.core.config import load_settings
from ondol.core.errors import DataFolderError, NotFound, UserError
from ondol.infrastructure.access.people import find_tenant
from ondol.infrastructure.ledger import LedgerSigner, public_keys_path, revoked_keys_path, seal_once
from ondol.infrastructure.storage.postgres import DatabaseAddresses
from ondol.wiring.platform import Platform
from tests.application.evaluation.verdicts.conftest import NOW, finding

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, addresses: DatabaseAddresses) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ONDOL_DATABASE_URL", addresses.owner)
    (tmp_path / "tenant.yaml").write_text("version: 1\ntenants: [{slug: acme}]", "utf-8")
    assert CliRunner().invoke(cli, ["apply", "tenant.yaml"]).exit_code == 0
    return lambda *arguments: CliRunner().invoke(cli, ["eval", *arguments])


def signed(*, sealed: bool) -> tuple[Verdict, Path]:
    """A verdict of acme, and the file of the key that signed it."""

    async def work(platform: Platform) -> tuple[Verdict, Path]:
        where = await find_tenant(platform.database, "acme")
        signer = LedgerSigner.open_or_create(platform.folder.ledger_key)
        async with platform.database.tenant_tx(where.id) as connection:
            made = await sign_finding(connection, signer, where.id, finding(), NOW)
        if sealed:
            await seal_once(platform.database, signer, NOW)
        return made, platform.folder.ledger_key

    return with_platform(load_settings(), work)


def test_a_verdict_is_checked_listed_and_taken_elsewhere(run: Run, tmp_path: Path) -> None:
    verdict, key_file = signed(sealed=True)
    told = run("verify", str(verdict.id), "--tenant", "acme")
    assert told.exit_code == 0
    assert told.output.splitlines()[0] == "The verdict holds: assistant/desk (747474747474) PASSED support-ko (737373737373)."
    assert told.output.splitlines()[-2:] == ["Its run was deleted: results can be looked at no more.", "The ledger's chain holds it."]
    [listed] = json.loads(run("verdicts", "--tenant", "acme", "--json").output)
    assert (listed["id"], listed["outcome"]) == (str(verdict.id), "PASS")
    assert "support-ko" in run("verdicts", "--tenant", "acme").output

    file, elsewhere = tmp_path / "verdict.json", tmp_path / "elsewhere.public"
    assert run("export-verdict", str(verdict.id), "--out", str(file), "--tenant", "acme").exit_code == 0
    elsewhere.write_bytes(public_keys_path(key_file).read_bytes())
    checked = json.loads(run("verify", str(file), "--keys", str(elsewhere), "--json").output)
    assert (checked["holds"], checked["sealed"], checked["statement"]["predicate"]["verdict"]) == (True, True, str(verdict.id))
    file.write_bytes(file.read_bytes().replace(b'"payload":"ey', b'"payload":"ez'))
    broken = run("verify", str(file))
    assert (broken.exit_code, broken.output.startswith("The verdict does not hold.")) == (1, True)
    assert json.loads(run("verify", str(file), "--json").output)["holds"] is False

    ended = CliRunner().invoke(cli, ["ledger", "revoke-key", verdict.signer])
    assert (ended.exit_code, ended.output) == (0, f"Key {verdict.signer} is revoked: verdicts by it are refused.\n")
    assert "was revoked before" in CliRunner().invoke(cli, ["ledger", "revoke-key", verdict.signer]).output
    listed_keys = {row["key"]: row["revoked"] for row in json.loads(CliRunner().invoke(cli, ["ledger", "keys", "--json"]).output)}
    assert (len(listed_keys), listed_keys[verdict.signer]) == (2, True)
    assert CliRunner().invoke(cli, ["ledger", "revoke-key", "0" * 16]).exception.__class__ is NotFound
    assert "which was revoked" in run("verify", str(verdict.id), "--tenant", "acme").output
    assert run("export-verdict", str(verdict.id), "--out", str(file), "--tenant", "acme").exit_code == 0
    revoked = run("verify", str(file), "--keys", str(elsewhere), "--revoked", str(revoked_keys_path(key_file)))
    assert (revoked.exit_code, "which was revoked" in revoked.output) == (1, True)


def test_mistakes_are_told(run: Run, tmp_path: Path) -> None:
    verdict, _ = signed(sealed=False)
    assert "ask again in a second" in run("verify", str(verdict.id), "--tenant", "acme").output
    assert run("verify", str(verdict.run_id), "--tenant", "acme").exception.__class__ is NotFound
    assert run("verify", str(tmp_path / "absent.json")).exception.__class__ is UserError
    (tmp_path / "file.json").write_text("{}")
    assert run("verify", str(tmp_path / "file.json"), "--keys", str(tmp_path / "absent.public")).exception.__class__ is DataFolderError
    assert run("verify", str(tmp_path / "file.json")).exit_code == 1
    assert run("verdicts", "--tenant", "acme", "--assistant", "absent").exception.__class__ is NotFound
