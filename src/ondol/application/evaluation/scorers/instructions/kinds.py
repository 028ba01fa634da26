"""The kinds of instructions, by their ids: each tells of an answer whether it follows.

Ids and arguments are those of IFEval (Zhou et al. 2023). The rules are its too, with these differences: words are looked for as they stand and never
as regular expressions, a Korean word that is forbidden is found with its particles, sentences are those of Ondol's own rules, and languages are told
by letters and common words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import TypeAlias

from ondol.application.evaluation.scorers.instructions import korean
from ondol.application.evaluation.scorers.instructions.arguments import Arguments, BadArgument
from ondol.application.evaluation.scorers.instructions.language import LANGUAGES, is_in
from ondol.application.knowledge.sentences import split_sentences

Kind: TypeAlias = Callable[[str, Arguments], bool]

OPTIONS = ("My answer is yes.", "My answer is no.", "My answer is maybe.")
"""What IFEval constrains answers to where an instruction names no options."""

_WORD = re.compile(r"\w+")
_WORD_WITH_MARKS = re.compile(r"[^\W_](?:[\w'’.-]*[^\W_])?")
_PLACEHOLDER = re.compile(r"\[[^\[\]\n]*\]")
_HIGHLIGHT = re.compile(r"\*([^\n*]*)\*")
_STRONG = re.compile(r"\*\*([^\n*]*)\*\*")
_DIVIDER = re.compile(r"\s?\*\*\*\s?")
_NUMBERED = re.compile(r"[ \t]*\d{1,4}[.)][ \t]")
_HANGUL = re.compile("[가-힣]")
_FENCES = ("```json", "```Json", "```JSON", "```")


def kind_of(instruction: str) -> Kind | None:
    """The kind of an id, with or without its language in front (`en:`, `ko:`); None where it is not known."""
    if instruction in KINDS:
        return KINDS[instruction]
    language, _, rest = instruction.partition(":")
    return KINDS.get(rest) if language in ("en", "ko") and not rest.startswith("ko:") else None


def _has_keywords(text: str, told: Arguments) -> bool:
    folded = text.casefold()
    return all(word.casefold() in folded for word in told.texts("keywords"))


def _counts_keyword(text: str, told: Arguments) -> bool:
    return told.compares(text.casefold().count(told.text("keyword").casefold()), "relation", "frequency")


def _avoids_words(text: str, told: Arguments) -> bool:
    folded = text.casefold()
    for word in (word.casefold() for word in told.texts("forbidden_words")):
        if word in folded if _HANGUL.search(word) else re.search(rf"(?<!\w){re.escape(word)}(?!\w)", folded):
            return False
    return True


def _counts_letter(text: str, told: Arguments) -> bool:
    return told.compares(text.lower().count(told.text("letter").lower()), "let_relation", "let_frequency")


def _is_in_language(text: str, told: Arguments) -> bool:
    language = told.text("language")
    if language not in LANGUAGES:
        raise BadArgument(f"`language` is one of {', '.join(sorted(LANGUAGES))}")
    return is_in(language, text)


def _counts_sentences(text: str, told: Arguments) -> bool:
    return told.compares(len(split_sentences(text)), "relation", "num_sentences")


def _counts_words(text: str, told: Arguments) -> bool:
    return told.compares(len(_WORD.findall(text)), "relation", "num_words")


def _counts_paragraphs(text: str, told: Arguments) -> bool:
    """Divided by `***`; an empty part is allowed at the ends only."""
    parts = [part.strip() for part in _DIVIDER.split(text)]
    return all(parts[1:-1]) and sum(map(bool, parts)) == told.whole("num_paragraphs")


def _begins_paragraph(text: str, told: Arguments) -> bool:
    """Divided by empty lines; the first word of one of them, up to its punctuation."""
    parts = text.split("\n\n")
    total, number = sum(bool(part.strip()) for part in parts), told.whole("nth_paragraph")
    if not 0 < number <= total or not parts[number - 1].strip():
        return False
    word = re.split(r"[.,?!'\"]", parts[number - 1].split()[0].lstrip("'").lstrip('"'), maxsplit=1)[0].lower()
    return total == told.whole("num_paragraphs") and word == told.text("first_word").lower()


def _counts_placeholders(text: str, told: Arguments) -> bool:
    return len(_PLACEHOLDER.findall(text)) >= told.whole("num_placeholders")


def _has_postscript(text: str, told: Arguments) -> bool:
    marker = told.text("postscript_marker")
    spaced = {"P.P.S": r"p\.\s?p\.\s?s", "P.S.": r"p\.\s?s\."}.get(marker, re.escape(marker.lower()))
    return re.search(spaced, text.lower()) is not None


def _counts_bullets(text: str, told: Arguments) -> bool:
    lines = [line.lstrip() for line in text.splitlines()]
    return sum(line.startswith("-") or (line.startswith("*") and line[1:2] not in ("", "*")) for line in lines) == told.whole("num_bullets")


def _counts_numbered(text: str, told: Arguments) -> bool:
    return sum(_NUMBERED.match(line) is not None for line in text.splitlines()) == told.whole("num_items")


def _is_an_option(text: str, told: Arguments) -> bool:
    return any(option in text for option in told.texts("options", OPTIONS))


def _counts_highlights(text: str, told: Arguments) -> bool:
    """`*so*`; `**so**` counts by itself too, as IFEval has it."""
    found = [part for pattern in (_HIGHLIGHT, _STRONG) for part in pattern.findall(text)]
    return sum(bool(part.strip()) for part in found) >= told.whole("num_highlights")


def _counts_sections(text: str, told: Arguments) -> bool:
    return len(re.findall(re.escape(told.text("section_spliter")) + r"\s?\d+", text)) >= told.whole("num_sections")


def _is_json(text: str, _told: Arguments) -> bool:
    text = text.strip()
    text = next((text.removeprefix(fence) for fence in _FENCES if text.startswith(fence)), text).removesuffix("```")
    try:
        json.loads(text.strip())
    except (ValueError, RecursionError):
        return False
    return True


def _has_title(text: str, _told: Arguments) -> bool:
    """`<<so>>`, within a line."""
    for line in text.splitlines():
        start, end = line.find("<<"), line.rfind(">>")
        if 0 <= start < end - 2 and line[start:end].strip("<> \t"):
            return True
    return False


def _has_two_responses(text: str, _told: Arguments) -> bool:
    parts = [part.strip() for part in text.split("******")]
    given = [part for part in parts if part]
    return all(parts[1:-1]) and len(given) == 2 and given[0] != given[1]


def _repeats_prompt(text: str, told: Arguments) -> bool:
    return text.strip().lower().startswith(told.text("prompt_to_repeat").lower())


def _ends_with(text: str, told: Arguments) -> bool:
    return text.strip().strip('"').lower().endswith(told.text("end_phrase").lower())


def _is_quoted(text: str, _told: Arguments) -> bool:
    text = text.strip()
    return len(text) > 1 and (text[0], text[-1]) in (('"', '"'), ("“", "”"))


def _is_capital(text: str, _told: Arguments) -> bool:
    return text.isupper() and is_in("en", text)


def _is_lowercase(text: str, _told: Arguments) -> bool:
    return text.islower() and is_in("en", text)


def _counts_capitals(text: str, told: Arguments) -> bool:
    found = sum(word.isupper() for word in _WORD_WITH_MARKS.findall(text))
    return told.compares(found, "capital_relation", "capital_frequency")


def _has_no_comma(text: str, _told: Arguments) -> bool:
    return not any(comma in text for comma in (",", "，", "、"))


KINDS: Mapping[str, Kind] = {
    "change_case:capital_word_frequency": _counts_capitals,
    "change_case:english_capital": _is_capital,
    "change_case:english_lowercase": _is_lowercase,
    "combination:repeat_prompt": _repeats_prompt,
    "combination:two_responses": _has_two_responses,
    "detectable_content:number_placeholders": _counts_placeholders,
    "detectable_content:postscript": _has_postscript,
    "detectable_format:constrained_response": _is_an_option,
    "detectable_format:json_format": _is_json,
    "detectable_format:multiple_sections": _counts_sections,
    "detectable_format:number_bullet_lists": _counts_bullets,
    "detectable_format:number_highlighted_sections": _counts_highlights,
    "detectable_format:number_numbered_lists": _counts_numbered,
    "detectable_format:title": _has_title,
    "keywords:existence": _has_keywords,
    "keywords:forbidden_words": _avoids_words,
    "keywords:frequency": _counts_keyword,
    "keywords:letter_frequency": _counts_letter,
    "language:response_language": _is_in_language,
    "length_constraints:nth_paragraph_first_word": _begins_paragraph,
    "length_constraints:number_paragraphs": _counts_paragraphs,
    "length_constraints:number_sentences": _counts_sentences,
    "length_constraints:number_words": _counts_words,
    "punctuation:no_comma": _has_no_comma,
    "startend:end_checker": _ends_with,
    "startend:quotation": _is_quoted,
    "ko:endings:formal": korean.ends_formally,
    "ko:endings:plain": korean.ends_plainly,
    "ko:endings:polite": korean.ends_politely,
    "ko:length_constraints:number_characters": korean.counts_characters,
    "ko:length_constraints:number_syllables": korean.counts_syllables,
    "ko:letters:hangul_only": korean.is_hangul_only,
    "ko:letters:no_hanja": korean.has_no_hanja,
    "ko:startend:acrostic": korean.is_acrostic,
}
"""By id, without the language in front; those of Korean alone keep theirs."""
