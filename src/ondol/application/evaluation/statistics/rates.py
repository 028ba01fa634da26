"""How sure a rate is that was counted."""

from __future__ import annotations

import math
from dataclasses import dataclass

Z_95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Rate:
    """So many of so many, with the interval that holds the true rate 95 times of 100."""

    found: int
    texts: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The rate itself; not a number when there are no texts."""
        return self.found / self.texts if self.texts else math.nan

    def as_dict(self) -> dict[str, float | int | None]:
        """For JSON: rounded, without what is not a number."""
        value = round(self.value, 4) if self.texts else None
        return {"found": self.found, "texts": self.texts, "rate": value, "low": round(self.low, 4), "high": round(self.high, 4)}


def wilson(found: int, texts: int, z: float = Z_95) -> Rate:
    """The score interval of a proportion (Wilson 1927), right for few texts and for rates near 0 and 1.

    Raises:
        ValueError: when more are found than there are.
    """
    if not 0 <= found <= texts:
        raise ValueError(f"{found} of {texts} is no proportion")
    if not texts:
        return Rate(0, 0, 0.0, 1.0)
    share = found / texts
    middle = (share + z * z / (2 * texts)) / (1 + z * z / texts)
    half = z / (1 + z * z / texts) * math.sqrt(share * (1 - share) / texts + z * z / (4 * texts * texts))
    return Rate(found, texts, max(0.0, middle - half), min(1.0, middle + half))


def difference(one: Rate, other: Rate) -> tuple[float, float, float]:
    """How much higher the first rate is, with its interval, made of the score intervals of both (Newcombe 1998)."""
    told = one.value - other.value
    below = math.hypot(one.value - one.low, other.high - other.value)
    above = math.hypot(one.high - one.value, other.value - other.low)
    return told, told - below, told + above
