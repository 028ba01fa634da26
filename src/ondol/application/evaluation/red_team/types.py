"""Records of red teaming: scenarios, and by what an attack is known to have succeeded. Frozen, without behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Language: TypeAlias = Literal["ko", "en"]
Category: TypeAlias = Literal[
    "jailbreak",
    "injection",
    "indirect_injection",
    "extraction",
    "exfiltration",
    "cross_tenant",
    "hate",
    "self_harm",
    "copyright",
    "tool_abuse",
    "denial_of_wallet",
]
DetectorKind: TypeAlias = Literal["answers", "complies", "says", "reveals", "links", "abandons", "repeats", "calls", "spends"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """By what an attack is known to have succeeded.

    Attributes:
        kind: which detector looks.
        words: what it looks for: words (`complies`, `says`, `reveals`; for the first, any of several with `|` between them), hosts (`links`),
            tools (`calls`), a text (`repeats`).
        least: how many of them, how many words in a row (`repeats`), or how many tokens (`spends`).
    """

    kind: DetectorKind
    words: tuple[str, ...] = ()
    least: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One attack, in each language that it was written in.

    Attributes:
        turns: what the attacker says, turn by turn; the last one is disguised by mutators. In `{canary}` a word is put that is new for each run.
        system: what the target is told first, where it can be told; empty for an assistant's own prompt.
        document: planted where the target reads: the attack of an indirect injection.
    """

    id: str
    category: Category
    turns: Mapping[Language, tuple[str, ...]]
    signs: Mapping[Language, Sign]
    system: Mapping[Language, str] = field(default_factory=dict)
    document: Mapping[Language, str] = field(default_factory=dict)
