"""The demo documents: complete in both languages, readable, consistent, and naming nobody real."""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ondol.application.knowledge.frontmatter import split_front_matter
from ondol.demo import documents_folder, golden_folder, tenant_file

if TYPE_CHECKING:
    from tests.demo.conftest import DemoDocuments

SOURCES = Path(__file__).resolve().parents[2] / "demo_sources"
SUFFIXES = (".md", ".html", ".pdf", ".docx")
SIDECAR = ".meta.yaml"

DOCUMENTATION_NETWORKS = tuple(ipaddress.ip_network(name) for name in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32"))
OTHER_ADDRESSES = frozenset({"0.0.0.0", "127.0.0.1"})
PHONES = frozenset({"1577-0000", "02-0000-0000", "010-1234-5678"})
"""The last is the one that everybody gives as an example."""
OTHER_HOSTS = frozenset({"letsencrypt.org"})
"""The issuer that a CAA record names; it belongs to the technology and not to the story."""

_TOP_LEVEL = "com|net|org|io|kr|dev|info|biz|co|cloud|host|hosting|app|site|shop|me|ai|jp|de|uk|eu|us"
_HOST = re.compile(rf"(?<![\w.-])(?:[a-z0-9_-]+\.)+(?:{_TOP_LEVEL})\b(?!\.\w)", re.I | re.A)
_LINK = re.compile(r"(?:https?:)?//([^/\s\"'<>)]+)|@((?:[\w-]+\.)+[a-z][\w-]*)", re.A)
_IPV4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.]*\d)")
_IPV6 = re.compile(r"(?<![\w:])(?:[0-9a-f]{1,4}:){2,}[0-9a-f:]*", re.I)
_PHONE = re.compile(r"(?<![\d-])(?:\d{2,4}-\d{3,4}-\d{4}|1[5-9]\d\d-\d{4}|\+\d[\d -]{7,}\d)(?![\d-])")


def words(name: str) -> dict[str, str]:
    """The written sources of everything that is published, by path: the files as text, and for PDF and DOCX their Markdown."""
    files = [path for folder in (documents_folder(), golden_folder(), SOURCES, tenant_file().parent) for path in folder.rglob(name)]
    return {str(path): path.read_text(encoding="utf-8") for path in sorted(set(files))}


WRITTEN = {**words("*.md"), **words("*.html"), **words("*.jsonl"), **words("*.yaml")}


@pytest.mark.parametrize("language", ["ko", "en"])
def test_each_language_has_enough_documents_of_every_format(documents: DemoDocuments, language: str) -> None:
    own = [document for document in documents.all if document.metadata.language == language]
    assert len({document.id for document in own}) >= 60
    assert {document.path.suffix for document in own} == set(SUFFIXES)
    assert len([document for document in own if document.metadata.groups is not None]) >= 10
    assert len([document for document in own if document.expired]) >= 4
    assert len([document for document in own if document.valid and document is not documents.current(document.id)]) >= 4
    assert [(document.id, document.version) for document in own if not document.begun] == [(f"{language}/price-list", 4)]


def test_both_languages_say_the_same_about_every_document(documents: DemoDocuments) -> None:
    def described(language: str) -> set[tuple[object, ...]]:
        return {
            (
                document.path.relative_to(documents_folder() / language),
                document.id.removeprefix(f"{language}/"),
                document.version,
                document.metadata.valid_from,
                document.metadata.valid_until,
                document.metadata.security_class,
                document.metadata.groups,
            )
            for document in documents.all
            if document.metadata.language == language
        }

    assert described("ko") == described("en")


def test_metadata_is_complete_and_fits_the_path(documents: DemoDocuments) -> None:
    for document in documents.all:
        language, _topic, name = document.path.relative_to(documents_folder()).parts
        assert document.metadata.language == language, document.path
        assert document.id == f"{language}/{name.partition('.')[0]}", document.path
        assert document.metadata.title and document.metadata.security_class, document.path
        assert (document.metadata.security_class == "public") == (document.metadata.groups is None), document.path
        assert len(document.text) > 300, document.path


def test_no_two_files_are_the_same_version(documents: DemoDocuments) -> None:
    counted = Counter((document.id, document.version) for document in documents.all)
    assert [key for key, count in counted.items() if count > 1] == []


def test_groups_are_those_of_the_askers(documents: DemoDocuments) -> None:
    groups = {group for document in documents.all for group in document.metadata.groups or ()}
    assert groups == {"support-staff", "billing-team", "security-team", "operations"}


def test_every_document_that_has_begun_without_being_replaced_or_expired_is_current(documents: DemoDocuments) -> None:
    """Each id has one current version, or has expired as a whole."""
    for key in {document.id for document in documents.all}:
        assert documents.current(key) is not None or all(document.expired for document in documents.of(key)), key


def test_nothing_changes_between_the_demo_and_2099(documents: DemoDocuments) -> None:
    quiet_from, quiet_until = datetime(2026, 11, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC)
    for document in documents.all:
        for moment in (document.metadata.valid_from, document.metadata.valid_until):
            assert moment is None or moment < quiet_from or moment >= quiet_until, document.path


def test_only_reserved_hosts_are_named() -> None:
    for path, text in WRITTEN.items():
        named = {match[0] for match in _HOST.finditer(text)} | {match[1] or match[2] for match in _LINK.finditer(text)}
        wrong = {host for host in named if not host.partition(":")[0].endswith(".example") and host not in OTHER_HOSTS}
        assert wrong == set(), path


def test_only_documentation_addresses_are_named() -> None:
    for path, text in WRITTEN.items():
        for written in {match[0] for pattern in (_IPV4, _IPV6) for match in pattern.finditer(text)}:
            address = ipaddress.ip_address(written)
            assert written in OTHER_ADDRESSES or any(address in network for network in DOCUMENTATION_NETWORKS), (path, written)


def test_only_reserved_phone_numbers_are_named() -> None:
    for path, text in WRITTEN.items():
        assert {match[0] for match in _PHONE.finditer(text)} <= PHONES, path


def test_the_guards_above_see_what_they_should() -> None:
    sample = "//cdn.real.com/x, someone@real.co.kr, www.real.io, 8.8.8.8, 2001:4860:4860::8888, 010-1234-5678, 1588-1234 .co.kr 02:00~05:00:01 4.2.2"
    assert {match[0] for match in _HOST.finditer(sample)} == {"cdn.real.com", "real.co.kr", "www.real.io"}
    assert {match[1] or match[2] for match in _LINK.finditer(sample)} == {"cdn.real.com", "real.co.kr"}
    assert [match[0] for match in _IPV4.finditer(sample)] == ["8.8.8.8"]
    assert [match[0] for match in _IPV6.finditer(sample)][:1] == ["2001:4860:4860::8888"]
    assert [match[0] for match in _PHONE.finditer(sample)] == ["010-1234-5678", "1588-1234"]


def test_english_prices_in_dollars_follow_the_fixed_rate() -> None:
    seen = 0
    for path, text in WRITTEN.items():
        for won, dollars in re.findall(r"KRW ([\d,]+) \(USD ([\d,.]+)\)", text):
            seen += 1
            exact = Decimal(won.replace(",", "")) / 1400
            assert Decimal(dollars.replace(",", "")) == exact.quantize(Decimal("0.1"), ROUND_HALF_UP), (path, won, dollars)
    assert seen > 100


def test_style_is_uniform() -> None:
    """A percentage has no space; in Korean a unit follows its number without one."""
    for path, text in WRITTEN.items():
        if not path.endswith(".jsonl"):
            assert re.findall(r"\d %", text) == [], path
            assert "/ko/" not in path or re.findall(r"\d (?:GB|MB|TB|Gbps)\b", text) == [], path


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


@pytest.mark.parametrize("source", sorted(SOURCES.rglob("*.md")), ids=lambda path: path.relative_to(SOURCES).as_posix())
def test_pdf_and_docx_are_rendered_from_their_present_sources(documents: DemoDocuments, source: Path) -> None:
    metadata, body = split_front_matter(source.read_text(encoding="utf-8"))
    target = documents_folder() / source.relative_to(SOURCES).with_suffix("")
    (document,) = [document for document in documents.all if document.path == target]
    sidecar, rest = split_front_matter(f"---\n{target.with_name(target.name + SIDECAR).read_text(encoding='utf-8')}---\n")
    assert (sidecar, rest) == (metadata, "")
    assert target.stat().st_size < 120_000
    plain = re.sub(r"^#+ |^[-|: ]+$|\*\*|`", "", body, flags=re.MULTILINE)
    found = squeezed(document.text)
    pieces = [piece for line in plain.splitlines() for piece in line.strip(" |").split("|")]
    missing = [piece for piece in pieces for word in re.sub(r"^\s*(?:- |\d+\. )", "", piece).split() if word not in found]
    assert missing == [], "run scripts/render_demo_documents.py after a change of demo_sources"


def test_every_pdf_and_docx_has_a_source() -> None:
    files = [path for suffix in (".pdf", ".docx") for path in documents_folder().rglob(f"*{suffix}")]
    made = {path.relative_to(documents_folder()).as_posix() + ".md" for path in files}
    assert made == {path.relative_to(SOURCES).as_posix() for path in SOURCES.rglob("*.md")}
