"""A policy says what is done; what it cannot mean is refused with a sentence and a hint."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ondol.core.errors import SettingsError
from ondol.infrastructure.guard.policy import fits, parse_policy, policy_from, to_yaml
from ondol.infrastructure.guard.types import Finding

TEXT = """
version: 1
name: careful
stages:
  input:
    - {find: "identifiers:KR_RESIDENT_NUMBER", do: block}
    - {find: identifiers, do: tokenise, at: 0.6}
    - {find: injection, do: block, false_alarms: 0.01}
    - {find: "topics:MEDICAL", do: restrict, say: doctor}
texts:
  doctor: {ko: 의사와 상의하세요., en: Ask a doctor.}
checks:
  shape: {characters_max: 20000}
"""


def test_reads_and_writes_to_the_same_digest() -> None:
    policy = parse_policy(TEXT)
    assert parse_policy(to_yaml(policy)) == policy
    assert parse_policy(to_yaml(policy)).digest == policy.digest
    assert parse_policy(TEXT.replace("0.6", "0.7")).digest != policy.digest


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("do: block", "do: blok", "unknown"),
        ("at: 0.6", "att: 0.6", "unknown"),
        ("at: 0.6", "at: 1.6", "outside 0 to 1"),
        ("false_alarms: 0.01", "false_alarms: 0.9", "impossible"),
        ("false_alarms: 0.01", "false_alarms: 0.01, at: 0.5", "both"),
        ("say: doctor", "say: nurse", "not among the texts"),
        ('{find: "identifiers:KR_RESIDENT_NUMBER", do: block}', '{find: "identifiers:KR_RESIDENT_NUMBER", do: tokenise}', "law"),
        ("input:", "output:", "nobody could turn"),
        ("input:", "inputs:", "unknown"),
        ("version: 1", "version: 2", "unknown"),
        ("find: injection", 'find: ""', "does not say"),
        ("stages:", "stages: [", "not valid YAML"),
    ],
)
def test_refuses_what_cannot_be_meant(old: str, new: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says) as caught:
        parse_policy(TEXT.replace(old, new))
    assert caught.value.hint


def test_names_are_checked_against_what_there_is() -> None:
    known = {"identifiers": (), "injection": (), "topics": (), "shape": ("characters_max",)}
    tree = {"version": 1, "name": "x", "stages": {"input": [{"find": "identifier:PHONE", "do": "mask"}]}}
    with pytest.raises(SettingsError, match="no check called identifier") as caught:
        policy_from(tree, known)
    assert "`identifiers`" in caught.value.hint
    with pytest.raises(SettingsError, match="no setting character_max"):
        policy_from({"version": 1, "name": "x", "checks": {"shape": {"character_max": 1}}}, known)


def test_huge_policies_are_refused() -> None:
    with pytest.raises(SettingsError, match="larger than"):
        parse_policy("x" * 300_000)
    with pytest.raises(SettingsError, match="more than"):
        policy_from({"version": 1, "name": "x", "stages": {"input": [{"find": "a", "do": "mask"}] * 501}})


@pytest.mark.parametrize(
    ("on", "expected"),
    [
        ("identifiers", True),
        ("identifiers:PHONE", True),
        ("identifiers:CARD", False),
        ("identifiers.phone", True),
        ("identifiers.phone.mobile", True),
        ("identifiers.pho", False),
        ("entities", False),
    ],
)
def test_what_a_rule_is_about(on: str, expected: bool) -> None:
    rule = policy_from({"version": 1, "name": "x", "stages": {"input": [{"find": on, "do": "mask"}]}}).stages["input"][0]
    assert fits(rule, Finding("identifiers", "identifiers.phone.mobile", 0, 1, 0.9, "", "PHONE")) is expected


def test_only_what_can_be_mended_is_repaired() -> None:
    assert policy_from({"version": 1, "name": "x", "stages": {"output": [{"find": "schema.not_json", "do": "repair"}]}})
    with pytest.raises(SettingsError, match=r"Only|would repair"):
        policy_from({"version": 1, "name": "x", "stages": {"output": [{"find": "personal", "do": "repair"}]}})


TOOL = {"name": "orders.find", "arguments": {"type": "object", "properties": {"n": {"type": "number", "maximum": 1.5}}}}


def test_tools_are_part_of_the_policy() -> None:
    tree = {"version": 1, "name": "x", "tools": [TOOL], "tools_run_characters": 12, "approvals": {"expire_minutes": 5}}
    policy = policy_from(tree)
    assert (policy.restricts_tools, policy.run_characters, policy.approval_minutes) == (True, 12, 5)
    assert parse_policy(to_yaml(policy)) == policy
    assert parse_policy(to_yaml(policy)).digest == policy.digest
    changed = [{**tree, "tools": []}, {**tree, "tools": [{**TOOL, "privileged": True}]}, {**tree, "approvals": {"expire_minutes": 6}}]
    assert len({policy.digest, *(policy_from(each).digest for each in changed)}) == 4


def test_a_policy_without_tools_keeps_the_digest_it_had_before_there_were_any() -> None:
    tree = {"version": 1, "name": "x", "stages": {"input": [{"find": "a", "do": "mask"}]}}
    known = "65e7c201ae9db603ca0a4a3e3dfb1fc27a38bb28c57d82ce04b3dc2e15378eb4"
    for more in ({}, {"tools": None}, {"approvals": None, "tools_run_characters": None}):
        policy = policy_from({**tree, **more})
        assert (policy.digest.hex(), policy.restricts_tools, policy.run_characters, policy.approval_minutes) == (known, False, 20, 60)
    assert policy_from({**tree, "tools": []}).digest.hex() != known


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"tools": [{"name": "a b", "arguments": {}}]}, "cannot be the name"),
        ({"tools": [TOOL, TOOL]}, "named twice"),
        ({"tools": [{**TOOL, "destructive": True}]}, "nobody may approve"),
        ({"tools": [{**TOOL, "approval_role": "x" * 201}]}, "characters"),
        ({"tools": [{**TOOL, "what": 1}]}, "unknown"),
        ({"tools": [{"name": f"t{number}", "arguments": {}} for number in range(501)]}, "more than 500"),
        ({"tools": {}}, "unknown"),
        ({"tools_run_characters": 7}, "run_characters"),
        ({"approvals": {"expire_minutes": 0}}, "expire"),
        ({"approvals": {"expire_minutes": 10_081}}, "expire"),
    ],
)
def test_refuses_tools_that_cannot_be_meant(more: dict[str, object], says: str) -> None:
    with pytest.raises(SettingsError, match=says) as caught:
        policy_from({"version": 1, "name": "x", **more})
    assert caught.value.hint


def test_what_only_tools_need_is_imported_with_them() -> None:
    code = (
        "import sys\n"
        "from ondol.infrastructure.guard.defaults import default_policy\n"
        "from ondol.infrastructure.guard.trial import guards_of, try_call\n"
        "try_call(guards_of(default_policy()), 'shell', '{}')\n"
        "print(sorted({'sqlglot', 'jsonschema_rs'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
