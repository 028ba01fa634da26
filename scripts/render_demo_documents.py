"""Render the demo tenant's PDF and DOCX documents from their Markdown sources.

A maintainer runs this after a change below ``demo_sources``, and commits what it writes; users and CI never need it. A source
``<language>/<topic>/<name>.pdf.md`` becomes ``src/ondol/demo/documents/<language>/<topic>/<name>.pdf`` with its front matter in
``<name>.pdf.meta.yaml`` beside it; ``.docx.md`` likewise. The same source gives the same bytes with the same Chromium and fonts.

Needs Chromium and the NanumBarunGothic fonts (Debian: ``chromium`` and ``fonts-nanum``; the fonts are under the SIL Open Font License 1.1,
and a subset of them is embedded in every PDF).
"""

from __future__ import annotations

import argparse
import html
import io
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal

import docx
import yaml
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Pt
from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from ondol.application.knowledge.frontmatter import split_front_matter

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "demo_sources"
DOCUMENTS = ROOT / "src" / "ondol" / "demo" / "documents"
FONTS = Path("/usr/share/fonts/truetype/nanum")

CHROMIUM_TIMEOUT_SECONDS = 60
PDF_BYTES_MAX = 120_000
UNDATED = date(2026, 1, 1)
"""The date in the properties of a file whose source has no `valid_from`."""

COMPANY = {"ko": "두루빛나루", "en": "Durubitnaru Hosting"}
FOOT = {
    "ko": "두루빛나루 · 대표 전화 1577-0000 · help.durubitnaru.example",
    "en": "Durubitnaru Hosting · Help line 1577-0000 · help.durubitnaru.example",
}

Markdown = MarkdownIt("commonmark", {"html": False}).enable("table")

PAGE = """<!DOCTYPE html>
<html lang="{language}"><head><meta charset="utf-8"><title>{title}</title><style>
@font-face {{ font-family: Page; font-weight: 400; src: url("{fonts}/NanumBarunGothic.ttf"); }}
@font-face {{ font-family: Page; font-weight: 700; src: url("{fonts}/NanumBarunGothicBold.ttf"); }}
@page {{
  size: A4; margin: 26mm 21mm 24mm;
  @top-left {{ content: "{company}"; font: 700 8pt Page; color: #24634f; }}
  @top-right {{ content: "{title}"; font: 400 8pt Page; color: #666; }}
  @bottom-left {{ content: "{foot}"; font: 400 7.5pt Page; color: #666; }}
  @bottom-right {{ content: counter(page) " / " counter(pages); font: 400 8pt Page; color: #666; }}
}}
body {{ font: 400 10.5pt/1.65 Page; color: #1c1c1c; margin: 0; word-break: keep-all; overflow-wrap: anywhere; }}
h1 {{ font-size: 20pt; line-height: 1.3; margin: 0 0 6mm; padding-bottom: 3mm; border-bottom: 0.6mm solid #24634f; }}
h2 {{ font-size: 13.5pt; line-height: 1.35; margin: 7mm 0 2mm; break-after: avoid; }}
p, ul, ol {{ margin: 0 0 2.5mm; }} ul, ol {{ padding-left: 6mm; }} li {{ margin: 0 0 1mm; }}
table {{ border-collapse: collapse; width: 100%; margin: 2mm 0 4mm; font-size: 9.5pt; line-height: 1.45; }}
th, td {{ border: 0.2mm solid #9aa5a0; padding: 1.6mm 2.4mm; text-align: left; vertical-align: top; }}
th {{ background: #e9f1ed; }} tr {{ break-inside: avoid; }}
</style></head><body>
{body}
</body></html>
"""


@dataclass(frozen=True, slots=True)
class Source:
    """One Markdown source. `metadata` is its front matter, `target` the file that it becomes."""

    path: Path
    target: Path
    kind: Literal["pdf", "docx"]
    metadata: Mapping[str, Any]
    body: str

    @property
    def language(self) -> str:
        """``ko`` or ``en``."""
        return str(self.metadata["language"])

    @property
    def dated(self) -> date:
        """The date in the file's properties; fixed, so that the same source gives the same bytes."""
        value: date = self.metadata.get("valid_from", UNDATED)
        return value


def read_sources() -> list[Source]:
    """All sources by path."""
    sources: list[Source] = []
    for path in sorted(SOURCES.rglob("*.md")):
        target = DOCUMENTS / path.relative_to(SOURCES).with_suffix("")
        metadata, body = split_front_matter(path.read_text(encoding="utf-8"))
        match target.suffix:
            case ".pdf":
                sources.append(Source(path, target, "pdf", metadata, body))
            case ".docx":
                sources.append(Source(path, target, "docx", metadata, body))
            case _:
                sys.exit(f"{path} must end in .pdf.md or .docx.md.")
    return sources


def render_pdf(source: Source, chromium: str, fonts: Path) -> bytes:
    """Print the source as Chromium prints a page."""
    page = PAGE.format(
        language=source.language,
        title=html.escape(str(source.metadata["title"])),
        company=COMPANY[source.language],
        foot=FOOT[source.language],
        fonts=fonts.as_uri(),
        body=Markdown.render(source.body),
    )
    with tempfile.TemporaryDirectory(prefix="render-demo-") as folder:
        page_path, pdf_path = Path(folder, "page.html"), Path(folder, "page.pdf")
        page_path.write_text(page, encoding="utf-8")
        command = [
            chromium,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--no-pdf-header-footer",
            "--disable-pdf-tagging",  # tags are numbered anew at every run, so the same page would give other bytes
            f"--user-data-dir={folder}/profile",
            f"--print-to-pdf={pdf_path}",
            page_path.as_uri(),
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=CHROMIUM_TIMEOUT_SECONDS)
        printed = pdf_path.read_bytes()
    stamp = f"{source.dated:D:%Y%m%d}000000+00'00'".encode()
    # As long as what it replaces, so that the offsets of the cross-reference table stay true.
    fixed, count = re.subn(rb"(/(?:CreationDate|ModDate) \()D:\d{14}\+00'00'(?=\))", rb"\g<1>" + stamp, printed)
    if count != 2 or len(fixed) != len(printed):
        sys.exit(f"{source.path}: the PDF's dates are not where they were expected.")
    return fixed


def render_docx(source: Source) -> bytes:
    """Write the source with Word's own headings, lists and tables."""
    document = docx.Document()
    _set_fonts(document)
    _set_properties(document, source)
    _add_head_and_foot(document, source)
    for node in SyntaxTreeNode(Markdown.parse(source.body)).children:
        match node.type:
            case "heading":
                _add_runs(document.add_heading("", level=int(node.tag[1:])), node.children[0])
            case "paragraph":
                _add_runs(document.add_paragraph(), node.children[0])
            case "bullet_list" | "ordered_list":
                _add_list(document, node)
            case "table":
                _add_table(document, node)
            case _:
                sys.exit(f"{source.path}: a {node.type} is not supported here.")
    _drop_thumbnail(document)
    saved = io.BytesIO()
    document.save(saved)
    return _without_times(saved.getvalue())


def _set_fonts(document: Any) -> None:
    for name in ("Normal", "Title", *(f"Heading {level}" for level in range(1, 4))):
        style = document.styles[name]
        style.font.name = "NanumBarunGothic"
        fonts = style.element.get_or_add_rPr().get_or_add_rFonts()
        for key in [key for key in fonts.attrib if key.endswith("Theme")]:
            del fonts.attrib[key]
        fonts.set(qn("w:eastAsia"), "NanumBarunGothic")
    document.styles["Normal"].font.size = Pt(10.5)


def _set_properties(document: Any, source: Source) -> None:
    properties = document.core_properties
    properties.title = str(source.metadata["title"])
    properties.author = properties.last_modified_by = COMPANY[source.language]
    properties.language = source.language
    properties.comments = ""
    properties.revision = int(source.metadata["version"])
    properties.created = properties.modified = datetime(source.dated.year, source.dated.month, source.dated.day, tzinfo=UTC)


def _add_head_and_foot(document: Any, source: Source) -> None:
    section = document.sections[0]
    section.header.paragraphs[0].add_run(f"{COMPANY[source.language]}\t\t{source.metadata['title']}").font.size = Pt(8)
    foot = section.footer.paragraphs[0]
    foot.add_run(f"{FOOT[source.language]}\t\t").font.size = Pt(8)
    for instruction, before in (("PAGE", ""), ("NUMPAGES", " / ")):
        if before:
            foot.add_run(before).font.size = Pt(8)
        field = OxmlElement("w:fldSimple")
        field.set(qn("w:instr"), instruction)
        foot._p.append(field)


def _add_runs(paragraph: Any, inline: SyntaxTreeNode, *, bold: bool = False) -> None:
    for node in inline.children:
        if node.type in ("strong", "em"):
            for inner in node.children:
                run = paragraph.add_run(inner.content)
                run.bold, run.italic = bold or node.type == "strong" or None, node.type == "em" or None
        elif node.type == "softbreak":
            paragraph.add_run(" ")
        elif node.type in ("text", "code_inline"):
            run = paragraph.add_run(node.content)
            run.bold = bold or None
            if node.type == "code_inline":
                run.font.name = "NanumGothicCoding"
        else:
            sys.exit(f"A {node.type} is not supported in a DOCX source.")


def _add_list(document: Any, node: SyntaxTreeNode) -> None:
    ordered = node.type == "ordered_list"
    style = document.styles["List Number" if ordered else "List Bullet"]
    numbering = document.part.numbering_part.element
    number_id = style.element.pPr.numPr.numId.val
    if ordered:
        # The style's own numbering would go on from one list to the next.
        number = numbering.add_num(numbering.num_having_numId(number_id).abstractNumId.val)
        number.add_lvlOverride(ilvl=0).add_startOverride(1)
        number_id = number.numId
    for item in node.children:
        if [child.type for child in item.children] != ["paragraph"]:
            sys.exit("A list item of a DOCX source holds one paragraph.")
        paragraph = document.add_paragraph(style=style)
        properties = paragraph._p.get_or_add_pPr().get_or_add_numPr()
        properties.get_or_add_ilvl().val = 0
        properties.get_or_add_numId().val = number_id
        _add_runs(paragraph, item.children[0].children[0])


def _add_table(document: Any, node: SyntaxTreeNode) -> None:
    rows = [row for part in node.children for row in part.children]
    table = document.add_table(rows=len(rows), cols=len(rows[0].children), style="Table Grid")
    for line, row in zip(table.rows, rows, strict=True):
        for cell, content in zip(line.cells, row.children, strict=True):
            _add_runs(cell.paragraphs[0], content.children[0], bold=content.type == "th")
    header = OxmlElement("w:tblHeader")
    table.rows[0]._tr.get_or_add_trPr().append(header)
    document.add_paragraph()


def _drop_thumbnail(document: Any) -> None:
    """python-docx's template brings a picture of an empty page."""
    relations = document.part.package.rels
    for key in [key for key, relation in relations.items() if relation.reltype.endswith("/thumbnail")]:
        del relations[key]


def _without_times(package: bytes) -> bytes:
    """The same ZIP file with every member dated 1980-01-01."""
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(package)) as old, zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(zipfile.ZipInfo(name), old.read(name), zipfile.ZIP_DEFLATED)
    return written.getvalue()


def main() -> None:
    """Render everything, or the sources whose path holds one of the given words."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("words", nargs="*", help="render only sources whose path holds one of these")
    parser.add_argument("--chromium", default="chromium", help="the browser's command (default: chromium)")
    parser.add_argument("--fonts", type=Path, default=FONTS, help=f"the folder of the NanumBarunGothic fonts (default: {FONTS})")
    options = parser.parse_args()
    if not (options.fonts / "NanumBarunGothicBold.ttf").is_file():
        sys.exit(f"The NanumBarunGothic fonts are not in {options.fonts}. On Debian: apt install fonts-nanum.")
    for source in read_sources():
        if options.words and not any(word in str(source.path) for word in options.words):
            continue
        data = render_pdf(source, options.chromium, options.fonts) if source.kind == "pdf" else render_docx(source)
        if source.kind == "pdf" and len(data) > PDF_BYTES_MAX:
            sys.exit(f"{source.target.name} has {len(data):,} bytes, more than {PDF_BYTES_MAX:,}.")
        source.target.write_bytes(data)
        sidecar = yaml.safe_dump(dict(source.metadata), allow_unicode=True, sort_keys=False, default_flow_style=False)
        source.target.with_name(source.target.name + ".meta.yaml").write_text(sidecar, encoding="utf-8")
        print(f"{len(data):>8,}  {source.target.relative_to(DOCUMENTS)}")


if __name__ == "__main__":
    main()
