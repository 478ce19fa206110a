"""Documents for people: docx and html. A row is a document or a part of one; each is read in Python, one at a time."""

import re
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO
from xml.etree import ElementTree

from care_data.entries import File
from care_data.errors import CareError, Exit
from care_data.readers.streams import HEAD, MAX_LINE, too_long
from care_data.rows import Batch, Collector, Wanted

_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_MATH_TEXT = "{http://schemas.openxmlformats.org/officeDocument/2006/math}t"
_SKIPPED = {
    "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback",  # a text box once more, for old programs
    f"{_WORD}moveFrom",  # a passage where it was before it was moved
    f"{_WORD}pPr",  # how a paragraph looks; the tab stops in it are named like tabs
}
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
    except (KeyError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise CareError(f"no whole docx ({error})", fix="Fetch it again.", code=Exit.INTEGRITY) from error
    if b"<!DOCTYPE" in data or b"\0" in data[:64]:  # or in UTF-16, where it would not be found
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
    if element.tag in _SKIPPED:
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
    """One row for each element at `at` (a CSS selector; the body by default): `title`, its first heading, and `text`.

    The text has a line for each block; line breaks of the source are space, or nothing between Chinese characters. What
    lies in another chosen element belongs to that one only.
    """
    from selectolax.lexbor import LexborHTMLParser

    data = stream.read(MAX_LINE + 1)
    rows = Collector(wanted, names={"text", "title"})
    if len(data) > MAX_LINE:
        rows.add_bad("too_long", too_long(0), data[:HEAD].decode(file.encoding, "replace"))
        yield rows.take()
        return
    try:
        page = LexborHTMLParser(data.decode(file.encoding))
    except UnicodeDecodeError as error:
        rows.add_bad("bad_encoding", f"byte 0x{data[error.start]:02X} at {error.start} is not {file.encoding}", "")
    else:
        chosen = page.css(file.at or "body")
        others = {node.mem_id for node in chosen}
        for node in chosen:
            title, text = _read_element(node, others)
            columns = {"title": title, "text": text}
            rows.add([columns.get(name) for name in wanted], len(text))
    yield rows.take()


_BREAK_NAMES = "p div br li ul ol tr table dd dt dl blockquote pre section article header footer hr h1 h2 h3 h4 h5 h6"
_BREAKS = frozenset(_BREAK_NAMES.split())
_CELLS = frozenset(("td", "th"))
_HAN_BREAK = re.compile(r"(?<=[\u3000-\u9fff\uff00-\uffef])\s*[\r\n]\s*(?=[\u3000-\u9fff\uff00-\uffef])")
"""A line break of the source between two Chinese characters, which is no space."""
_UNSEEN = frozenset(("script", "style", "template", "noscript", "head"))


def _read_element(root: Any, others: set[int]) -> tuple[str | None, str]:
    """(first heading, text without it) of an element; without recursion, since pages may be nested deeply."""
    parts: dict[bool, list[str]] = {False: [], True: []}  # inside the first heading or not
    heading = None
    left: list[Any] = [(child, False) for child in reversed(list(root.iter(include_text=True)))]
    while left:
        node, titled = left.pop()
        if isinstance(node, str):
            parts[titled].append(node)
        elif node.tag == "-text":
            parts[titled].append(re.sub(r"[ \t\r\n\f]+", " ", _HAN_BREAK.sub("", node.text(deep=False))))
        elif node.tag not in _UNSEEN and node.mem_id not in others:
            if heading is None and re.fullmatch("h[1-6]", node.tag):
                heading, titled = node.mem_id, True
            end = "\n" if node.tag in _BREAKS and not titled else " " if node.tag in _CELLS else ""
            inner = [(child, titled) for child in reversed(list(node.iter(include_text=True)))]
            left += [(end, titled), *inner, (end.strip(" "), titled)]
    lines = "".join(parts[False]).split("\n")
    text = "\n".join(line.strip() for line in lines if line.strip())
    return (" ".join("".join(parts[True]).split()) or None if heading is not None else None), text
