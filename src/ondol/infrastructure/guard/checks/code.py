"""Dangerous commands and code in what a model answers: somebody may run it as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ondol.infrastructure.guard.checks.base import PatternCheck, ViewName
from ondol.infrastructure.guard.patterns import Match, Pattern
from ondol.infrastructure.guard.text import GuardText
from ondol.infrastructure.guard.types import Finding

REACH_CHARACTERS = 400
STATEMENT_CHARACTERS_MAX = 400
"""An SQL statement is looked at so far for its WHERE."""


@dataclass(frozen=True, slots=True)
class _Rule:
    name: str
    expression: str
    confidence: float = 0.8


_RULES = (
    _Rule("rm_root", r"\brm[ \t]+(?:-[a-zA-Z-]+[ \t]+)+(?:/|~|\$HOME|/\*|--no-preserve-root)(?:[ \t\r\n;&|*`'\"]|$)", 0.95),
    _Rule("pipe_to_shell", r"\b(?:curl|wget)[ \t][^\r\n|]{1,200}\|[ \t]*(?:sudo[ \t]+)?(?:ba|z|da)?sh\b", 0.9),
    _Rule("fork_bomb", r":\(\)[ \t]*\{[ \t]*:[ \t]*\|[ \t]*:[ \t]*&[ \t]*\}", 0.95),
    _Rule("chmod_root", r"\bchmod[ \t]+(?:-[a-zA-Z]+[ \t]+)*0?777[ \t]+/", 0.9),
    _Rule("overwrite_device", r"\bdd[ \t][^\r\n]{0,120}of=/dev/(?:sd|nvme|hd|vd|disk)", 0.95),
    _Rule("make_filesystem", r"\bmkfs(?:\.[a-z0-9]+)?[ \t]+(?:-[^\r\n]+ )?/dev/", 0.9),
    _Rule("sql_drop", r"\b(?:drop[ \t\r\n]+(?:table|database|schema)|truncate[ \t\r\n]+table)[ \t\r\n]+[\w`\"]", 0.7),
    _Rule("sql_without_where", r"\b(?:delete[ \t\r\n]+from|update)[ \t\r\n]+[\w.`\"]+(?:[ \t\r\n]+set[ \t\r\n]|[ \t\r\n]*;|[ \t\r\n]*$)", 0.7),
    _Rule("eval_of_input", r"\b(?:eval|exec)[ \t]*\([^\r\n)]{0,80}(?:input[ \t]*\(|request\.|requests\.|argv|\.text\b|\.recv\()", 0.85),
    _Rule("unpickle_input", r"\b(?:c?pickle|dill|marshal)\.loads?[ \t]*\([^\r\n)]{0,80}(?:request|response|\.content|\.recv\(|body|socket)", 0.85),
    _Rule(
        "tls_unverified",
        r"\bverify[ \t]*=[ \t]*False\b|CERT_NONE\b|_create_unverified_context"
        r"|\brejectUnauthorized[ \t]*:[ \t]*false|InsecureSkipVerify[ \t]*:[ \t]*true",
        0.8,
    ),
    _Rule(
        "tls_unverified_shell",
        r"\bcurl[ \t]+(?:[^\r\n|]{0,80}[ \t])?(?:-k|--insecure)[ \t]"
        r"|NODE_TLS_REJECT_UNAUTHORIZED[ \t]*=[ \t]*['\"]?0",
        0.7,
    ),
    _Rule("credential", r"\b(?:password|passwd|secret|api_?key|access_?token)[ \t]*[:=][ \t]*['\"][^'\"\r\n<>{}$ ]{6,80}['\"]", 0.6),
)
_WITHOUT_WHERE = next(index for index, rule in enumerate(_RULES) if rule.name == "sql_without_where")
_PLACEHOLDERS = ("your", "example", "changeme", "xxxx", "****", "placeholder", "dummy", "...")


class CodeCheck(PatternCheck):
    """Finds commands that destroy, code that runs what it is sent, and switched-off verification. A warning: honest answers show such code too."""

    name = "code"
    is_pure = True
    needs_match = True
    reach: int | None = REACH_CHARACTERS
    view: ViewName = "plain"
    # The lengths of the middle parts are held to in `confirm`: bounded repeats are too large for automata that tell the start.
    patterns: Sequence[Pattern] = tuple(
        Pattern(
            rule.expression.replace(r"\b", "").replace("{1,200}", "+").replace("{6,80}", "+").replace("{0,120}", "*").replace("{0,80}", "*"),
            ignore_case=True,
        )
        for rule in _RULES
    )

    def confirm(self, text: GuardText, matches: Sequence[Match]) -> Sequence[Finding]:
        """The findings among the matches: at the start of a word, not too long, and for SQL without a condition."""
        plain, found = text.plain.text, []
        for match in matches:
            rule, start, end = _RULES[match.pattern], match.start, match.end
            if end - start > REACH_CHARACTERS:
                continue
            if start and plain[start].isalnum() and (plain[start - 1].isascii() and plain[start - 1].isalnum()):
                continue
            if match.pattern == _WITHOUT_WHERE and _has_where(plain, start):
                continue
            if rule.name == "credential" and any(word in plain[start:end].lower() for word in _PLACEHOLDERS):
                continue
            found.append(Finding(self.name, f"code.{rule.name}", *text.plain.span(start, end), rule.confidence, "dangerous if run"))
        return found


def _has_where(plain: str, start: int) -> bool:
    statement = plain[start : start + STATEMENT_CHARACTERS_MAX].lower()
    return "where" in statement.partition(";")[0]
