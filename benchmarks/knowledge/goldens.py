"""The golden questions: whether the page is found, whether the answer is right, and whether what is cited bears it.

Asked are the questions of `golden_k8s.toml` over the Kubernetes documentation, which nobody tunes on, and the demo tenant's golden questions,
each as its asker; those that are closed to the asker are for `benchmarks.answers`, which counts leaks. The built-in extractive model answers,
so no network is needed.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.answers.base import REAL, Base, Quoted, Told, open_base
from benchmarks.answers.questions import Language, Question, Verdict, accepts, golden, is_of, judge
from benchmarks.data import data_folder
from ondol.application.evaluation.statistics.rates import Rate, difference, wilson
from ondol.application.knowledge.parsing import parse
from ondol.application.knowledge.search import Evidence
from ondol.core.errors import UserError

K8S = "k8s"
OTHER_WORDS = "k8s, other words"
K8S_UNANSWERABLE = "k8s unanswerable"
FIRST = 5
OTHER_PAGES_QUICK = 40
"""In the quick form so many pages stand beside those that hold the answers, drawn by the seed."""
SEED = 23
FOUND_COLUMNS = "in 1  in 5  page  read  cited: bear the answer"
GOLDEN_K8S = Path(__file__).with_name("golden_k8s.toml")


@dataclass(frozen=True, slots=True)
class Seen:
    """A question with what was found and said.

    Attributes:
        page_at: the place of the first passage of a named page among the first `FIRST` that a search finds, from 1; 0 if there is none.
        answer_at: the same of the first that holds the answer as well.
        read: whether one of the passages that the assistant reads is such a one.
    """

    question: Question
    told: Told
    verdict: Verdict
    page_at: int = 0
    answer_at: int = 0
    read: bool = False


def k8s_questions(file: Path = GOLDEN_K8S) -> list[Question]:
    """The questions of `golden_k8s.toml`, those that cannot be answered last; each page that is named was found to hold the answer.

    Raises:
        DataAbsent: when the documentation is not on this machine.
        UserError: when a page is not there, or does not hold the answer.
    """
    questions = read_questions(file)
    texts = {page: _text(page) for page in sorted({page for question in questions for page in question.documents})}
    for question in questions:
        for page in question.documents:
            if not accepts(question, texts[page]):
                raise UserError(f"{page} does not hold the answer to: {question.text}", f"Correct `accept` or `pages` in {file.name}.")
    return questions


def read_questions(file: Path = GOLDEN_K8S) -> list[Question]:
    """The questions as they are written."""
    raw = tomllib.loads(file.read_text("utf-8"))
    languages: tuple[Language, ...] = ("ko", "en")
    held = [_question(language, item) for language in languages for item in raw[language]]
    return held + [Question(K8S_UNANSWERABLE, item["language"], item["ask"], (), answerable=False) for item in raw["unanswerable"]]


def _question(language: Language, item: Mapping[str, Any]) -> Question:
    pages = tuple(item["pages"])
    accept = tuple(tuple(group) for group in item["accept"])
    return Question(OTHER_WORDS if item.get("other_words") else K8S, language, item["ask"], accept, pages, assistant=REAL, documents=pages)


def _text(page: str) -> str:
    file = data_folder("k8s-docs") / "content" / page
    if not file.is_file():
        raise UserError(f"There is no page {page}.", "Correct `pages`.")
    return parse(page, file.read_bytes()).text


def measure(*, quick: bool) -> dict[str, Any]:
    """Ask every golden question, and count.

    Args:
        quick: over a part of the Kubernetes documentation.
    """
    questions = k8s_questions()
    pages = _pages(questions, quick=quick)
    with tempfile.TemporaryDirectory(prefix="ondol-benchmark-") as temporary:
        Path(temporary).chmod(0o711)
        return {"k8s_pages": len(pages), **figures(asyncio.run(ask_all(Path(temporary, "data"), questions, pages)))}


async def ask_all(folder: Path, questions: Sequence[Question], pages: Sequence[str]) -> list[Seen]:
    """Ask these questions and the demo's.

    Args:
        folder: for the installation's data.
        pages: of the Kubernetes documentation.
    """
    async with open_base(folder, with_korquad=False, pages=pages) as base:
        return [await _see(base, question) for question in (*questions, *golden()) if not question.hidden]


def _pages(questions: Sequence[Question], *, quick: bool) -> list[str]:
    """All pages; in the quick form those that hold answers, and others drawn by the seed."""
    content = data_folder("k8s-docs") / "content"
    every = sorted(file.relative_to(content).as_posix() for file in content.rglob("*.md"))
    if not quick:
        return every
    named = {page for question in questions for page in question.documents}
    others = [page for page in every if page not in named]
    return sorted(named) + random.Random(SEED).sample(others, OTHER_PAGES_QUICK)  # noqa: S311 - drawn the same each time


async def _see(base: Base, question: Question) -> Seen:
    told = await base.ask(question.assistant, question.text, question.asker)
    verdict = judge(question, told)
    if not question.answerable:
        return Seen(question, told, verdict)
    found = await base.find(question.assistant, question.text, FIRST, question.asker)
    read = await base.read(question.assistant, question.text, question.asker)
    return Seen(
        question, told, verdict, _place(found, lambda item: _is_named(question, item.version.details.path)),
        _place(found, lambda item: _answers(question, item)), any(_answers(question, item) for item in read),
    )  # fmt: skip


def _place(found: Sequence[Evidence], wanted: Callable[[Evidence], bool]) -> int:
    return next((place for place, item in enumerate(found, start=1) if wanted(item)), 0)


def _is_named(question: Question, path: str) -> bool:
    return any(is_of(path, document) for document in question.documents)


def _answers(question: Question, item: Evidence) -> bool:
    return _is_named(question, item.version.details.path) and accepts(question, item.text)


def bears(question: Question, source: Quoted) -> bool:
    """Whether a source bears the answer: it is from a named page, or what is quoted of it holds the accepted words."""
    return _is_named(question, source.path) or accepts(question, "\n".join(source.quotes))


def figures(seen: Sequence[Seen]) -> dict[str, Any]:
    """What `ask_all` saw, by name: the figures of both sets, and the rows of the table."""
    k8s = [item for item in seen if item.question.part in (K8S, OTHER_WORDS)]
    demo = [item for item in seen if item.question.part in ("golden answerable", "golden newest")]
    told = {"k8s": _told(k8s), "golden": _told(demo)}
    refusal = {
        "k8s_refusal": _share(seen, lambda item: item.verdict == "refused", K8S_UNANSWERABLE).value,
        "golden_refusal": _share(seen, lambda item: item.verdict == "refused", "golden unanswerable").value,
    }
    flat = {f"{name}_{key}": value for name, own in told.items() for key, value in own.items()} | refusal
    rounded = {key: round(value, 3) for key, value in flat.items()}
    parts = sorted({(item.question.part, item.question.language) for item in seen})
    rows = [
        _row(part, language, [item for item in seen if (item.question.part, item.question.language) == (part, language)]) for part, language in parts
    ]
    return {**rounded, "differences": {"k8s": _difference(k8s), "golden": _difference(demo)}, "goldens": rows}


def _told(seen: Sequence[Seen]) -> dict[str, float]:
    """The figures of questions that the documents answer."""
    return {
        "recall_at_1": _share(seen, lambda item: item.answer_at == 1).value,
        "recall_at_5": _share(seen, lambda item: item.answer_at > 0).value,
        "page_at_1": _share(seen, lambda item: item.page_at == 1).value,
        "page_at_5": _share(seen, lambda item: item.page_at > 0).value,
        "read": _share(seen, lambda item: item.read).value,
        "right": _share(seen, lambda item: item.verdict == "right").value,
        "over_refusal": _share(seen, lambda item: item.verdict == "refused").value,
        "citation_precision": _precision(seen).value,
        "language_difference": abs(_difference(seen)[0]),
    }


def _share(seen: Sequence[Seen], counts: Callable[[Seen], bool], part: str | None = None) -> Rate:
    own = [item for item in seen if part is None or item.question.part == part]
    return wilson(sum(map(counts, own)), len(own))


def _precision(seen: Sequence[Seen]) -> Rate:
    """Of the passages that are cited, those that bear the answer."""
    cited = [bears(item.question, source) for item in seen if item.verdict != "refused" for source in item.told.sources]
    return wilson(sum(cited), len(cited))


def _difference(seen: Sequence[Seen]) -> tuple[float, float, float]:
    """By how much more is answered rightly in Korean than in English, with its interval."""
    korean, english = (
        wilson(sum(item.verdict == "right" for item in own), len(own))
        for own in ([item for item in seen if item.question.language == language] for language in ("ko", "en"))
    )
    told, low, high = difference(korean, english)
    return round(told, 3), round(low, 3), round(high, 3)


def _row(part: str, language: Language, seen: Sequence[Seen]) -> dict[str, Any]:
    """One set in one language."""
    wanted: Verdict = "right" if seen[0].question.answerable else "refused"
    counts = {verdict: sum(item.verdict == verdict for item in seen) for verdict in ("right", "refused", "wrong")}
    row: dict[str, Any] = {"set": part, "language": language, **counts, "as_wanted": _share(seen, lambda item: item.verdict == wanted).as_dict()}
    if seen[0].question.answerable:
        places = {"at_1": sum(item.answer_at == 1 for item in seen), "at_5": sum(item.answer_at > 0 for item in seen)}
        row |= {**places, "page_at_5": sum(item.page_at > 0 for item in seen), "read": sum(item.read for item in seen)}
        row["cited"] = _precision(seen).as_dict()
    return row


def show(told: Mapping[str, Any]) -> None:
    """The table for people."""
    print(f"{'golden questions':24} {'':2} {'asked':>5} {'right':>6} {'refused':>8} {'wrong':>6}  {'as it should be':22} {FOUND_COLUMNS}")
    for row in told["goldens"]:
        wanted, cited = row["as_wanted"], row.get("cited")
        found = f"{row['at_1']:4} {row['at_5']:5} {row['page_at_5']:5} {row['read']:5}  {cited['found']} of {cited['texts']}" if cited else ""
        share = f"{wanted['rate']:.1%} ({wanted['low']:.1%} to {wanted['high']:.1%})"
        print(f"{row['set']:24} {row['language']:2} {wanted['texts']:5} {row['right']:6} {row['refused']:8} {row['wrong']:6}  {share:22} {found}")
    for name, (value, low, high) in told["differences"].items():
        print(f"{name}: Korean less English {value:+.1%} ({low:+.1%} to {high:+.1%})")
    print()
