"""What goes wrong, said in one line: what, where, what to do."""

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of every command."""

    DONE = 0
    DATA = 1
    USAGE = 2
    INTEGRITY = 4
    LOGIN = 5
    NETWORK = 6
    POLICY = 7
    LIMIT = 8
    BUG = 70
    INTERRUPTED = 130


class CareError(Exception):
    """An error a person can act on.

    what: the finding, without a full stop. where: dataset, file, row, as far as known ("demo/a.csv: line 3").
    fix: the next thing to do, a sentence. code: the exit code of the command.
    """

    def __init__(self, what: str, *, where: str = "", fix: str = "", code: Exit = Exit.DATA) -> None:
        super().__init__(what, where, fix, code)
        self.what, self.where, self.fix, self.code = what, where, fix, code

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        advice = f" {self.fix}" if self.fix else ""
        return f"{place}{self.what}.{advice}".replace("\r", "\\r").replace("\n", "\\n")


class Nothing(CareError):
    """Of the records read nothing is left to learn."""
