"""What is printed: results on stdout, progress on stderr, both of the first process alone, and what a person types."""

import json
import os
import sys
from collections.abc import Iterator
from typing import Any


def is_first() -> bool:
    """Whether this process speaks for all that `accelerate launch` started."""
    return os.environ.get("RANK", "0") == "0"


def say(line: str) -> None:
    """A line of progress on stderr."""
    if is_first():
        print(line, file=sys.stderr, flush=True)


def tell(line: str) -> None:
    """A line of a result on stdout."""
    print(line)


def write(piece: str) -> None:
    """A piece of an answer on stdout, at once."""
    print(piece, end="", flush=True)


def print_json(value: dict[str, Any]) -> None:
    """One JSON object on stdout."""
    print(json.dumps(value, ensure_ascii=False))


def read_lines() -> Iterator[str]:
    """What a person types, line by line, until Ctrl-D; Ctrl-C leaves the line."""
    import readline  # noqa: F401  arrow keys and a history of lines

    while True:
        try:
            yield input("> ")
        except EOFError:
            return
        except KeyboardInterrupt:
            say("\n(/exit or Ctrl-D ends it)")
