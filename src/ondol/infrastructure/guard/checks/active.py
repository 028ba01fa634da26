"""Active content in what a person sends: HTML, script, SQL and shell fragments that would act if something took them for its own."""

from __future__ import annotations

import html
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ondol.infrastructure.guard.checks.base import PatternCheck, ViewName
from ondol.infrastructure.guard.patterns import Match, Pattern
from ondol.infrastructure.guard.text import GuardText
from ondol.infrastructure.guard.types import WHOLE_TEXT, Finding

FINDING_CHARACTERS_MAX = 400
IN_CODE_CONFIDENCE = 0.2
"""Of a finding inside a code fence or backticks: somebody shows code."""
TICKS_MAX = 2_000


@dataclass(frozen=True, slots=True)
class _Rule:
    name: str
    kind: Literal["HTML", "SCRIPT", "SQL", "SHELL"]
    expression: str
    confidence: float


_RULES = (
    _Rule("script_tag", "SCRIPT", r"<[/ ]*script[\s/>]", 0.9),
    _Rule("handler", "SCRIPT", r"<[a-z!/][^<>]*[\s/\"']on[a-z]+[ \t]*=[ \t]*[^\s>]", 0.9),
    _Rule("script_url", "SCRIPT", r"(?:javascript|vbscript):[ \t]*[a-z(]|data:text/html", 0.8),
    _Rule("frame_tag", "HTML", r"<(?:iframe|object|embed|applet|meta|base|link|form|svg|math)[\s/][^<>]*>?", 0.8),
    _Rule("tag", "HTML", r"<(?:a|img|div|span|style|video|audio|table|input|button)\s[^<>]*=[^<>]*>", 0.5),
    _Rule("sql_tautology", "SQL", r"['\"][ \t)]*(?:or|and|\|\|)[ \t(]+['\"]?\w+['\"]?[ \t]*(?:=|like)[ \t]*['\"]?\w", 0.85),
    _Rule("sql_stacked", "SQL", r"['\");][ \t]*;[ \t]*(?:drop|delete|insert|update|alter|truncate|exec|shutdown)[ \t]", 0.85),
    _Rule("sql_union", "SQL", r"['\")0-9][ \t]*(?:/\*[^*]*\*/)?[ \t]*union(?:[ \t]|/\*[^*]*\*/)+(?:all[ \t]+)?select[ \t]", 0.85),
    _Rule("sql_comment_end", "SQL", r"\w['\"][ \t]*(?:--|#)[ \t]*$", 0.7),
    _Rule("sql_sleep", "SQL", r"(?:pg_sleep|sleep|benchmark|waitfor[ \t]+delay)[ \t]*[('\"][ \t]*['\"]?[0-9]", 0.7),
    _Rule("shell_chain", "SHELL", r"(?:;|\|\|?|&&)[ \t]*(?:cat|rm|wget|curl|nc|bash|sh|chmod|id|whoami|python[0-9.]*|perl)[ \t]+[-/~$.h]", 0.8),
    _Rule("shell_substitution", "SHELL", r"\$\([ \t]*(?:cat|rm|wget|curl|nc|bash|sh|id|whoami)(?:[ \t]|\))", 0.8),
    _Rule("shell_rm", "SHELL", r"rm[ \t]+-(?:rf|fr)[ \t]+[/~$*.]", 0.7),
)


class ActiveCheck(PatternCheck):
    """Finds active content. What stands in a code fence or between backticks is found with a low confidence and the reason ``in code``."""

    name = "active"
    is_pure = True
    needs_match = True
    reach: int | None = WHOLE_TEXT  # whether something stands in code depends on a fence any distance before
    view: ViewName = "plain"
    patterns: Sequence[Pattern] = tuple(Pattern(rule.expression, ignore_case=True) for rule in _RULES)

    def confirm(self, text: GuardText, matches: Sequence[Match]) -> Sequence[Finding]:
        """The findings that the matches are, cut to `FINDING_CHARACTERS_MAX`."""
        if not matches:
            return []
        plain, found = text.plain.text, []
        edges = _code_edges(plain)
        for match in matches:
            rule = _RULES[match.pattern]
            start, end = match.start, min(match.end, match.start + FINDING_CHARACTERS_MAX)
            if rule.name == "shell_rm" and start and plain[start - 1].isalnum():
                continue
            in_code = bisect_right(edges, start) % 2 == 1
            confidence, reason = (IN_CODE_CONFIDENCE, "in code") if in_code else (rule.confidence, "active content")
            found.append(Finding(self.name, f"active.{rule.name}", *text.plain.span(start, end), confidence, reason, rule.kind))
        return found


def _code_edges(plain: str) -> list[int]:
    """Where code begins and ends, alternating: fences first, single backticks between them, which do not cross a line."""
    edges: list[int] = []
    position = 0
    while len(edges) < TICKS_MAX and (start := plain.find("`", position)) >= 0:
        fence = "```" if plain.startswith("```", start) else "`"
        line_end = plain.find("\n", start)
        end = plain.find(fence, start + len(fence), len(plain) if fence == "```" or line_end < 0 else line_end)
        if end < 0:
            if fence == "```":  # a fence never closed holds all that follows
                edges += [start, len(plain)]
                break
            position = start + 1
            continue
        edges += [start, end + len(fence)]
        position = end + len(fence)
    return edges


def stripped(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """A text without these spans, which may overlap."""
    return _changed(text, spans, escape=False)


def escaped(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """A text with the characters special to HTML at these spans as entities, so that they show and do nothing."""
    return _changed(text, spans, escape=True)


def _changed(text: str, spans: Sequence[tuple[int, int]], *, escape: bool) -> str:
    pieces, position = [], 0
    for start, end in sorted(spans):
        begin = max(start, position)
        if end <= begin:
            continue
        pieces += [text[position:begin], html.escape(text[begin:end]) if escape else ""]
        position = end
    return "".join(pieces) + text[position:]
