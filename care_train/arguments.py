"""Command line and recipe file to settings: flags with underscores or dashes, key=value, TOML or YAML."""

import ast
import re
import types
from collections.abc import Iterator, Mapping
from dataclasses import Field, fields, is_dataclass
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, get_args, get_type_hints

from care_train.errors import CareError, Exit

S = TypeVar("S")
OVERRIDE = re.compile(r"[A-Za-z_][\w-]*=")
TRUE, FALSE, NONE = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}, {"none", "null", ""}


class Flag(NamedTuple):
    """One setting: the section it belongs to, its type, and the dataclass field with default, help and choices."""

    section: str
    type: Any
    field: Field[Any]


def list_flags(form: type) -> dict[str, Flag]:
    """Every setting of `form`, a dataclass of dataclasses, by name."""
    hints = get_type_hints(form)
    sections = {part.name: hints[part.name] for part in fields(form) if is_dataclass(hints[part.name])}
    return {
        item.name: Flag(name, get_type_hints(section)[item.name], item)
        for name, section in sections.items()
        for item in fields(section)
    }


def parse(
    form: type[S],
    argv: list[str],
    *,
    aliases: Mapping[str, str] | None = None,
    removed: Mapping[str, str] | None = None,
    passing: bool = False,
) -> tuple[S, list[str]]:
    """Settings of class `form` and the positional words.

    A recipe (`--config`, or a word that ends in .toml, .yaml or .yml) is read first, the command line goes over it.
    aliases: other names of settings. removed: names no longer known, with what to use. passing: keep the fields of
    transformers.TrainingArguments in `extra`. Raises CareError (exit 2) for what is unknown, with the nearest known.
    """
    flags = list_flags(form)
    names = _Names(flags, aliases or {}, removed or {}, passing)
    given: list[tuple[str, Any]] = []
    recipes: list[str] = []
    words: list[str] = []
    for name, value in _split(argv, names):
        if name == "config" or (not name and _is_recipe(value)):
            recipes.append(value)
        elif name:
            given.append((name, value))
        else:
            words.append(value)
    values: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    from_files = [(names.find(key), value) for path in recipes for key, value in _read_recipe(path)]
    for name, value in from_files + given:
        if name in flags:
            values[name] = _convert(name, value, flags[name])
        else:
            extra[name] = _guess(value)
    parts: dict[str, Any] = {
        name: hint(**{key: value for key, value in values.items() if flags[key].section == name})
        for name, hint in get_type_hints(form).items()
        if is_dataclass(hint) and isinstance(hint, type)
    }
    parts["extra"] = extra
    return form(**parts), words


class _Names(NamedTuple):
    flags: dict[str, Flag]
    aliases: Mapping[str, str]
    removed: Mapping[str, str]
    passing: bool

    def find(self, written: str) -> str:
        """The setting a flag means; raises with advice for an unknown one."""
        name = written.replace("-", "_")
        name = self.aliases.get(name, name)
        if name in self.flags or name == "config":
            return name
        if name.startswith("no_") and self.is_switch(name[3:]):
            return name
        if name in self.removed:
            raise _usage(f"--{name} is not a setting here", self.removed[name])
        others = _training_fields() if self.passing else []
        if name in others:
            return name
        near = get_close_matches(name, [*self.flags, *self.aliases, *others], n=1, cutoff=0.6)
        raise _usage(f"--{name} is unknown", f"Did you mean --{near[0]}?" if near else "See --help.")

    def is_switch(self, name: str) -> bool:
        return name in self.flags and bool in (self.flags[name].type, *get_args(self.flags[name].type))


def _split(argv: list[str], names: _Names) -> Iterator[tuple[str, Any]]:
    """(name, value) of each flag and override, ("", word) of each other word."""
    at = 0
    while at < len(argv):
        word = argv[at]
        at += 1
        if not word.startswith("--"):
            if OVERRIDE.match(word):
                key, value = word.split("=", 1)
                yield names.find(key), value
            else:
                yield "", word
            continue
        key, equals, value = word[2:].partition("=")
        name = names.find(key)
        follows = at < len(argv) and not argv[at].startswith("--")
        if equals:
            yield name, value
        elif name.startswith("no_") and names.is_switch(name[3:]):
            yield name[3:], False
        elif names.is_switch(name) and not (follows and argv[at].lower() in TRUE | FALSE | NONE):
            yield name, True
        elif follows:
            yield name, argv[at]
            at += 1
        elif name in names.flags or name == "config":
            raise _usage(f"--{name} needs a value", f"Write --{name} VALUE.")
        else:
            yield name, True


def _is_recipe(word: str) -> bool:
    return Path(word).suffix in (".toml", ".yaml", ".yml") or (_shipped(word) is not None and not Path(word).exists())


def list_recipes() -> list[str]:
    """Names of the recipes that come with the package."""
    return sorted(path.stem for path in Path(__file__).with_name("recipes").glob("*.toml"))


def _shipped(name: str) -> Path | None:
    path = Path(__file__).with_name("recipes") / f"{name}.toml"
    return path if "/" not in name and path.exists() else None


def _read_recipe(name: str) -> list[tuple[str, Any]]:
    """Settings of a recipe file or of a recipe that comes with the package; tables only group, names stay flat."""
    path = Path(name) if Path(name).exists() else _shipped(name) or Path(name)
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".toml":
            import tomllib

            tree = tomllib.loads(text)
        else:
            import yaml

            tree = yaml.safe_load(text)
    except (OSError, ValueError) as error:
        raise _usage(f"recipe {name} cannot be read: {error}", "Check the path and the syntax.") from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] != "yaml":
            raise
        raise _usage(f"recipe {name} cannot be read: {error}", "Check the syntax.") from error
    if not isinstance(tree, dict):
        raise _usage(f"recipe {name} holds no settings", "Write one `name: value` a line.")
    flat: list[tuple[str, Any]] = []
    for key, value in tree.items():
        flat += value.items() if isinstance(value, dict) and not key.endswith(("kwargs", "config")) else [(key, value)]
    return flat


def _convert(name: str, value: Any, flag: Flag) -> Any:
    """`value` in the setting's type; text is read, lists become text with commas."""
    kinds = [kind for kind in (get_args(flag.type) or (flag.type,)) if kind is not types.NoneType]
    optional = types.NoneType in get_args(flag.type)
    if optional and (value is None or str(value).lower() in NONE):
        return None
    read = _read_scalar(kinds[0], ",".join(map(str, value)) if isinstance(value, list) else value)
    if read is None:
        raise _usage(f"--{name} {value} is no {KINDS[kinds[0]]}", f"It means: {flag.field.metadata['help']}.")
    choices = flag.field.metadata["choices"]
    if choices and read not in choices:
        listed = ", ".join(map(str, choices))
        near = get_close_matches(str(read), list(map(str, choices)), n=1)
        raise _usage(f"--{name} {value} is not offered", f"Did you mean {near[0]}?" if near else f"It takes: {listed}.")
    return read


def _read_scalar(kind: type, value: Any) -> Any:
    """The value as `kind`, None where it cannot be read so."""
    text = str(value).strip()
    if kind is bool:
        return True if text.lower() in TRUE else False if text.lower() in FALSE else None
    if kind is str:
        return text
    try:
        number = float(text)
        if kind is int:
            return int(number) if number == int(number) else None
    except (ValueError, OverflowError):
        return None
    return number


def _guess(value: Any) -> Any:
    """Text of a setting that is only passed through, as number, truth value or JSON where it reads as one."""
    if not isinstance(value, str):
        return value
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    if value.lower() in ("none", "null"):
        return None
    for read in (int, float):
        try:
            return read(value)
        except ValueError:
            continue
    return value


def _training_fields() -> list[str]:
    """Names of transformers.TrainingArguments, read from its source: importing it would take seconds."""
    found = find_spec("transformers")
    if found is None or not found.origin:
        return []
    tree = ast.parse(Path(found.origin).with_name("training_args.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == "TrainingArguments":
            lines = [line for line in node.body if isinstance(line, ast.AnnAssign)]
            return [line.target.id for line in lines if isinstance(line.target, ast.Name)]
    return []


def _usage(what: str, fix: str) -> CareError:
    return CareError(what, fix=fix, code=Exit.USAGE)


KINDS: dict[Any, str] = {bool: "truth value", int: "whole number", float: "number", str: "text"}
