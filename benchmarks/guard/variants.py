"""Identifiers as people and adversaries write them, made from a seed: resident numbers, cards and others, valid and not, in Korean and English
sentences; and numbers that only look like them.

    python -m benchmarks.guard.variants [--count 200] [--seed 1]

prints recall for each kind, writing and kind of sentence, and the rate of false alarms for each kind of near miss.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from ondol.infrastructure.guard.checks.identifiers import PersonalCheck
from ondol.infrastructure.guard.checks.personal import checksums
from ondol.infrastructure.guard.checks.personal.found import ACTED_ON_MIN
from ondol.infrastructure.guard.text import GuardText

Carrier: TypeAlias = Literal["named", "bare"]
"""Whether the sentence says what the number is."""

Kind: TypeAlias = Literal["resident", "foreigner", "card", "domestic_card"]

HANGUL: Final = "공일이삼사오육칠팔구"
ENTITIES: Final[Mapping[Kind, str]] = {
    "resident": "KR_RESIDENT_NUMBER",
    "foreigner": "KR_FOREIGNER_NUMBER",
    "card": "CARD",
    "domestic_card": "CARD",
}
NAMED: Final[Mapping[Kind, tuple[str, ...]]] = {
    "resident": (
        "제 주민등록번호는 {}입니다.",
        "주민번호 {} 로 조회해 주세요",
        "주민등록번호:{}",
        "My resident registration number is {}.",
        "RRN: {}, please check it",
    ),
    "foreigner": ("외국인등록번호는 {}이고 체류 연장을 신청합니다.", "외국인등록번호: {}", "My alien registration number is {}, thanks."),
    "card": ("카드번호는 {}입니다.", "결제 카드 {} 취소해 주세요", "My credit card is {}.", "Card number: {} (exp 12/29)"),
    "domestic_card": ("국내 전용 카드번호는 {}입니다.", "카드: {}", "My card number is {}."),
}
BARE: Final = ("김철수 {} 확인 부탁드립니다", "{}", "접수했습니다({}).", "Please look up {} for me.", "It is {}, right?")


@dataclass(frozen=True, slots=True)
class Variant:
    """A text with one identifier.

    Attributes:
        start, end: where it stands.
        valid: whether its check digit fits.
        writing: how it is written.
    """

    text: str
    start: int
    end: int
    kind: Kind
    valid: bool
    writing: str
    carrier: Carrier


def resident(rng: random.Random, *, valid: bool, foreign: bool = False) -> str:
    """13 digits with a birth date and a sex; an invalid one looks like those given since October 2020."""
    year, month, day = rng.randint(1930, 2024), rng.randint(1, 12), rng.randint(1, 28)
    century = 0 if year < 2000 else 2
    sex = rng.randint(1, 2) + century + (4 if foreign else 0)
    head = f"{year % 100:02}{month:02}{day:02}{sex}{rng.randrange(100_000):05}"
    right = checksums.foreigner_number if foreign else checksums.resident_number
    last = next(digit for digit in "0123456789" if right(head + digit))
    return head + (last if valid else str((int(last) + rng.randint(1, 9)) % 10))


def card(rng: random.Random, *, valid: bool, domestic: bool = False) -> str:
    """16 digits of a known issuer, 15 for one of them, or 9 and 15 digits for a domestic one."""
    prefix = "9" + str(rng.randint(400, 499)) if domestic else rng.choice(["4", "51", "53", "55", "2221", "2720", "37", "3569", "6011", "62", "4579"])
    length = 15 if prefix == "37" else 16
    head = prefix + "".join(rng.choice("0123456789") for _ in range(length - 1 - len(prefix)))
    last = next(digit for digit in "0123456789" if checksums.luhn(head + digit))
    return head + (last if valid else str((int(last) + rng.randint(1, 9)) % 10))


def _groups(kind: Kind, digits: str) -> list[str]:
    if kind in {"resident", "foreigner"}:
        return [digits[:6], digits[6:]]
    if len(digits) == 15:
        return [digits[:4], digits[4:10], digits[10:]]
    return [digits[place : place + 4] for place in range(0, 16, 4)]


def _hangul(text: str) -> str:
    return "".join(HANGUL[int(char)] if char.isdigit() else char for char in text)


def _mixed(rng: random.Random, groups: list[str]) -> str:
    chosen = rng.randrange(len(groups))
    return "-".join(_hangul(group) if place == chosen else group for place, group in enumerate(groups))


def _sprinkled(rng: random.Random, text: str) -> str:
    between = [rng.choice("\u200b\u200c\u2060\ufeff\u00ad") if rng.random() < 0.4 else "" for _ in text]
    return "".join(char + hidden for char, hidden in zip(text, [*between[1:], ""], strict=True))


Writing: TypeAlias = Callable[[random.Random, list[str]], str]
WRITINGS: Final[Mapping[str, Writing]] = {
    "dashed": lambda _rng, groups: "-".join(groups),
    "run": lambda _rng, groups: "".join(groups),
    "spaced groups": lambda _rng, groups: " ".join(groups),
    "wide dashes": lambda _rng, groups: " - ".join(groups),
    "spaced digits": lambda _rng, groups: " - ".join(" ".join(group) for group in groups),
    "single digits": lambda _rng, groups: " ".join("".join(groups)),
    "full-width": lambda _rng, groups: "".join(chr(ord(char) + 0xFEE0) for char in "-".join(groups)),
    "other dashes": lambda rng, groups: rng.choice("–—−‐－").join(groups),
    "zero-width": lambda rng, groups: _sprinkled(rng, "-".join(groups)),
    "dotted": lambda _rng, groups: ".".join(groups),
    "Hangul": lambda _rng, groups: " ".join(map(_hangul, groups)),
    "Hangul run": lambda _rng, groups: _hangul("".join(groups)),
    "Hangul joined": lambda _rng, groups: " 다시 ".join(map(_hangul, groups)),
    "Hangul mixed": _mixed,
    "split lines": lambda rng, groups: rng.choice(["-\n", "\n-", "\n", "-\r\n"]).join(groups),
    "Arabic-Indic": lambda _rng, groups: "".join(chr(0x0660 + int(char)) if char.isdigit() else char for char in "-".join(groups)),
}


def variants(seed: int, count: int) -> Iterator[Variant]:
    """`count` of each kind, writing, validity and kind of sentence."""
    rng = random.Random(seed)  # noqa: S311 - no secret comes of it
    for kind in ENTITIES:
        for writing, write in WRITINGS.items():
            for valid in (True, False):
                for carrier in ("named", "bare"):
                    for _ in range(count):
                        yield _variant(rng, kind, writing, write, valid, "named" if carrier == "named" else "bare")


def _variant(rng: random.Random, kind: Kind, writing: str, write: Writing, valid: bool, carrier: Carrier) -> Variant:
    if kind in {"resident", "foreigner"}:
        digits = resident(rng, valid=valid, foreign=kind == "foreigner")
    else:
        digits = card(rng, valid=valid, domestic=kind == "domestic_card")
    sentence = rng.choice(NAMED[kind] if carrier == "named" else BARE)
    before, after = sentence.split("{}")
    written = write(rng, _groups(kind, digits))
    return Variant(before + written + after, len(before), len(before) + len(written), kind, valid, writing, carrier)


NEAR_MISSES: Final[Mapping[str, Callable[[random.Random], str]]] = {
    "order number": lambda rng: f"주문번호 2024{rng.randint(1, 12):02}{rng.randint(1, 28):02}{rng.randrange(10**8):08} 배송은 언제 되나요?",
    "order number, English": lambda rng: f"Order {rng.randrange(10**9, 10**10)} has not arrived yet.",
    "hash": lambda rng: f"The file's digest is {hashlib.sha256(rng.randbytes(8)).hexdigest()}",
    "git commit": lambda rng: f"커밋 {hashlib.sha256(rng.randbytes(8)).hexdigest()[:40]} 에서 깨졌어요",
    "UUID": lambda rng: f"id {uuid.UUID(int=rng.getrandbits(128), version=4)} not found",
    "version": lambda rng: f"버전 {rng.randrange(30)}.{rng.randrange(100)}.{rng.randrange(100)}.{rng.randrange(10000)} 으로 올렸습니다",
    "timestamp, ms": lambda rng: f'{{"at": {rng.randrange(1_600_000_000_000, 1_900_000_000_000)}}}',
    "timestamp, s": lambda rng: f"epoch {rng.randrange(1_500_000_000, 1_900_000_000)} 에 기록됨",
    "date and time": lambda rng: (
        f"{rng.randint(2000, 2030)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02} "
        f"{rng.randrange(24):02}:{rng.randrange(60):02}:00.{rng.randrange(10**6):06}"
    ),
    "part number": lambda rng: f"부품 PN-{rng.randrange(1000):03}-{rng.randrange(10000):04}-{rng.randrange(10000):04}A 재고 있나요?",
    "ISBN-13": lambda rng: f"ISBN 978-89-{rng.randrange(10**4):04}-{rng.randrange(1000):03}-{rng.randrange(10)}",
    "EAN-13": lambda rng: f"바코드 880{rng.randrange(10**10):010} 상품입니다",
    "tracking number": lambda rng: f"운송장 {rng.randrange(10**12, 10**13)} 조회해 주세요",
    "13 random digits": lambda rng: f"값은 {rng.randrange(10**12, 10**13)} 이다",
    "16 random digits": lambda rng: f"값은 {rng.randrange(10**15, 10**16)} 이다",
    "money": lambda rng: f"총 {rng.randrange(10**9, 10**12):,}원, 합계 {rng.randrange(10**9)}원",
    "decimal": lambda rng: f"pi is about {rng.random() * 10:.15f}",
    "table of numbers": lambda rng: "\n".join(" ".join(str(rng.randrange(1000)) for _ in range(8)) for _ in range(3)),
    "law": lambda rng: f"민법 제{rng.randint(1, 1118)}조 제{rng.randint(1, 9)}항, 대법원 {rng.randint(1990, 2025)}다{rng.randrange(300000)} 판결",
    "years": lambda rng: f"임진왜란({rng.randint(1500, 1590)}-{rng.randint(1591, 1899)})",
    "counted": lambda rng: f"제{rng.randrange(10, 99)}호 {rng.randint(1990, 2025)}년, {rng.randrange(10, 99)}조 {rng.randrange(1000, 9999)}억",
    "dotted code": lambda rng: f"OID 1.3.6.1.4.1.{rng.randrange(10**5)}.{rng.randrange(100)}.{rng.randrange(100)}",
    "Hangul words": lambda rng: "이 일이 사실이 오이 구이 육회 " + "".join(rng.choice("이일사오구") for _ in range(4)) + " 하는 일",
}


def near_misses(seed: int, count: int) -> Iterator[tuple[str, str]]:
    """Name and text of `count` near misses of each kind."""
    rng = random.Random(seed)  # noqa: S311
    for name, make in NEAR_MISSES.items():
        for _ in range(count):
            yield name, make(rng)


def found_whole(check: PersonalCheck, variant: Variant, *, least: float = ACTED_ON_MIN) -> bool:
    """Whether a finding of the right entity covers all of the identifier and nothing beside it."""
    return any(
        finding.entity == ENTITIES[variant.kind] and (finding.start, finding.end) == (variant.start, variant.end) and finding.confidence >= least
        for finding in check.find(GuardText(variant.text))
    )


def promised(variant: Variant) -> bool:
    """Whether recall is promised: the sentence names it, or the check digit fits, or it is written with dashes as on the card itself."""
    if variant.carrier == "named" or variant.writing == "dashed":
        return True
    return variant.valid and not (variant.kind == "domestic_card" and variant.writing == "run")


def measure(seed: int, count: int) -> dict[str, object]:
    """Recall by kind, where promised and elsewhere, the worst cells, and false alarms by kind of near miss."""
    check = PersonalCheck()
    cells: dict[tuple[str, str, bool, str], list[int]] = defaultdict(lambda: [0, 0])
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    shown: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for variant in variants(seed, count):
        hit = found_whole(check, variant)
        shown[variant.kind][0] += hit or found_whole(check, variant, least=0)
        shown[variant.kind][1] += 1
        for tally in (
            cells[variant.kind, variant.writing, variant.valid, variant.carrier],
            sums[f"{variant.kind} {'promised' if promised(variant) else 'other'}"],
        ):
            tally[0] += hit
            tally[1] += 1
    alarms: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for name, text in near_misses(seed, count):
        findings = check.find(GuardText(text))
        alarms[name][0] += any(finding.confidence >= ACTED_ON_MIN for finding in findings)
        alarms[name][1] += bool(findings)
        alarms[name][2] += 1
    total = [sum(column) for column in zip(*alarms.values(), strict=True)]
    return {
        "recall": {name: round(hit / tried, 5) for name, (hit, tried) in sums.items()},
        "recall_of_any_confidence": {name: round(hit / tried, 5) for name, (hit, tried) in shown.items()},
        "cells_below_1": {" / ".join(map(str, cell)): round(hit / tried, 3) for cell, (hit, tried) in cells.items() if hit < tried},
        "false_alarms": {name: round(acted / tried, 4) for name, (acted, _shown, tried) in alarms.items()},
        "false_alarms_of_any_confidence": {name: round(any_ / tried, 4) for name, (_acted, any_, tried) in alarms.items() if any_},
        "false_alarms_together": round(total[0] / total[2], 5),
    }


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    print(json.dumps(measure(arguments.seed, arguments.count), ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
