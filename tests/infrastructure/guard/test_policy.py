"""A policy says what is done; what it cannot mean is refused with a sentence and a hint."""

from __future__ import annotations

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
