"""Documents for people: docx and html. A row is a document or a part of one; each is read in Python, one at a time."""

import zipfile
from collections.abc import Iterator
from typing import BinaryIO
from xml.etree import ElementTree

from care_data.entries import File
from care_data.errors import CareError, Exit
from care_data.rows import Batch, Collector, Wanted

_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
MAX_XML = 256 << 20
"""Bytes a document's XML may have."""


def read_docx(stream: BinaryIO, file: File, wanted: Wanted) -> Iterator[Batch]:
    """One row: `text`, the paragraphs in order, and `title`, the first that is not blank.

    Text boxes stand in the XML twice, for new and for old programs: the old form is left out. So is deleted text.
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
    except ElementTree.ParseError as error:
        raise CareError(f"its XML is broken ({error})", fix="Fetch it again.", code=Exit.INTEGRITY) from error
    paragraphs: list[list[str]] = []
    _walk(root, paragraphs, [])
    texts = ["".join(parts) for parts in paragraphs]
    columns = {"text": "\n".join(texts), "title": next((text.strip() for text in texts if text.strip()), None)}
    rows = Collector(wanted, names=set(columns))
    rows.add([columns.get(name) for name in wanted], len(data))
    yield rows.take()


def _walk(element: ElementTree.Element, paragraphs: list[list[str]], current: list[str]) -> None:
    """Gather paragraphs in the order they open; one inside another (a text box) stands by itself, after it."""
    if element.tag == _FALLBACK:
        return
    if element.tag == f"{_WORD}p":
        current = []
        paragraphs.append(current)
    elif element.tag == f"{_WORD}t":
        current.append(element.text or "")
    elif element.tag == f"{_WORD}tab":
        current.append("\t")
    elif element.tag in (f"{_WORD}br", f"{_WORD}cr"):
        current.append("\n")
    for child in element:
        _walk(child, paragraphs, current)


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
