"""Who may read what, plainly and slowly, from what was done: it asks neither the product's tables nor its code."""

from __future__ import annotations

from dataclasses import dataclass, field

from ondol.infrastructure.access.types import SecurityClass

CLASSES: tuple[SecurityClass, ...] = ("public", "internal", "confidential", "restricted")
GROUPS = ("one", "two", "three")
ATTRIBUTES = (("department", "sales"), ("department", "support"), ("region", "kr"), ("region", "us"))
READERS = ("ann", "bob", "cho")


@dataclass(frozen=True, slots=True)
class Rule:
    """A document's rule: its class, groups by number, and clauses of attributes by number."""

    security_class: int = 0
    groups: frozenset[int] = frozenset()
    clauses: tuple[frozenset[int], ...] = ()

    def front_matter(self) -> str:
        """As it stands in a file."""
        lines = [f"class: {CLASSES[self.security_class]}"]
        if self.groups:
            lines.append(f"groups: [{', '.join(GROUPS[group] for group in sorted(self.groups))}]")
        if self.clauses:
            lines.append(f"access: {self.access}")
        return "\n".join(lines)

    @property
    def access(self) -> str:
        """Its clauses as they are written; empty when there are none."""
        return " and ".join(_clause(clause) for clause in self.clauses)


def _clause(clause: frozenset[int]) -> str:
    """Of values of two attributes only those of the first can stand in one clause."""
    name = ATTRIBUTES[min(clause)][0]
    return f"{name} in ({', '.join(ATTRIBUTES[value][1] for value in sorted(clause) if ATTRIBUTES[value][0] == name)})"


@dataclass
class Reader:
    """A person as they are now."""

    clearance: int = 0
    groups: frozenset[int] = frozenset()
    attributes: frozenset[int] = frozenset()
    is_disabled: bool = False


@dataclass
class Rights:
    """All readers, and which groups are members of which."""

    readers: list[Reader] = field(default_factory=lambda: [Reader() for _ in READERS])
    members: dict[int, frozenset[int]] = field(default_factory=dict)

    def may_read(self, who: int, rule: Rule) -> bool:
        """Whether a reader may read what a rule guards."""
        reader = self.readers[who]
        belongs = set(reader.groups)
        for _ in GROUPS:
            belongs |= {outer for outer, inner in self.members.items() if inner & belongs}
        meets = all(_values(clause) & reader.attributes for clause in rule.clauses)
        is_member = not rule.groups or bool(rule.groups & belongs)
        return not reader.is_disabled and rule.security_class <= reader.clearance and is_member and meets


def _values(clause: frozenset[int]) -> frozenset[int]:
    name = ATTRIBUTES[min(clause)][0]
    return frozenset(value for value in clause if ATTRIBUTES[value][0] == name)
