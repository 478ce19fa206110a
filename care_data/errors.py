"""What goes wrong, said in one line: what, where, what to do; details, if any, are lines below it."""

from enum import IntEnum
from typing import Any


class Exit(IntEnum):
    """Exit codes of every command."""

    DONE = 0
    DATA = 1
    USAGE = 2
    PARTIAL = 3
    INTEGRITY = 4
    MANUAL = 5
    NETWORK = 6
    POLICY = 7
    LIMIT = 8
    BUG = 70
    INTERRUPTED = 130


class CareError(Exception):
    """An error a person can act on.

    what: the finding, without a full stop. where: corpus, file, row, byte, as far as known ("toyhom_dialogue/pairs").
    fix: the next thing to do, a sentence. code: the exit code of the command. fatal: no other corpus can go on either.
    details: single cases of the finding, a line each.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        fix: str = "",
        code: Exit = Exit.DATA,
        fatal: bool = False,
        details: tuple[str, ...] = (),
    ) -> None:
        super().__init__(what, where, fix, code)
        self.what, self.where, self.fix, self.code, self.fatal = what, where, fix, code, fatal
        self.details = details

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        advice = f" {self.fix}" if self.fix else ""
        return f"{place}{self.what}.{advice}".replace("\r", "\\r").replace("\n", "\\n")

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.what, self.where, self.fix, self.code, self.fatal, self.details)

    def within(self, place: str) -> "CareError":
        """The same error, its place set inside a wider one ("pairs" becomes "toyhom_dialogue/pairs")."""
        where = f"{place}/{self.where}" if self.where else place
        return _rebuild(self.what, where, self.fix, self.code, self.fatal, self.details)


def _rebuild(what: str, where: str, fix: str, code: Exit, fatal: bool, details: tuple[str, ...]) -> CareError:
    """The error on the other side of a process border."""
    return CareError(what, where=where, fix=fix, code=code, fatal=fatal, details=details)
