"""Keys, tokens and passwords: what is found, and what only looks like them. The keys are made up."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ondol.infrastructure.guard.checks.credentials import ENTROPY_BITS_MIN, FORMATS, TOKEN_CHARS_MAX, entropy_bits, looks_random
from ondol.infrastructure.guard.checks.secrets import KEY_BLOCK_CHARS_MAX, SECRET_PATTERNS, SECRETS_REACH, PrivateKeyCheck, SecretsCheck
from ondol.infrastructure.guard.patterns import PatternSet, TooManyMatches
from ondol.infrastructure.guard.text import GuardText

CHECK = SecretsCheck()
PATTERNS = PatternSet(SECRET_PATTERNS)
BODY = "Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4zAb3dEf6hIj9kLm2nOp5qRs8tUv1wXy4z"
JWT = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIEabcd\nabcd+/==\n-----END RSA PRIVATE KEY-----"


def found(text: str) -> list[tuple[str, str]]:
    """Rule, without the check's name, and span of each finding."""
    return [(item.rule.removeprefix("secrets."), text[item.start : item.end]) for item in CHECK.find(GuardText(text))]


POSITIVES = [
    ("키는 sk-proj-{}입니다", "openai_key", "sk-proj-" + BODY),
    ("sk-ant-api03-{}", "anthropic_key", "sk-ant-api03-" + BODY),
    ("Authorization: Bearer sk-ondol-{}", "ondol_key", "sk-ondol-" + BODY),
    ("id AKIAQ3EGRK5LJ2ABCDEF", "aws_access_key", "AKIAQ3EGRK5LJ2ABCDEF"),
    ("aws_secret_access_key=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", "random_secret", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEzzzz0KEY"),
    ("AIza" + BODY[:35], "google_key", "AIza" + BODY[:35]),
    ("토큰은 ghp_" + BODY[:36] + "이에요", "github_token", "ghp_" + BODY[:36]),
    ("glpat-" + BODY[:20], "gitlab_token", "glpat-" + BODY[:20]),
    ("xoxb-123456789012-" + BODY[:24], "slack_token", "xoxb-123456789012-" + BODY[:24]),
    ("sk_live_" + BODY[:24], "stripe_key", "sk_live_" + BODY[:24]),
    ("hf_" + BODY[:34], "huggingface_token", "hf_" + BODY[:34]),
    ("npm_" + BODY[:36], "npm_token", "npm_" + BODY[:36]),
    ("SG." + BODY[:22] + "." + BODY[:43], "sendgrid_key", "SG." + BODY[:22] + "." + BODY[:43]),
    ("123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw9", "telegram_token", "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw9"),
    ("cookie " + JWT, "jwt", JWT),
    ("DB=postgres://app:s3cr3t@db.local:5432/x", "connection_string", "postgres://app:s3cr3t@db.local:5432"),
    ("비밀번호: qwer1234!", "password", "qwer1234!"),
    ("비밀번호는 hunter22입니다", "password", "hunter22"),
    ("my password is hunter2!", "password", "hunter2!"),
    ("password = 'correcthorse'", "password", "correcthorse"),
    ("카카오 REST API 키는 0a1b2c3d4e5f60718293a4b5c6d7e8f9 이고", "random_secret", "0a1b2c3d4e5f60718293a4b5c6d7e8f9"),
    ("client_secret: " + BODY[:28], "random_secret", BODY[:28]),
    (KEY, "private_key", KEY),
]


@pytest.mark.parametrize(("text", "kind", "span"), POSITIVES, ids=[f"{kind}-{place}" for place, (_, kind, _s) in enumerate(POSITIVES)])
def test_found_with_exact_offsets(text: str, kind: str, span: str) -> None:
    assert found(text.format(BODY) if "{}" in text else text) == [(kind, span)]


NEGATIVES = [
    "password = get_password()",
    "password: string",
    "password: ${DB_PASSWORD}",
    "password=<your password>",
    "비밀번호는 8자리 이상이어야 합니다",
    "비밀번호를 잊어버렸어요",
    "token sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "the commit with the key change is e3b0c44298fc1c149afbf4c8996fb92427ae41e4",
    "token 550e8400-e29b-41d4-a716-446655440000",
    "key: a_very_long_snake_case_name_for_version_2_and_3",
    "use key=value pairs and max_tokens=4096",
    "http://localhost:8080/path@x",
    "postgres://user:${PASSWORD}@host/db",
    "sk-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    "task-force-desk-tool-1234567890",
    "eyJub3QiOiJhIGp3dCJ9",
    "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----",
    "토큰이 너무 많으면 비용이 듭니다. The key point is tokenization of 1234 words.",
]


@pytest.mark.parametrize("text", NEGATIVES)
def test_what_only_looks_like_a_secret(text: str) -> None:
    assert found(text) == []


def test_a_long_token_is_found_by_its_beginning() -> None:
    text = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9." + "a" * 2_000
    (finding,) = CHECK.find(GuardText(text))
    assert (finding.start, finding.end, finding.entity) == (0, TOKEN_CHARS_MAX, "SECRET")
    assert TOKEN_CHARS_MAX < SECRETS_REACH


def test_a_private_key_is_found_whole_up_to_a_bound() -> None:
    check = PrivateKeyCheck()
    body = ("A1b2" * 16 + "\n") * 60
    text = f"앞 -----BEGIN PRIVATE KEY-----\n{body}-----END PRIVATE KEY----- 뒤"
    (finding,) = check.find(GuardText(text))
    assert (finding.check, finding.start, finding.end) == ("private_keys", 2, len(text) - 2)
    open_ended = "-----BEGIN OPENSSH PRIVATE KEY-----\n" + "A1b2\n" * 10_000
    (finding,) = check.find(GuardText(open_ended))
    assert finding.end - finding.start == KEY_BLOCK_CHARS_MAX


def test_prefixes_are_distinct() -> None:
    assert len({item.prefix for item in FORMATS}) == len(FORMATS)


def test_entropy() -> None:
    assert entropy_bits("") == 0
    assert entropy_bits("abcd") == 2
    assert entropy_bits(BODY) > ENTROPY_BITS_MIN
    assert looks_random(BODY)
    assert not looks_random("averyordinarylongenglishword")


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(max_size=150), st.text(st.sampled_from("password:= '\"keytokn비밀번호는sk-eyJ.://@aA1b2_\n"), max_size=150)))
def test_any_text_gives_findings_within_it(text: str) -> None:
    for check in (CHECK, PrivateKeyCheck()):
        for finding in check.find(GuardText(text)):
            assert 0 <= finding.start < finding.end <= len(text)


@pytest.mark.parametrize(
    "unit", ["a", "sk-", "eyJ", "key", "key a1", "password=a1b2", "://a:", "PRIVATE KEY", "-----BEGIN PRIVATE KEY-----", "=", "1:"]
)
def test_work_on_hostile_text_is_linear(unit: str) -> None:
    text = (unit * 30_000)[:30_000]
    try:
        matches = PATTERNS.scan(text)
    except TooManyMatches:
        return
    assert len(CHECK.confirm(GuardText(text), matches)) <= 10_000
