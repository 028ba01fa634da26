"""`ondol eval report`."""

from __future__ import annotations

import uuid
from pathlib import Path

from ondol.application.evaluation.runs import end_run
from ondol.cli.running import with_platform
from ondol.core.config import load_settings
from ondol.infrastructure.access.people import find_tenant
from ondol.wiring.platform import Platform
from tests.cli.test_eval_run import Run, last_run, run, write_cases

__all__ = ["run"]  # a fixture


def cut_off(run_id: str) -> None:
    """Make a run one that did not finish."""

    async def work(platform: Platform) -> None:
        where = await find_tenant(platform.database, "acme")
        async with platform.database.tenant_tx(where.id) as connection:
            await end_run(connection, uuid.UUID(run_id), "stopped")

    with_platform(load_settings(), work)


def test_the_newest_finished_run_of_a_suite_is_told_against_its_goals(run: Run, tmp_path: Path) -> None:
    write_cases(tmp_path, "yes", "yes", "yes", "no")
    assert run("run", "suite.yaml").exit_code == 0
    told = run("report", "yes-ko", "-o", "quality.html", "--language", "ko", "--title", "품질 모음")
    assert (told.exit_code, told.output) == (0, "quality.html: 1 of 1 goals are reached.\n")
    page = (tmp_path / "quality.html").read_text("utf-8")
    assert "<h1>품질 모음</h1>" in page
    assert "답변의 75.0%가 정답과 똑같습니다." in page
    assert "목표 75.0% 이상" in page
    run_id = last_run(run)["id"]
    cut_off(run_id)
    unfinished = run("report", "yes-ko", "-o", "other.html")
    assert (unfinished.exit_code, str(unfinished.exception).startswith("No finished run of a suite called 'yes-ko'")) == (1, True)
    assert run("report", run_id, "-o", "other.html").exit_code == 0  # whoever names the run itself means it
    assert "<h1>acme</h1>" in (tmp_path / "other.html").read_text("utf-8")


def test_what_was_never_run_leaves_no_page(run: Run, tmp_path: Path) -> None:
    unknown = run("report", str(uuid.uuid4()), "-o", "quality.html")
    assert (unknown.exit_code, str(unknown.exception)) == (1, "There is no such run.")
    assert not (tmp_path / "quality.html").exists()
