"""Text books and transcripts: rows that begin at a marked line and hold named sections."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from care_data.entries import File
from care_data.readers.casting import NestingError, make_cell_caster
from care_data.readers.encodings import decode_lines
from care_data.readers.streams import MAX_LINE, reason_of, too_long
from care_data.rows import Batch, Collector, Wanted

Patterns = dict[str, re.Pattern[str]]


@dataclass
class _Block:
    """A row being gathered: its columns' lines, where it stands, what was wrong with it."""

    offset: int
    groups: dict[str, str] = field(default_factory=dict)
    lines: dict[str, list[str]] = field(default_factory=dict)
    section: str = "_value"
    column: str = "_value"
    problem: str = ""
    size: int = 0

    def text(self, name: str) -> str | None:
        """The text of a column, its ends trimmed; null where it never came."""
        if name in self.groups:
            return self.groups[name].strip()
        return "\n".join(self.lines[name]).strip() if name in self.lines else None

    @property
    def blank(self) -> bool:
        """Whether nothing but space stands in it."""
        return not self.groups and not any(line.strip() for lines in self.lines.values() for line in lines)


def read_blocks(stream: BinaryIO, file: File, wanted: Wanted) -> Iterator[Batch]:
    """A row from each line that is all of `start`, up to the next; the pattern's named groups are columns.

    The rest of the row is cut by `sections`: a column from the line that begins with its pattern (what follows on that
    line is text) to the next section, and inside a section by its `parts` in the same way. A section met again goes on
    with its text; the one named by `renew` opens a new row under the same start (a second visit). Lines under no
    section are `_value`. What stands before the first start is a row too, unless it is blank. A bad byte costs its
    row, and so does text without end.
    """
    columns = {*file.sections, *(name for part in file.parts.values() for name in part)}
    names = {"_value", *columns, *(re.compile(file.start or "").groupindex)}
    rows = Collector(wanted, names=names)
    cast = make_cell_caster(wanted, file.literals, names)
    for block in _cut(stream, file):
        text = [block.text(name) for name in wanted]
        size = sum(len(part) for part in text if part)
        if block.problem:
            rows.add_bad(reason_of(block.problem), block.problem, "\n".join(part for part in text if part))
        else:
            try:
                rows.add(cast(text) if cast else text, size)
            except NestingError as error:
                rows.add_bad("nesting", f"{error} in the block at byte {block.offset}", "")
        if rows.full:
            yield rows.take()
    yield rows.take()


def _cut(stream: BinaryIO, file: File) -> Iterator[_Block]:
    start = re.compile(file.start) if file.start else None
    sections = _compiled(file.sections)
    parts = {name: _compiled(patterns) for name, patterns in file.parts.items()}
    block = _Block(0)
    for offset, line, problem in decode_lines(stream, file.encoding):
        if start and (opened := start.fullmatch(line)):
            if not block.blank or block.problem:
                yield block
            block = _Block(offset, {name: text or "" for name, text in opened.groupdict().items()})
        elif found := _find(line, sections):
            name, rest = found
            if name == file.renew and name in block.lines:
                yield block
                block = _Block(offset, dict(block.groups))
            block.section = block.column = name
            block.lines.setdefault(name, []).extend([rest] if rest else [])
        elif found := _find(line, parts.get(block.section, {})):
            block.column, rest = found
            block.lines.setdefault(block.column, []).extend([rest] if rest else [])
        else:
            block.lines.setdefault(block.column, []).append(line)
        block.size += len(line)
        if block.size > MAX_LINE:  # no start is found any more: what was gathered is let go, the row goes on
            problem = too_long(block.offset)
            block.lines, block.size = {}, 0
        block.problem = block.problem or problem
    if not block.blank or block.problem:
        yield block


def _compiled(patterns: dict[str, str]) -> Patterns:
    return {name: re.compile(pattern) for name, pattern in patterns.items()}


def _find(line: str, patterns: Patterns) -> tuple[str, str] | None:
    """The column that a line opens, and the rest of the line."""
    for name, pattern in patterns.items():
        if match := pattern.match(line):
            return name, line[match.end() :]
    return None
