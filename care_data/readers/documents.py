"""Documents for people: docx and html. A row is a document or a part of one; each is read in Python, one at a time."""

import zipfile
from collections.abc import Iterator
from typing import BinaryIO
from xml.etree import ElementTree

from care_data.entries import File
from care_data.errors import CareError, Exit
from care_data.rows import Batch, Collector, Wanted

_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_MATH_TEXT = "{http://schemas.openxmlformats.org/officeDocument/2006/math}t"
_TWICE = {"{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback", f"{_WORD}moveFrom"}
"""What stands in the XML a second time: a text box for old programs, a passage where it was before it was moved."""
_SIGNS = {f"{_WORD}tab": "\t", f"{_WORD}br": "\n", f"{_WORD}cr": "\n", f"{_WORD}noBreakHyphen": "-"}
MAX_XML = 256 << 20
"""Bytes a document's XML may have."""


def read_docx(stream: BinaryIO, file: File, wanted: Wanted) -> Iterator[Batch]:
    """One row: `text`, the paragraphs in order, a line each, and `title`, the first that is not blank.

    A row of a table is one line, ` | ` between its cells. Text boxes stand in the XML twice, for new and for old
    programs: the old form is left out. So is deleted text.
    """
    try:
        with zipfile.ZipFile(stream) as archive:
            info = archive.getinfo("word/document.xml")
            if info.file_size > MAX_XML:
                raise CareError("the document is too large", fix="It is refused.", code=Exit.LIMIT)
            data = archive.read(info)
    except (KeyError, zipfile.BadZipFile) as error:
        raise CareError(f"no whole docx ({error})", fix="Fetch it again.", code=Exit.INTEGRITY) from error
    if b"<!DOCTYPE" in data[:4096]:
        raise CareError("the document declares a DTD, as no docx does", fix="It is refused.", code=Exit.INTEGRITY)
    try:
        root = ElementTree.fromstring(data)  # noqa: S314  without a DTD there is nothing to expand
        texts = _lines(root)
    except ElementTree.ParseError as error:
        raise CareError(f"its XML is broken ({error})", fix="Fetch it again.", code=Exit.INTEGRITY) from error
    except RecursionError:
        raise CareError("its XML is nested too deeply", fix="It is refused.", code=Exit.INTEGRITY) from None
    columns = {"text": "\n".join(texts), "title": next((text.strip() for text in texts if text.strip()), None)}
    rows = Collector(wanted, names=set(columns))
    rows.add([columns.get(name) for name in wanted], len(data))
    yield rows.take()


def _lines(element: ElementTree.Element) -> list[str]:
    """The paragraphs and table rows inside an element, in order."""
    lines: list[list[str]] = []
    for child in element:
        _walk(child, lines, [])
    return ["".join(parts) for parts in lines]


def _walk(element: ElementTree.Element, lines: list[list[str]], current: list[str]) -> None:
    """Gather paragraphs in the order they open; one inside another (a text box) stands by itself, after it."""
    if element.tag in _TWICE:
        return
    if element.tag == f"{_WORD}tr":
        cells = [" ".join(" ".join(_lines(cell)).split("\n")).strip() for cell in _cells(element)]
        while cells and not cells[-1]:
            cells.pop()
        lines.append([" | ".join(cells)])
        return
    if element.tag == f"{_WORD}p":
        current = []
        lines.append(current)
    elif element.tag in (f"{_WORD}t", _MATH_TEXT):
        current.append(element.text or "")
    elif element.tag in _SIGNS:
        current.append(_SIGNS[element.tag])
    for child in element:
        _walk(child, lines, current)


def _cells(row: ElementTree.Element) -> Iterator[ElementTree.Element]:
    """The cells of a table row, those inside a content control too."""
    for child in row:
        if child.tag == f"{_WORD}tc":
            yield child
        else:
            yield from _cells(child)


def read_html(stream: BinaryIO, file: File, wanted: Wanted) -> Iterator[Batch]:
    """One row for each element at `at` (a CSS selector; the body by default): `title`, a heading, and `text`."""
    from selectolax.lexbor import LexborHTMLParser

    data = stream.read()
    try:
        page = LexborHTMLParser(data.decode(file.encoding))
    except UnicodeDecodeError as error:
        rows = Collector(wanted, names={"text", "title"})
        rows.add_bad("bad_encoding", f"byte 0x{data[error.start]:02X} at {error.start} is not {file.encoding}", "")
        yield rows.take()
        return
    rows = Collector(wanted, names={"text", "title"})
    for node in page.css(file.at or "body"):
        heading = node.css_first("h1, h2, h3, h4, h5, h6")
        title = heading.text(strip=True) if heading else None
        if heading:
            heading.decompose()
        columns = {"title": title, "text": _blocks(node)}
        rows.add([columns.get(name) for name in wanted], len(data))
    yield rows.take()


_BREAKS = "p, div, br, li, tr, dd, dt, blockquote"


def _blocks(node: object) -> str:
    """The text of an element, a line for each block in it."""
    for block in node.css(_BREAKS):  # type: ignore[attr-defined]
        block.insert_before("\n")
    text: str = node.text()  # type: ignore[attr-defined]
    return "\n".join(line.strip() for line in text.split("\n") if line.strip())
