"""Text books and transcripts: rows that begin at a marked line and hold named sections."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from care_data.entries import File
from care_data.readers.casting import NestingError, make_cell_caster
from care_data.readers.encodings import decode_lines
from care_data.rows import Batch, Collector, Wanted


@dataclass
class _Block:
    """A row being gathered: its columns' lines, the section it is in, what was wrong with it."""

    offset: int
    groups: dict[str, str] = field(default_factory=dict)
    lines: dict[str, list[str]] = field(default_factory=dict)
    section: str = "_value"
    opener: str = ""
    problem: str = ""

    def column(self, name: str) -> str | None:
        """The text of a column; null where it never came."""
        if name in self.groups:
            return self.groups[name]
        return "\n".join(self.lines[name]) if name in self.lines else None

    @property
    def blank(self) -> bool:
        """Whether nothing but space stands in it."""
        return not self.groups and not any(line.strip() for lines in self.lines.values() for line in lines)


def read_blocks(stream: BinaryIO, file: File, wanted: Wanted) -> Iterator[Batch]:
    """A row from each line that is all of `start`, up to the next; the pattern's named groups are columns.

    The rest of the row is cut by `sections`: a column from the line that begins with its pattern (what follows on that
    line is text) to the next section. The first section of a row, met again, opens a new row under the same start (a
    second visit); another one met again goes on with its text. Lines under no section are `_value`. What stands before
    the first start is a row too, unless it is blank. A bad byte costs its row.
    """
    names = {"_value", *file.sections, *(re.compile(file.start or "").groupindex)}
    rows = Collector(wanted, names=names)
    cast = make_cell_caster(wanted, file.literals, names)
    for block in _cut(stream, file):
        text = [block.column(name) for name in wanted]
        size = sum(len(part) for part in text if part)
        if block.problem:
            rows.add_bad("bad_encoding", block.problem, "\n".join(part for part in text if part))
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
    sections = {name: re.compile(pattern) for name, pattern in file.sections.items()}
    block = _Block(0)
    for offset, line, problem in decode_lines(stream, file.encoding):
        opened = start.fullmatch(line) if start else None
        if opened:
            if not block.blank or block.problem:
                yield block
            block = _Block(offset, {name: text or "" for name, text in opened.groupdict().items()})
        elif found := _section(line, sections):
            name, rest = found
            if name == block.opener:
                yield block
                block = _Block(offset, dict(block.groups))
            block.opener = block.opener or name
            block.section = name
            block.lines.setdefault(name, []).extend([rest] if rest else [])
        else:
            block.lines.setdefault(block.section, []).append(line)
        block.problem = block.problem or problem
    if not block.blank or block.problem:
        yield block


def _section(line: str, sections: dict[str, re.Pattern[str]]) -> tuple[str, str] | None:
    """The section that a line opens, and the rest of the line."""
    for name, pattern in sections.items():
        if match := pattern.match(line):
            return name, line[match.end() :]
    return None
