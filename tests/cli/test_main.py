from __future__ import annotations

import pytest
from click.testing import CliRunner

from ondol.cli.main import cli, option_variables
from ondol.core.errors import SettingsError


def test_the_variables_of_options_are_known_and_no_others() -> None:
    mine = {"ONDOL_ASK_TENANT", "ONDOL_KEY_LIST_TENANT", "ONDOL_DB_RESTORE_REPLACE"}
    others = {"ONDOL_ASK_TENNANT", "ONDOL_KEY_FILE", "ONDOL_HTTP_PORT", "ONDOL_KEY_LIST", "ONDOL_DB_", "PATH"}
    assert option_variables(mine | others) == mine


def test_a_command_refuses_a_variable_that_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONDOL_HTTP_PROT", "80")
    found = CliRunner().invoke(cli, ["config", "show"])
    assert isinstance(found.exception, SettingsError)
    assert found.exception.hint == "Did you mean ONDOL_HTTP_PORT?"
    monkeypatch.delenv("ONDOL_HTTP_PROT")
    monkeypatch.setenv("ONDOL_KEY_LIST_TENANT", "acme")
    assert CliRunner().invoke(cli, ["config", "show"]).exit_code == 0
