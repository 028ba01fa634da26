"""The parsers on public files, where those are at hand.

They are found by the environment variable ONDOL_TEST_DATA, by default in ``../shared/data`` beside the repository.
"""

from __future__ import annotations

import html
import os
import re
from collections import Counter
from pathlib import Path

import pytest

from ondol.application.knowledge.frontmatter import read_metadata
from ondol.application.knowledge.parsing import SUPPORTED_SUFFIXES, parse
from ondol.application.knowledge.passages import cut_passages
from ondol.application.knowledge.types import ParsedDocument
from ondol.core.errors import UnreadableDocument
from tests.application.knowledge.parsing.checks import sound

ROOT = Path(__file__).parents[4]
DEMO = ROOT / "src" / "ondol" / "demo" / "documents"
DATA = Path(os.environ.get("ONDOL_TEST_DATA") or ROOT.parent / "shared" / "data")
DOCLING = DATA / "files-docling" / "tests" / "data"

# The least share of the words of the published Markdown that must be found in our text, over all files of a format. What is missing: charts
# and LaTeX of formulas (docx), repeated spans (html), and in right-to-left and Korean PDFs words that the two join differently.
RECALL_MIN = {"docx": 0.94, "html": 0.96, "md": 0.999, "pdf": 0.95}


def folder(path: Path) -> Path:
    if not path.is_dir():
        pytest.skip("the public test data is not on this machine (set ONDOL_TEST_DATA to its folder)")
    return path


def read(path: Path) -> ParsedDocument:
    return sound(parse(path.name, path.read_bytes()))


def words(text: str) -> Counter[str]:
    return Counter(re.findall(r"\w+", text))


def words_of_markdown(text: str) -> Counter[str]:
    for pattern in (r"<!--.*?-->", r"!\[[^\]]*\]\([^)]*\)", r"\]\([^)]*\)", r"<[^>\n]+>", r"\\"):
        text = re.sub(pattern, "", text, flags=re.DOTALL)
    return words(html.unescape(text))


@pytest.mark.parametrize("name", ["k8s-docs", "docs-letsencrypt", "docs-basecamp-policies"])
def test_documentation_sites(name: str) -> None:
    """Every third page parses, its foreign front matter is accepted, and no markup is left in its prose."""
    pages = sorted(folder(DATA / name).rglob("*.md"))[::3]
    left_over = wrong_language = 0
    for page in pages:
        document = read(page)
        read_metadata(document.metadata)
        assert all(passage.end - passage.start <= 1200 for passage in cut_passages(document))
        prose = [document.text[block.start : block.end] for block in document.blocks if block.kind != "code"]
        left_over += sum(1 for text in prose if re.search(r"\{\{[<%]|<!--|</(?:td|div|span|p)>", re.sub(r"`[^`]*`", "", text)))
        wrong_language += document.language not in (None, "ko" if "/ko/" in page.as_posix() else "en")
    assert (left_over, wrong_language) == (0, 0)


@pytest.mark.parametrize("kind", RECALL_MIN)
def test_words_are_found_again(kind: str) -> None:
    found = total = 0
    for truth in sorted(folder(DOCLING / kind / "groundtruth").glob("*.md")):
        name = truth.name.removesuffix(".md") + (".pdf" if kind == "pdf" else "")
        source = DOCLING / kind / "sources" / name
        if source.is_file():
            expected = words_of_markdown(truth.read_text(encoding="utf-8"))
            found += sum((words(read(source).text) & expected).values())
            total += sum(expected.values())
    assert total > 500
    assert found / total >= RECALL_MIN[kind]


def test_all_files_are_read_or_refused() -> None:
    refused = []
    for path in sorted(folder(DOCLING).rglob("*")):
        if path.suffix in SUPPORTED_SUFFIXES:
            try:
                cut_passages(read(path))
            except UnreadableDocument:
                refused.append(path.name)
    assert refused == ["2206.01062_pg3.pdf"]  # it needs a password


@pytest.mark.parametrize("suffix", [".pdf", ".docx"])
def test_demo_files_equal_their_sources(suffix: str) -> None:
    """The demo's PDF and DOCX files were made from Markdown: all their headings, paragraphs, items and rows come back."""
    sources = sorted((ROOT / "demo_sources").rglob(f"*{suffix}.md"))
    if not sources:
        pytest.skip("the sources of the demo documents are not part of this copy")
    for source in sources:
        made = DEMO / source.relative_to(ROOT / "demo_sources").with_suffix("")
        assert blocks(read(made)) == blocks(read(source)), made.name


def blocks(document: ParsedDocument) -> list[tuple[str, str]]:
    return [(block.kind, document.text[block.start : block.end]) for block in document.blocks]


def test_demo_documents() -> None:
    paths = [path for path in sorted(DEMO.rglob("*")) if path.suffix in (".md", ".html")]
    assert paths
    for path in paths:
        document = read(path)
        metadata = read_metadata(document.metadata)
        assert metadata.key
        assert metadata.language == document.language == path.relative_to(DEMO).parts[0]
        assert metadata.security_class is not None
        assert cut_passages(document)
