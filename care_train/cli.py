"""The command `care-train`: finds the command that is meant, and says what went wrong in one line."""

import os
import sys
import textwrap
import traceback
from dataclasses import fields
from difflib import get_close_matches
from typing import NoReturn

from care_train import __version__
from care_train.arguments import list_flags
from care_train.commands import COMMANDS, STAGES, USES
from care_train.config import ALIASES, usage
from care_train.console import tell
from care_train.errors import CareError, Exit

LIBRARIES = ("accelerate", "bitsandbytes", "datasets", "peft", "pyarrow", "torch", "transformers", "yaml")
"""What the extra `train` installs."""
EXTRAS = {"fastapi": "serve", "gradio": "web", "uvicorn": "serve"}
"""Libraries of single commands, and the extra that installs each."""


def main() -> NoReturn:
    """Run the command line and leave with its exit code."""
    sys.exit(run(sys.argv[1:]))


def run(argv: list[str]) -> int:
    """The exit code of one command line; errors are said in one line on stderr."""
    command: str | None = None
    try:
        command, rest = find_command(argv)
        if command is None:
            tell(show_overview() if argv[:1] != ["--version"] else f"care-train {__version__}")
            return Exit.DONE
        form, act = COMMANDS[command]
        if "--help" in rest or "-h" in rest:
            tell(show_help(command, form))
            return Exit.DONE
        act(rest)
    except CareError as error:
        return fail(argv, str(error), error.code)
    except KeyboardInterrupt:
        kept = "; checkpoints saved so far are kept" if command in STAGES else ""
        return fail(argv, f"interrupted{kept}.", Exit.INTERRUPTED)
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  the reader left; keep Python from complaining at exit
        return Exit.DONE
    except MemoryError:
        return fail(argv, f"out of memory. {SMALLER[command in STAGES]}.", Exit.LIMIT)
    except OSError as error:
        return fail(argv, f"{error}. Check the path, its rights and the room on the disk.", code_of(error))
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] in LIBRARIES:
            advice = "Install torch by its pin first, then the extra: pip install 'care-llm[train]'."
            return fail(argv, f"the library {error.name} is not installed. {advice}", Exit.DATA)
        if isinstance(error, ModuleNotFoundError) and error.name in EXTRAS:
            advice = f"Install the extra: pip install 'care-llm[{EXTRAS[error.name]}]'."
            return fail(argv, f"the library {error.name} is not installed. {advice}", Exit.DATA)
        if type(error).__name__ == "OutOfMemoryError":
            advice = f"{SMALLER[command in STAGES]}, or add --quantization_bit 4."
            return fail(argv, f"the GPU's memory is full. {advice}", Exit.LIMIT)
        first = str(error).strip().split("\n")[0]
        return fail(argv, f"our bug: {type(error).__name__}: {first}. Run again with --debug and report it.", Exit.BUG)
    return Exit.DONE


def fail(argv: list[str], line: str, code: int) -> int:
    """Say what went wrong; the whole traceback with --debug."""
    if "--debug" in argv:
        traceback.print_exc()
    print(f"care-train: {line}", file=sys.stderr)
    return int(code)


def code_of(error: OSError) -> Exit:
    """Exit code of an error of the operating system: 8 for a full disk or a limit."""
    import errno

    return Exit.LIMIT if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EMFILE) else Exit.DATA


def find_command(argv: list[str]) -> tuple[str | None, list[str]]:
    """(command, its arguments); `--stage sft …` alone stands for `sft`, as trainers had it before."""
    if not argv or argv[0] in ("--help", "-h", "help", "--version"):
        return None, []
    if argv[0] in COMMANDS:
        return argv[0], argv[1:]
    if argv[0].startswith("-"):
        stage = next((argv[at + 1] for at, word in enumerate(argv[:-1]) if word == "--stage"), None)
        stage = stage or next((word[8:] for word in argv if word.startswith("--stage=")), None)
        if stage in STAGES:
            return stage, argv
        offered = ", ".join(STAGES if stage else COMMANDS)
        raise usage(f"stage {stage} is not offered" if stage else "no command", f"There are: {offered}.")
    near = get_close_matches(argv[0], COMMANDS, n=1)
    fix = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(COMMANDS)}."
    raise usage(f"no command {argv[0]}", fix)


def show_overview() -> str:
    """Help of the whole program."""
    width = max(map(len, COMMANDS))
    listed = [f"  {name:{width}}  {form.__doc__}" for name, (form, _) in COMMANDS.items()]
    return "\n".join(["care-train: from dataset_info.json to a trained adapter.", "", "Commands", *listed, "", FOOT])


def show_help(command: str, form: type) -> str:
    """Help of one command: every flag with its default and its line."""
    lines = [f"care-train {USES[command]}", "", str(form.__doc__)]
    flags = list_flags(form)
    titles = {part.name: part.type.__doc__ for part in fields(form) if isinstance(part.type, type)}
    for section in dict.fromkeys(flag.section for flag in flags.values()):
        lines += ["", str(titles[section])]
        for name, flag in flags.items():
            if flag.section != section:
                continue
            meta, default = flag.field.metadata, flag.field.default
            shown = "" if default is None or default is False or default == "" else f" [{default}]"
            other = f" (also {', '.join(f'--{one}' for one, new in ALIASES.items() if new == name)})"
            choices = f" ({', '.join(map(str, meta['choices']))})" if len(meta["choices"]) > 1 else ""
            body = textwrap.wrap(meta["help"] + choices + shown + other.replace(" (also )", ""), 74)
            lines += [f"  --{name:30}{body[0]}", *(f"  {'':32}{more}" for more in body[1:])]
    return "\n".join(lines)


SMALLER = {
    True: "Lower --per_device_train_batch_size or --cutoff_len",
    False: "Take a smaller model, or lower --max_batch or --batch_size where the command has it",
}
"""What to do where memory is short: while training, and while using a model."""
FOOT = "care-train COMMAND --help lists its flags."
