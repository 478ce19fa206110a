"""What settings are made of, and what is wrong with one."""

from dataclasses import field, fields
from typing import Any

from care_train.errors import CareError, Exit


def setting(default: Any, help: str, *, choices: tuple[Any, ...] = ()) -> Any:
    """A dataclass field with its default, its one line of help and, where only some values make sense, those."""
    return field(default=default, metadata={"help": help, "choices": choices})


def usage(what: str, fix: str) -> CareError:
    """An error of the command line, exit code 2."""
    return CareError(what, fix=fix, code=Exit.USAGE)


def list_values(settings: Any) -> dict[str, dict[str, Any]]:
    """Every effective value by section: {"run": {"stage": "sft", …}, …}."""
    out: dict[str, dict[str, Any]] = {}
    for part in fields(settings):
        section = getattr(settings, part.name)
        out[part.name] = dict(section) if isinstance(section, dict) else dict(vars(section))
    return {name: values for name, values in out.items() if values}
