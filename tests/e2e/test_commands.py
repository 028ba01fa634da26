"""Every command, run as its user runs it, against the running demo or an empty folder."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ondol.cli.main import COMMANDS
from ondol.core.config import setting_rows
from tests.e2e.conftest import Up, clean_environment, command, open_temporary_folder, run, run_json


def test_help_names_every_command_and_each_has_help_of_its_own(tmp_path: Path) -> None:
    top = run(tmp_path, "--help").stdout
    for name in COMMANDS:
        assert f"  {name} " in top
    for name in COMMANDS:
        assert "Usage: ondol" in run(tmp_path, name, "--help").stdout


def test_ask_prints_the_answer_and_its_sources(demo_up: Up) -> None:
    printed = run(demo_up.folder, "ask", "환불은 며칠 안에 처리되나요?").stdout
    assert "5일" in printed
    assert "refund" in printed
    told: Any = run_json(demo_up.folder, "ask", "How long does a refund take?", "--as", "support@durubitnaru.example")
    assert told["refused"] is False
    assert told["sources"]


def test_an_answer_is_shown_to_its_asker_and_proved(demo_up: Up) -> None:
    told: Any = run_json(demo_up.folder, "ask", "How long does a refund take?")
    shown: Any = run_json(demo_up.folder, "answer", "show", told["answer_id"], "--as", "website")
    assert (shown["question"], shown["answer"]) == ("How long does a refund take?", told["answer"])
    assert {item["title"] for item in shown["documents"] if item["cited"]} == {source["title"] for source in told["sources"]}
    printed = run(demo_up.folder, "answer", "show", told["answer_id"], "--as", "website").stdout
    assert shown["digest"] in printed
    refused = run(demo_up.folder, "answer", "show", told["answer_id"], "--as", "support@durubitnaru.example", check=False)
    assert (refused.returncode, "no such answer" in refused.stderr) == (1, True)
    proved: Any = run_json(demo_up.folder, "answer", "verify", told["answer_id"])
    assert {item["standing"] for item in proved} == {"holds"}
    assert "ledger" in run(demo_up.folder, "answer", "verify", told["answer_id"]).stdout


def test_an_unknown_assistant_tenant_or_person_is_a_sentence(demo_up: Up) -> None:
    for options in (("--assistant", "nobody"), ("--tenant", "nobody"), ("--as", "nobody")):
        done = run(demo_up.folder, "ask", "?", *options, check=False)
        assert (done.returncode, "nobody" in done.stderr, "Traceback" in done.stderr) == (1, True, False)


def test_ingest_reports_bad_files_and_says_so_in_its_status(demo_up: Up, tmp_path: Path) -> None:
    (tmp_path / "good.md").write_text("# Harbour\n\nThe harbour opens at seven.")
    (tmp_path / "bad.pdf").write_bytes(b"not a PDF")
    done = run(demo_up.folder, "ingest", str(tmp_path), "--base", "harbour", "--assistant", "harbour", "--json", check=False)
    told = json.loads(done.stdout)
    assert (done.returncode, told["added"], [failure["path"] for failure in told["failed"]]) == (1, 1, ["bad.pdf"])
    assert "seven" in run(demo_up.folder, "ask", "When does the harbour open?", "--assistant", "harbour").stdout


def test_a_document_is_added_moved_restricted_and_deleted(demo_up: Up, tmp_path: Path) -> None:
    folder, file = demo_up.folder, tmp_path / "lighthouse.md"
    file.write_text("# Lighthouse\n\nThe lighthouse is lit at dusk.")
    added: Any = run_json(folder, "document", "add", "pier", str(file))
    assert "holds this file already" in run(folder, "document", "add", "pier", str(file), "--replace").stdout
    file.write_text("# Lighthouse\n\nThe lighthouse is lit at nine.")
    replaced: Any = run_json(folder, "document", "replace", "pier", "lighthouse", str(file))
    assert (replaced["document"], replaced["version"] != added["version"]) == (added["document"], True)
    run(folder, "document", "move", "pier", "lighthouse", "--key", "en/lighthouse")
    assert "en/lighthouse" in run(folder, "document", "list", "pier", "--as", "website").stdout
    assert "whom you said" in run(folder, "document", "restrict", "pier", "en/lighthouse", "--class", "internal").stdout
    assert "no such document" in run(folder, "document", "list", "pier", "--as", "website").stdout
    shown: Any = run_json(folder, "document", "show", "pier", added["document"])
    assert (shown["key"], shown["class"], shown["set_by_hand"]) == ("en/lighthouse", "internal", True)
    run(folder, "document", "download", "pier", "en/lighthouse", "--output", str(tmp_path / "copy.md"))
    assert (tmp_path / "copy.md").read_bytes() == file.read_bytes()
    for wrong in (("download", "pier", "en/lighthouse", "--output", str(file)), ("show", "pier", "absent"), ("move", "pier", "en/lighthouse")):
        done = run(folder, "document", *wrong, check=False)
        assert (done.returncode, done.stderr.startswith("Error:"), "Traceback" in done.stderr) == (1, True, False)
    run(folder, "document", "delete", "pier", "en/lighthouse")
    removed: Any = run_json(folder, "document", "list", "pier", "--state", "removed")
    assert [item["key"] for item in removed["documents"]] == ["en/lighthouse"]


def test_the_ledger_holds_and_an_answer_leads_back_to_its_documents(demo_up: Up) -> None:
    told: Any = run_json(demo_up.folder, "ask", "How long does a refund take?")
    walked: Any = run_json(demo_up.folder, "ledger", "walk", told["answer_id"])
    assert {source["document_version_id"] for source in told["sources"]} <= {item["id"] for item in walked if item["kind"] == "document_version"}
    forward: Any = run_json(demo_up.folder, "ledger", "walk", told["sources"][0]["document_id"], "--forward")
    assert told["answer_id"] in {item["id"] for item in forward}
    verified: Any = run_json(demo_up.folder, "ledger", "verify")
    assert verified["holds"] is True
    assert run(demo_up.folder, "ledger", "verify", "--head", verified["head"]).returncode == 0
    number, _, digest = verified["head"].partition(":")
    cut = run(demo_up.folder, "ledger", "verify", "--head", f"{int(number) + 1000}:{digest}", check=False)
    assert (cut.returncode, "cut off" in cut.stderr) == (1, True)


def test_export_applies_again_without_a_change(demo_up: Up, tmp_path: Path) -> None:
    exported = run(demo_up.folder, "apply", "--export", "--tenant", "demo").stdout
    assert {group["name"] for group in yaml.safe_load(exported)["tenants"][0]["groups"]} >= {"staff", "support-staff"}
    file = tmp_path / "everything.yaml"
    file.write_text(exported, "utf-8")
    assert "Nothing to change." in run(demo_up.folder, "apply", str(file)).stdout
    file.write_text(exported.replace("groups:", "gruops:", 1), "utf-8")
    refused = run(demo_up.folder, "apply", str(file), check=False)
    assert (refused.returncode, "Did you mean `groups`?" in refused.stderr) == (1, True)


def test_doctor_is_content_with_an_evaluation_and_not_with_production(demo_up: Up) -> None:
    told: Any = run_json(demo_up.folder, "doctor")
    assert told["failed"] == 0, told
    done = run(demo_up.folder, "doctor", "--production", "--json", check=False)
    failed = {finding["check"] for finding in json.loads(done.stdout)["findings"] if finding["state"] == "failed"}
    assert done.returncode == 1
    assert failed == {"production: own postgres", "production: key provider", "production: tls", "production: backup"}
    assert all(finding["mend"] for finding in json.loads(done.stdout)["findings"] if finding["state"] == "failed")


def test_backup_and_restore_into_a_fresh_folder(demo_up: Up, tmp_path: Path) -> None:
    made: Any = run_json(demo_up.folder, "db", "backup", str(tmp_path))
    assert made["size_bytes"] > 10_000
    with open_temporary_folder() as folder:
        fresh = folder / "data"
        run(fresh, "tenant", "create", "other")
        refused = run(fresh, "db", "restore", made["folder"], check=False)
        assert (refused.returncode, "holds tenants" in refused.stderr) == (1, True)
        (fresh / "keys" / "root.key").write_bytes((demo_up.folder / "keys" / "root.key").read_bytes())
        run(fresh, "db", "restore", made["folder"], "--replace")
        listed: Any = run_json(fresh, "user", "list")
        assert "admin@durubitnaru.example" in {person["login"] for person in listed["people"]}


def _searched(folder: Path, *questions: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.e2e.search_all", "demo", "help", "support@durubitnaru.example", *questions],
        env=clean_environment(folder), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_what_a_restore_advises_is_true(demo_up: Up, tmp_path: Path) -> None:
    base = "help"
    questions = ("환불은 며칠 안에 처리되나요?", "How do I restore a backup?")
    before = _searched(demo_up.folder, *questions)
    assert before["found"] > 20
    made: Any = run_json(demo_up.folder, "db", "backup", str(tmp_path))
    with open_temporary_folder() as folder:
        fresh = folder / "data"
        run(fresh, "tenant", "create", "other")
        (fresh / "keys" / "root.key").write_bytes((demo_up.folder / "keys" / "root.key").read_bytes())
        advised = run(fresh, "db", "restore", made["folder"], "--replace").stdout
        shutil.copytree(demo_up.folder / "blobs", fresh / "blobs", dirs_exist_ok=True)
        refused = run(fresh, "ask", questions[0], check=False)
        assert (refused.returncode, "ondol index rebuild" in refused.stderr) == (1, True)
        [command_line] = re.findall(r"`ondol ([^`]*)`", advised)
        rebuilt: Any = json.loads(run(fresh, *command_line.split(), "--json").stdout)
        assert [name for name, report in rebuilt.items() if report["unreadable"]] == []
        assert _searched(fresh, *questions) == before
        listed: Any = run_json(fresh, "index", "list", base)
        assert [(version["number"], version["state"]) for version in listed] == [(2, "active")]


def test_index_versions_are_built_chosen_and_given_up(demo_up: Up) -> None:
    folder = demo_up.folder
    built: Any = run_json(folder, "index", "build", "help", "--passage-chars", "300")
    assert built["unreadable"] == 0
    assert built["passages"] > 100
    assert "2026" in run(folder, "index", "list", "help").stdout
    run(folder, "index", "tag", "help", str(built["number"]), "short")
    run(folder, "index", "activate", "help", "short")
    newest: Any = run_json(folder, "index", "list", "help")[0]  # type: ignore[index]
    assert [newest[name] for name in ("number", "state", "tags", "passage_chars")] == [built["number"], "active", "short", "300-600"]
    assert "5일" in run(folder, "ask", "환불은 며칠 안에 처리되나요?").stdout
    assert "serves again" in run(folder, "index", "rollback", "help").stdout
    serves = run(folder, "index", "drop", "help", "active", check=False)
    assert (serves.returncode, "serves" in serves.stderr) == (1, True)
    run(folder, "index", "untag", "help", "short")
    run(folder, "index", "keep", "help", "--versions", "3", "--days", "7")
    run(folder, "index", "drop", "help", str(built["number"]))
    left: Any = run_json(folder, "index", "list", "help")
    assert [item["state"] for item in left] == ["active"]
    absent = run(folder, "index", "activate", "help", "99", check=False)
    assert (absent.returncode, "Traceback" in absent.stderr, "ondol index list" in absent.stderr) == (1, False, True)
    assert run(folder, "index", "build", "help", "--passage-chars", "500", "--passage-chars-max", "100", check=False).returncode == 1
    assert run(folder, "index", "rebuild", check=False).returncode == 1


def test_a_base_is_searched_by_meaning_and_tuned(demo_up: Up) -> None:
    """The embedder answers over a real socket from a process of its own, as a provider does."""
    folder = demo_up.folder
    with running_embedder() as url:
        run(folder, "provider", "add", "vectors", "--url", url, "--private-network", "--no-credential")
        run(folder, "model", "add", "vectors", "--target", "vectors:tiny")
        built: Any = run_json(folder, "index", "build", "help", "--embedder", "vectors", "--query-prefix", "query: ", "--activate")
        assert built["copied"] == built["passages"] == built["embedded"] > 100
        shown: Any = run_json(folder, "index", "list", "help")[0]  # type: ignore[index]
        assert (shown["embedder"], shown["dimensions"], shown["vectors"]) == ("vectors", 8, shown["passages"])
        words = ("index", "search", "help", "환불은 며칠 안에 처리되나요?", "--as", "support@durubitnaru.example")
        found: Any = run_json(folder, *words, "--limit", "3")
        assert [set(row) >= {"document", "full_text", "vectors", "fusion"} for row in found["passages"]] == [True] * 3
        assert ([row["fusion"] for row in found["passages"]], found["degraded"]) == ([1, 2, 3], {})
        assert "fusion" in run(folder, *words).stdout
        told: Any = run_json(folder, "index", "tune", "help", "--fusion", "scores", "--vector-weight", "0", "--diversity", "0.2")
        assert (told["fusion"], told["vector_weight"], told["diversity"], told["depth"]) == ("scores", 0.0, 0.2, 100)
        assert "diversity" in run(folder, "index", "tune", "help").stdout
        absent = run(folder, "index", "tune", "help", "--reranker", "absent", check=False)
        assert (absent.returncode, "Traceback" in absent.stderr) == (1, False)
    away = run(folder, *words[:3], "another question", *words[4:])
    assert "The stage vectors did not do its work: upstream_unreachable." in away.stdout
    run(folder, "index", "tune", "help", "--fusion", "ranks", "--vector-weight", "0.5", "--diversity", "0")
    both = run(folder, "index", "build", "help", "--embedder", "vectors", "--no-embedder", check=False)
    assert (both.returncode, "Traceback" in both.stderr) == (1, False)
    run(folder, "index", "rollback", "help")
    run(folder, "index", "drop", "help", str(built["number"]))
    run(folder, "model", "remove", "vectors")
    run(folder, "provider", "remove", "vectors")


@contextlib.contextmanager
def running_embedder() -> Iterator[str]:
    """An embedder that counts letters, until the test ends; its base URL."""
    process = subprocess.Popen([sys.executable, "-m", "tests.e2e.embedder"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def test_lists_are_given_page_by_page(demo_up: Up) -> None:
    for _ in range(2):
        run(demo_up.folder, "key", "create", "admin@durubitnaru.example")
    for name in ("key", "user"):
        plural = {"key": "keys", "user": "people"}[name]
        whole: Any = run_json(demo_up.folder, name, "list")
        assert whole["next"] is None
        first: Any = run_json(demo_up.folder, name, "list", "--limit", "1")
        rest: Any = run_json(demo_up.folder, name, "list", "--after", first["next"])
        assert len(first[plural]) == 1
        assert first[plural] + rest[plural] == whole[plural]
        assert f"more {plural}: add --after {first['next']}" in run(demo_up.folder, name, "list", "--limit", "1").stdout
    assert "NotFound" not in run(demo_up.folder, "key", "list", "--after", "nobody", check=False).stderr


def test_a_sweep_says_what_it_did_and_when_it_waits(demo_up: Up) -> None:
    swept: Any = run_json(demo_up.folder, "db", "sweep")
    [told] = swept
    assert (told["tenant"], told["blobs"], told["keys"]) == ("demo", 0, 0)
    assert told["waits_until"] is not None
    assert "nothing is removed before" in run(demo_up.folder, "db", "sweep", "--tenant", "demo", "--grace", "1").stdout
    assert run(demo_up.folder, "db", "sweep", "--grace", "0", check=False).returncode == 2


def test_a_variable_that_is_no_setting_is_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        command("config", "show"), env={**clean_environment(tmp_path), "ONDOL_HTTP_PROT": "80"}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, "Did you mean ONDOL_HTTP_PORT?" in done.stderr) == (1, True)


def test_settings_are_shown_checked_and_explained(tmp_path: Path) -> None:
    shown: Any = run_json(tmp_path, "config", "show")
    assert list(shown) == [row.name for row in setting_rows()]
    secret = run(tmp_path, "config", "show", ONDOL_MODEL_API_KEY="very-secret").stdout
    assert "very-secret" not in secret
    file = tmp_path / "ondol.yaml"
    file.write_text("http: {prot: 1}\n")
    done = run(tmp_path, "config", "check", str(file), check=False)
    assert (done.returncode, "Did you mean `http.port`?" in done.stderr) == (1, True)
    reference = run(tmp_path, "config", "reference", "--markdown").stdout
    assert all(f"`{row.name}`" in reference for row in setting_rows())


@pytest.mark.parametrize("variable", ["ONDOL_HTTP_PORT", "ONDOL_HTTP_WORKERS"])
def test_a_bad_variable_is_named(tmp_path: Path, variable: str) -> None:
    done = run(tmp_path, "config", "show", check=False, **{variable: "many"})
    assert (done.returncode, variable in done.stderr, "Traceback" in done.stderr) == (1, True, False)


def test_a_command_starts_postgres_for_itself_and_leaves_none_behind() -> None:
    with open_temporary_folder() as folder:
        data = folder / "data"
        run(data, "tenant", "create", "acme")
        assert "acme" in run(data, "tenant", "list").stdout
        assert not (data / "postgres" / "data" / "postmaster.pid").exists()


def test_two_commands_at_once_share_one_postgres() -> None:
    with open_temporary_folder() as folder:
        data = folder / "data"
        run(data, "tenant", "create", "acme")
        both = [
            subprocess.Popen(
                command("tenant", "create", slug), env=clean_environment(data), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            for slug in ("first", "second")
        ]
        printed = [process.communicate(timeout=90)[0] for process in both]
        assert [process.returncode for process in both] == [0, 0], printed
        assert run(data, "tenant", "list").stdout.count("Asia/Seoul") == 3
