from __future__ import annotations

import json
from datetime import UTC, datetime
from uuid import UUID

import click
import pytest
from click.testing import CliRunner

from ondol.cli import main
from ondol.cli.output import Progress, print_json, print_page, print_table
from ondol.core.errors import DataFolderError, NotFound


def test_a_table_is_aligned_where_characters_are_two_columns_wide(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([{"name": "환불", "count": 1200, "at": None}, {"name": "refund", "count": 3, "at": datetime(2026, 1, 2, 3, 4, tzinfo=UTC)}], "none")
    assert capsys.readouterr().out.splitlines() == [
        "name    count  at",
        "환불    1,200  -",
        "refund  3      2026-01-02 03:04",
    ]


def test_an_empty_table_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([], "No tenant yet")
    assert capsys.readouterr().out == "No tenant yet\n"


def test_json_carries_ids_and_times(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"id": UUID(int=1), "at": datetime(2026, 1, 2, tzinfo=UTC), "roles": frozenset({"owner"}), "digest": b"\x01"})
    assert json.loads(capsys.readouterr().out) == {
        "id": "00000000-0000-0000-0000-000000000001",
        "at": "2026-01-02T00:00:00+00:00",
        "roles": ["owner"],
        "digest": "01",
    }


def test_without_a_terminal_progress_is_silent_for_what_is_quick(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress("files")
    for done in range(11):
        progress(done, 10)
    progress.done()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("error", [DataFolderError("It is full.", "Free some space."), NotFound("It is gone.", "Look elsewhere.")])
def test_our_errors_are_a_sentence_and_a_hint(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, main.friendly_errors():
        raise error
    assert ended.value.code == 1
    assert click.unstyle(capsys.readouterr().err) == f"Error: {error}\nHint:  {getattr(error, 'hint', '')}\n"


def test_a_full_disk_is_a_sentence_whoever_meets_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit), main.friendly_errors():
        raise OSError(28, "No space left on device", "/data/x")
    assert "nothing is lost" in capsys.readouterr().err


def test_a_defect_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError), main.friendly_errors():
        raise ZeroDivisionError


def test_help_imports_no_command() -> None:
    printed = CliRunner().invoke(main.cli, ["--help"])
    assert printed.exit_code == 0
    assert all(f"  {name} " in printed.output for name in main.COMMANDS)


def test_a_page_says_whether_the_list_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    for next_after, told in ((None, False), ("ab12", True)):
        print_page("keys", [{"name": "a"}], next_after=next_after, as_json=False, empty="none")
        assert ("There are more keys: add --after ab12" in capsys.readouterr().out) is told
        print_page("keys", [{"name": "a"}], next_after=next_after, as_json=True, empty="none")
        assert json.loads(capsys.readouterr().out) == {"keys": [{"name": "a"}], "next": next_after}
