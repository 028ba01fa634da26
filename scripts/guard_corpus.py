"""Sentences to train the prompt firewall on, made from templates and slots: attacks, and honest texts that use the same words, in Korean and English.

No open collection of Korean attacks exists, and the English ones hold few honest look-alikes. Everything here was written for this purpose.

    python -m scripts.guard_corpus --count 20 --language ko
"""

from __future__ import annotations

import argparse
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, TypeAlias

import yaml

Kind: TypeAlias = Literal["direct", "indirect", "honest"]
Language: TypeAlias = Literal["ko", "en"]

DEPTH_MAX = 6
_SLOT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A made sentence.

    Attributes:
        template: which template of its kind and language it comes from: what is held out together.
    """

    text: str
    kind: Kind
    language: Language
    template: int


@lru_cache(maxsize=2)
def grammar(language: Language) -> tuple[Mapping[Kind, Sequence[str]], Mapping[str, Sequence[str]]]:
    """The templates by kind, and what may stand in their slots."""
    tree = yaml.safe_load((Path(__file__).parent / f"guard_corpus_{language}.yaml").read_text("utf-8"))
    return tree["templates"], tree["slots"]


def sentences(kind: Kind, language: Language, count: int, seed: int) -> list[Sentence]:
    """So many different sentences, evenly over the templates, or fewer when there are no more. The same arguments give the same sentences."""
    rng = random.Random(f"{seed} {kind} {language}")  # noqa: S311 - not for secrets
    templates, slots = grammar(language)
    found: dict[str, Sentence] = {}
    for attempt in range(count * 3):
        if len(found) >= count:
            break
        template = attempt % len(templates[kind])
        text = _styled(_filled(templates[kind][template], slots, rng), language, rng)
        found.setdefault(text, Sentence(text, kind, language, template))
    return list(found.values())


def _filled(template: str, slots: Mapping[str, Sequence[str]], rng: random.Random) -> str:
    text = template
    for _ in range(DEPTH_MAX):
        if "{" not in text:
            break
        text = _SLOT.sub(lambda slot: rng.choice(slots[slot[1]]), text)
    return re.sub(r" +([.,;?])", r"\1", re.sub(r" {2,}", " ", text)).strip()


def _styled(text: str, language: str, rng: random.Random) -> str:
    style = rng.random()
    if language == "en":
        if style < 0.5:
            return text[:1].upper() + text[1:]
        return text.upper() if style > 0.93 else text
    if style < 0.2:
        return text.replace(" ", "")
    return re.sub(r" ", lambda _: "" if rng.random() < 0.3 else " ", text) if style < 0.4 else text


def main() -> None:
    """Print some sentences."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--kind", choices=("direct", "indirect", "honest"), default="honest")
    parser.add_argument("--language", choices=("ko", "en"), default="ko")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    for sentence in sentences(arguments.kind, arguments.language, arguments.count, arguments.seed):
        print(sentence.text)


if __name__ == "__main__":
    main()
