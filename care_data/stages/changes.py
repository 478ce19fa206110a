"""What a run changes of registry/_defaults.toml: `--set filters.sft.repetitive=0.5`, `--set clean=+simplify`."""

import tomllib
from dataclasses import dataclass, field
from typing import Any

from care_data import cleaners, filters, registry
from care_data.entries import Output
from care_data.errors import CareError, Exit

FORM = "Write filters.FORMAT.RULE=LIMIT, or clean=+STEP,-STEP (clean.zh and clean.en for one language)."


@dataclass(frozen=True)
class Changes:
    """limits: format -> rule -> limit; steps: language -> "+step" and "-step"; both over what an entry says."""

    limits: dict[str, dict[str, Any]] = field(default_factory=dict)
    steps: dict[str, list[str]] = field(default_factory=dict)


def parse_changes(texts: list[str]) -> Changes:
    """The changes that the values of --set stand for; of two for one thing the later holds.

    Raises CareError (2) for what is no change: no such format, rule, step or language, a limit that is none.
    """
    changes = Changes()
    for text in texts:
        key, equals, value = (part.strip() for part in text.partition("="))
        path = key.split(".")
        if equals and path[0] == "filters" and len(path) == 3:
            limit = {path[2]: _read_limit(value, text)}
            filters.check_limits(path[1], limit, where=f"--set {text}")
            changes.limits.setdefault(path[1], {}).update(limit)
        elif equals and path[0] == "clean" and len(path) <= 2:
            steps = [step.strip() for step in value.split(",")]
            for language in _languages(path[1:], text):
                check_steps(steps, f"--set {text}")
                changes.steps.setdefault(language, []).extend(steps)
        else:
            raise CareError("no such setting", where=f"--set {text}", fix=FORM, code=Exit.USAGE)
    return changes


def cleaning_steps(output: Output, changes: Changes | None = None) -> list[str]:
    """The steps of the output's language, with `+step` added and `-step` taken out, in the order of the cleaners."""
    steps = set(registry.defaults()["clean"][output.language])
    asked = changes.steps.get(output.language, []) if changes else []
    check_steps(output.clean, f"outputs.{output.name}.clean")
    for change in [*output.clean, *asked]:
        steps = steps | {change[1:]} if change[0] == "+" else steps - {change[1:]}
    return [name for name in cleaners.STEPS if name in steps]


def filter_limits(output: Output, changes: Changes | None = None) -> dict[str, Any]:
    """The limits of the output's format: the defaults, over them what its entry says, over that what the run says."""
    filters.check_limits(output.format, output.filters, where=f"outputs.{output.name}.filters")
    asked = changes.limits.get(output.format, {}) if changes else {}
    return registry.defaults()["filters"].get(output.format, {}) | output.filters | asked


def check_steps(changes: list[str], where: str) -> None:
    """Raise CareError for a change that is no +step or -step."""
    for change in changes:
        if change[:1] not in ("+", "-") or change[1:] not in cleaners.STEPS:
            name = change.lstrip("+-")
            fix = f"Write +STEP or -STEP. Steps are: {', '.join(cleaners.STEPS)}."
            raise CareError(f"no cleaning step named {name!r}", where=where, fix=fix, code=Exit.USAGE)


def _read_limit(value: str, text: str) -> Any:
    try:
        return tomllib.loads(f"limit = {value}")["limit"]
    except tomllib.TOMLDecodeError as error:
        problem = f"{value!r} is no limit"
        fix = "Give a number, true or false."
        raise CareError(problem, where=f"--set {text}", fix=fix, code=Exit.USAGE) from error


def _languages(named: list[str], text: str) -> list[str]:
    known = list(registry.defaults()["clean"])
    for language in named:
        if language not in known:
            fix = f"Languages are: {', '.join(known)}."
            raise CareError(f"no steps for the language {language!r}", where=f"--set {text}", fix=fix, code=Exit.USAGE)
    return named or known
