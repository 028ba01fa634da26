"""Formats of keys and tokens, and how a secret without a known format is told from a hash, a name or a placeholder."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import Final

TOKEN_CHARS_MAX = 320
"""A longer token (some JWTs) is reported by its first characters, without which the rest is of no use."""

ENTROPY_BITS_MIN = 3.5
"""Bits for each character (Shannon, over the token's own characters) from which a token that mixes letters and digits counts as random."""

HEX_ENTROPY_BITS_MIN = 3.0
"""The same for hexadecimal digits, of which random ones have at most 4."""

ENTROPY_CHARS_MIN = 20
HEX_CHARS_MIN = 32


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of key that is known by how it begins.

    Attributes:
        kind: as the rule names it.
        prefix: what it begins with, letter for letter.
        body: an expression for the rest, linear (one class, repeated).
    """

    kind: str
    prefix: str
    body: str


_WORD: Final = "[A-Za-z0-9]"
_DASHED: Final = r"[A-Za-z0-9_\-]"

FORMATS: Final[tuple[Format, ...]] = (
    Format("openai_key", "sk-proj-", _DASHED + "{20,200}"),
    Format("openai_key", "sk-svcacct-", _DASHED + "{20,200}"),
    Format("openai_key", "sk-admin-", _DASHED + "{20,200}"),
    Format("anthropic_key", "sk-ant-", _DASHED + "{20,200}"),
    Format("openrouter_key", "sk-or-", _DASHED + "{20,100}"),
    Format("ondol_key", "sk-ondol-", _DASHED + "{16,128}"),
    Format("generic_key", "sk-", _WORD + "{20,128}"),
    Format("aws_access_key", "AKIA", "[A-Z2-7]{16}"),
    Format("aws_access_key", "ASIA", "[A-Z2-7]{16}"),
    Format("google_key", "AIza", _DASHED + "{35}"),
    Format("google_secret", "GOCSPX-", _DASHED + "{28}"),
    Format("google_token", "ya29.", _DASHED + "{20,250}"),
    Format("azure_key", "AccountKey=", "[A-Za-z0-9+/]{40,88}={0,2}"),
    Format("azure_key", "SharedAccessKey=", "[A-Za-z0-9+/]{40,88}={0,2}"),
    Format("github_token", "ghp_", _WORD + "{36,251}"),
    Format("github_token", "gho_", _WORD + "{36,251}"),
    Format("github_token", "ghu_", _WORD + "{36,251}"),
    Format("github_token", "ghs_", _WORD + "{36,251}"),
    Format("github_token", "ghr_", _WORD + "{36,251}"),
    Format("github_token", "github_pat_", "[A-Za-z0-9_]{36,251}"),
    Format("gitlab_token", "glpat-", r"[A-Za-z0-9_\-.]{20,64}"),
    Format("gitlab_token", "gldt-", _DASHED + "{20,64}"),
    Format("gitlab_token", "glrt-", _DASHED + "{20,64}"),
    Format("slack_token", "xoxb-", r"[A-Za-z0-9\-]{20,120}"),
    Format("slack_token", "xoxp-", r"[A-Za-z0-9\-]{20,120}"),
    Format("slack_token", "xoxa-", r"[A-Za-z0-9\-]{20,120}"),
    Format("slack_token", "xoxe", r"[A-Za-z0-9.\-]{20,200}"),
    Format("slack_token", "xapp-", r"[A-Za-z0-9\-]{20,120}"),
    Format("slack_webhook", "hooks.slack.com/services/", "[A-Za-z0-9/]{24,80}"),
    Format("discord_webhook", "discord.com/api/webhooks/", r"[A-Za-z0-9_/\-]{40,120}"),
    Format("stripe_key", "sk_live_", _WORD + "{16,128}"),
    Format("stripe_key", "sk_test_", _WORD + "{16,128}"),
    Format("stripe_key", "rk_live_", _WORD + "{16,128}"),
    Format("stripe_key", "rk_test_", _WORD + "{16,128}"),
    Format("stripe_key", "whsec_", "[A-Za-z0-9+/=]{24,64}"),
    Format("toss_key", "live_sk_", "[A-Za-z0-9]{16,64}"),
    Format("toss_key", "test_sk_", "[A-Za-z0-9]{16,64}"),
    Format("twilio_key", "SK", "[0-9a-f]{32}"),
    Format("twilio_account", "AC", "[0-9a-f]{32}"),
    Format("sendgrid_key", "SG.", r"[A-Za-z0-9_\-]{16,32}\.[A-Za-z0-9_\-]{16,64}"),
    Format("mailgun_key", "key-", "[0-9a-f]{32}"),
    Format("npm_token", "npm_", _WORD + "{36}"),
    Format("pypi_token", "pypi-AgE", _DASHED + "{50,250}"),
    Format("huggingface_token", "hf_", "[A-Za-z0-9]{30,40}"),
    Format("groq_key", "gsk_", _WORD + "{40,64}"),
    Format("xai_key", "xai-", _WORD + "{60,100}"),
    Format("perplexity_key", "pplx-", _WORD + "{40,64}"),
    Format("replicate_token", "r8_", _WORD + "{36,40}"),
    Format("databricks_token", "dapi", "[0-9a-f]{32}(?:-[0-9])?"),
    Format("digitalocean_token", "dop_v1_", "[0-9a-f]{64}"),
    Format("docker_token", "dckr_pat_", _DASHED + "{24,40}"),
    Format("vault_token", "hvs.", _DASHED + "{24,120}"),
    Format("atlassian_token", "ATATT3", r"[A-Za-z0-9_\-=]{50,250}"),
    Format("shopify_token", "shpat_", "[0-9a-fA-F]{32}"),
    Format("shopify_token", "shpss_", "[0-9a-fA-F]{32}"),
    Format("notion_token", "ntn_", _WORD + "{40,60}"),
    Format("linear_key", "lin_api_", _WORD + "{32,48}"),
    Format("grafana_token", "glsa_", "[A-Za-z0-9_]{32,64}"),
    Format("sentry_token", "sntrys_", "[A-Za-z0-9_=+/]{40,250}"),
    Format("naver_cloud_key", "ncp_iam_", _WORD + "{16,64}"),
    Format("age_key", "AGE-SECRET-KEY-1", "[0-9A-Z]{58}"),
)
"""How keys and tokens begin, from their issuers' documentation."""

_UUID: Final = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
_PLACEHOLDER_WORDS: Final = (
    *("your", "example", "placeholder", "changeme", "dummy", "redacted", "여기"),
    *("xxxx", "****", "....", "____", "<", "${", "{{"),
)
_PLACEHOLDERS: Final = frozenset(
    ("password", "passwd", "secret", "token", "pass", "hidden", "required", "true", "false", "null", "none", "undefined", "string", "str")
)


def entropy_bits(token: str) -> float:
    """Shannon entropy of a token's characters, in bits for each."""
    if not token:
        return 0.0
    return -sum(count / len(token) * math.log2(count / len(token)) for count in Counter(token).values())


def looks_random(token: str) -> bool:
    """Whether a token is long and mixed enough to be a secret: not a UUID, a path, a name in snake_case or a version."""
    if len(token) < ENTROPY_CHARS_MIN or _UUID.fullmatch(token) or is_placeholder(token):
        return False
    digits = sum(map(str.isdigit, token))
    letters = sum(map(str.isalpha, token))
    if (
        digits < 2
        or letters < 4
        or ("." in token and "/" in token)
        or token.count("/") > 3
        or token.count(".") > 2
        or token.count("_") + token.count("-") > len(token) // 6
    ):
        return False
    if all(char in "0123456789abcdefABCDEF" for char in token):
        return len(token) >= HEX_CHARS_MIN and entropy_bits(token) >= HEX_ENTROPY_BITS_MIN
    return entropy_bits(token) >= ENTROPY_BITS_MIN


def is_placeholder(value: str) -> bool:
    """Whether a value only stands where a secret would: <password>, ${TOKEN}, changeme, xxxx."""
    lowered = value.lower()
    return lowered in _PLACEHOLDERS or any(word in lowered for word in _PLACEHOLDER_WORDS) or len(set(value)) <= 2


def is_jwt_header(segment: str) -> bool:
    """Whether a segment in base64url is a JSON object that names an algorithm (RFC 7519)."""
    try:
        decoded = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except (binascii.Error, ValueError):
        return False
    return decoded.startswith(b"{") and (b'"alg"' in decoded or b'"typ"' in decoded)
