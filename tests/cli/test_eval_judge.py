"""`ondol eval judge`, with a scripted judge behind the gateway of the command itself."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ondol.cli.main import cli
from ondol.core.errors import UserError
from ondol.infrastructure.serving.scripted import Reply, ScriptedModel
from ondol.infrastructure.storage.postgres import DatabaseAddresses
from tests.application.evaluation.judges.court import parts_of, system_of

PAIRS = [
    {"input": f"Question {number}?", "output_1": "good" + "!" * (number % 2 * 9), "output_2": "poor" + "." * 4, "label": 1} for number in range(24)
]


def first_place(body: Mapping[str, Any]) -> Reply:
    """A judge that takes the first place, and rephrases with its name."""
    if "in your own words" in system_of(body):
        return Reply(f"{body['model']} says so")
    own = [number for number, title in (("1", "ANSWER 1"), ("2", "ANSWER 2")) if parts_of(body)[title] == "small says so"]
    return Reply(json.dumps({"reason": "so", "better": own[0] if own else "1"}))


@contextmanager
def serving() -> Iterator[ScriptedModel]:
    """A scripted model in a thread of its own."""
    loop, model = asyncio.new_event_loop(), ScriptedModel(first_place)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(model.start(), loop).result()
    try:
        yield model
    finally:
        asyncio.run_coroutine_threadsafe(model.close(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_the_bias_of_a_model_is_told_through_the_gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, addresses: DatabaseAddresses) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ONDOL_DATABASE_URL", addresses.owner)
    monkeypatch.setenv("UP_KEY", "sk-up")
    (tmp_path / "pairs.json").write_text(json.dumps(PAIRS), "utf-8")
    arguments = ["eval", "judge", "bias", "small", "--pairs", "pairs.json", "--tenant", "acme", "--as", "kim"]
    with serving() as model:
        declared = {
            "slug": "acme",
            "people": [{"login": "kim", "roles": ["owner"]}],
            "providers": [{"name": "up", "base_url": model.base_url, "credential_env": "UP_KEY", "settings": {"private_network": True}}],
            "models": [{"alias": alias, "targets": [{"provider": "up", "name": alias}]} for alias in ("small", "large")],
        }
        (tmp_path / "tenant.yaml").write_text(json.dumps({"version": 1, "tenants": [declared]}), "utf-8")
        applied = CliRunner().invoke(cli, ["apply", "tenant.yaml"])
        assert applied.exit_code == 0, applied.output
        told = CliRunner().invoke(cli, [*arguments, "--other", "large", "--json"])
        found = json.loads(told.stdout)
        assert (found["position"]["value"], found["consistent"]["value"], found["length"]["value"]) == (0.5, 0.0, 0.0)
        assert (found["pairs"], found["failures"], found["itself"]["value"]) == (24, {}, 0.5)
        assert {request.headers["authorization"] for request in model.requests} == {"Bearer sk-up"}
    absent = CliRunner().invoke(cli, [*arguments[:3], "small", "--pairs", "tenant.yaml"])
    assert isinstance(absent.exception, UserError)
