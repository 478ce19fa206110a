"""The command `care-train`: reads the command line, calls one function, prints. The only module that prints.

Progress goes to stderr, results to stdout. Heavy libraries are imported after the arguments are understood.
"""

import os
import sys
import textwrap
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, fields
from difflib import get_close_matches
from functools import partial
from importlib import import_module
from typing import Any, NoReturn, TypeVar

from care_train import __version__
from care_train.arguments import list_flags, list_recipes, parse
from care_train.config import (
    ALIASES,
    REMOVED,
    ChatSettings,
    DpoSettings,
    LoadSettings,
    PtSettings,
    RmSettings,
    ServeSettings,
    SftSettings,
    TrainSettings,
    WebSettings,
    check,
    check_sampling,
    check_serving,
    list_values,
    usage,
)
from care_train.config.evaluation import EvalSettings, check_eval
from care_train.errors import CareError, Exit
from care_train.notices import NOTICE

U = TypeVar("U")

# Libraries kept quiet; and threads that wait give up the core soon, or on a busy machine all are several times slower.
LIBRARIES = ("accelerate", "bitsandbytes", "datasets", "peft", "pyarrow", "torch", "transformers", "yaml")
"""What the extra `train` installs."""
EXTRAS = {"fastapi": "serve", "uvicorn": "serve"}
"""Libraries of single commands, and the extra that installs each."""

ENVIRONMENT = {
    "TOKENIZERS_PARALLELISM": "true",
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "GOMP_SPINCOUNT": "1000",
}


def main() -> NoReturn:
    """Run the command line and leave with its exit code."""
    sys.exit(run(sys.argv[1:]))


def run(argv: list[str]) -> int:
    """The exit code of one command line; errors are said in one line on stderr."""
    try:
        command, rest = find_command(argv)
        if command is None:
            print(show_overview() if argv[:1] != ["--version"] else f"care-train {__version__}")
            return Exit.DONE
        form, act = COMMANDS[command]
        if "--help" in rest or "-h" in rest:
            print(show_help(command, form))
            return Exit.DONE
        act(rest)
    except CareError as error:
        return fail(argv, str(error), error.code)
    except KeyboardInterrupt:
        return fail(argv, "interrupted; checkpoints saved so far are kept.", Exit.INTERRUPTED)
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  the reader left; keep Python from complaining at exit
        return Exit.DONE
    except MemoryError:
        return fail(argv, "out of memory. Lower --per_device_train_batch_size or --cutoff_len.", Exit.LIMIT)
    except OSError as error:
        return fail(argv, f"{error}. Check the path, its rights and the room on the disk.", code_of(error))
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] in LIBRARIES:
            advice = "Install torch by its pin first, then the extra: pip install 'care-llm[train]'."
            return fail(argv, f"the trainer's library {error.name} is not installed. {advice}", Exit.DATA)
        if isinstance(error, ModuleNotFoundError) and error.name in EXTRAS:
            advice = f"Install the extra: pip install 'care-llm[{EXTRAS[error.name]}]'."
            return fail(argv, f"the library {error.name} is not installed. {advice}", Exit.DATA)
        if type(error).__name__ == "OutOfMemoryError":
            advice = "Lower --per_device_train_batch_size or --cutoff_len, or add --quantization_bit 4."
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
            shown = "" if default in (None, "", False) else f" [{default}]"
            choices = f" ({', '.join(map(str, meta['choices']))})" if len(meta["choices"]) > 1 else ""
            body = textwrap.wrap(meta["help"] + choices + shown, 74)
            lines += [f"  --{name:30}{body[0]}", *(f"  {'':32}{more}" for more in body[1:])]
    return "\n".join(lines)


def run_stage(stage: str, argv: list[str]) -> None:
    """Train, saying the effective settings first and the result last."""
    settings, words = parse(STAGES[stage], argv, aliases=ALIASES, removed=REMOVED, passing=True)
    if words:
        raise usage(f"{words[0]} is no recipe and no key=value", "Flags begin with --; recipes end in .toml or .yaml.")
    check(settings, stage)
    for section, values in list_values(settings).items():
        listed = "  ".join(f"{name}={value}" for name, value in values.items() if value not in (None, ""))
        say(textwrap.fill(f"{section:9} {listed}", 118, subsequent_indent=" " * 10, break_on_hyphens=False))
    prepare(settings.model.model_name_or_path)
    result = import_module(f"care_train.stages.{stage}").train(settings, say)
    if not is_first():
        return
    if settings.run.json:
        print_json(asdict(result))
        return
    first, last = ("?" if loss is None else f"{loss:.4f}" for loss in (result.loss_first, result.loss_last))
    print(f"{result.steps} steps in {result.seconds:.0f} s, loss {first} -> {last}")
    print(f"adapter  {result.adapter}")
    for path in result.plots:
        print(f"plot     {path}")
    if settings.model.model_name_or_path == "tiny":
        print("This model is a toy: it only remembers the texts it was trained on.")
    if result.scores:
        print("  ".join(f"{name.removeprefix('rewards/')} {value:.3f}" for name, value in result.scores.items()))
    if stage != "rm" and settings.lora.finetuning_type == "lora" and settings.data.template:
        print(f"Ask it:  care-train chat {result.adapter} --question '…'")


def run_chat(argv: list[str]) -> None:
    """One answer for --question or piped text, else a conversation."""
    settings = parse_use(ChatSettings, argv)
    check_sampling(settings.sampling)
    question = settings.asked.question
    if question is None and not sys.stdin.isatty():
        try:
            question = sys.stdin.buffer.read().decode()
        except UnicodeDecodeError as error:
            raise usage(f"byte {error.start} of stdin is not UTF-8", "Convert the text, with iconv for one.") from error
    if question is not None and not question.strip():
        raise usage("the question is empty", "Give --question TEXT, or text on stdin.")
    from care_train.generation import Engine, load_chatbot
    from care_train.serving.chat import HELP, Conversation, converse

    talk = Conversation(Engine(load_chatbot(settings.load, say)), settings.sampling)
    if settings.asked.notice:
        say(NOTICE)
    if question is not None:
        answer = talk.ask(question.strip(), (lambda piece: None) if settings.asked.json else write)
        if settings.asked.json:
            print_json({**asdict(answer), "template": talk.engine.bot.template.name})
        else:
            write("\n")
        return
    say(HELP)
    converse(talk, read_lines(), write, say)


def run_eval(argv: list[str]) -> None:
    """Measure a model, or two side by side: a table, or one JSON object, and the files that say where they lie."""
    settings = parse_use(EvalSettings, argv)
    check_eval(settings)
    from care_train.evaluation import evaluate
    from care_train.evaluation.tables import show_results

    done = evaluate(settings, say)
    if settings.report.json:
        print_json(done.results)
        return
    for line in show_results(done.results):
        print(line)
    for path in done.files:
        print(path)


def run_web(argv: list[str]) -> None:
    """A page in the browser, until Ctrl-C or TERM."""
    settings = parse_use(WebSettings, argv)
    check_sampling(settings.sampling)
    from care_train.generation import Engine, load_chatbot
    from care_train.serving.web import open_socket, read_login, serve_page

    login = read_login(settings.page)
    with open_socket(settings.page) as door:
        engine = Engine(load_chatbot(settings.load, say), max_batch=settings.page.max_batch)
        serve_page(engine, settings.page, settings.sampling, door, login, lambda url: say(f"{url}  (Ctrl-C ends it)"))


def run_serve(argv: list[str]) -> None:
    """Answer requests until SIGTERM."""
    settings = parse_use(ServeSettings, argv)
    check_serving(settings)
    from care_train.serving.server import serve

    serve(settings, say)


def parse_use(form: type[U], argv: list[str]) -> U:
    """Settings of a command that uses a model, which may be the first word; the libraries are kept quiet."""
    settings, words = parse(form, argv, aliases=ALIASES, removed=REMOVED)
    load: LoadSettings = settings.load  # type: ignore[attr-defined]
    if len(words) > 1 or (words and load.adapter_name_or_path):
        raise usage(f"{words[-1]} is one word too many", "Put a text behind its flag, in quotes.")
    load.adapter_name_or_path = load.adapter_name_or_path or (words[0] if words else None)
    prepare(load.model_name_or_path or load.adapter_name_or_path or "")
    return settings


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


def prepare(model: str) -> None:
    """Keep the libraries underneath quiet, unless the environment asks otherwise; a download shows its progress."""
    import logging
    import warnings

    if model == "tiny" or os.path.isdir(model):
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    warnings.filterwarnings("ignore")
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)


def is_first() -> bool:
    """Whether this process speaks for all that `accelerate launch` started."""
    return os.environ.get("RANK", "0") == "0"


def say(line: str) -> None:
    """A line of progress on stderr."""
    if is_first():
        print(line, file=sys.stderr, flush=True)


def write(piece: str) -> None:
    """A piece of an answer on stdout, at once."""
    print(piece, end="", flush=True)


def print_json(value: dict[str, Any]) -> None:
    """One JSON object on stdout."""
    import json

    print(json.dumps(value, ensure_ascii=False))


STAGES: dict[str, type[TrainSettings]] = {"pt": PtSettings, "sft": SftSettings, "rm": RmSettings, "dpo": DpoSettings}
COMMANDS: dict[str, tuple[type, Callable[[list[str]], None]]] = {
    **{stage: (form, partial(run_stage, stage)) for stage, form in STAGES.items()},
    "chat": (ChatSettings, run_chat),
    "web": (WebSettings, run_web),
    "serve": (ServeSettings, run_serve),
    "eval": (EvalSettings, run_eval),
}
RECIPE = (
    " [RECIPE] [--flag value | key=value] …\n\nRECIPE: a .toml or .yaml file (also --config FILE), or a name:\n"
    f"{textwrap.fill(', '.join(list_recipes()), 100, initial_indent='  ', subsequent_indent='  ')}\n"
    "Flags may be written with dashes, and go over the recipe."
)
USES = {
    **{stage: stage + RECIPE for stage in STAGES},
    "chat": "chat ADAPTER [--question TEXT] [--flag value] …",
    "web": "web ADAPTER [--port N] [--flag value] …",
    "serve": "serve ADAPTER [--port N] [--flag value] …",
    "eval": "eval ADAPTER|MODEL|results.json --dataset NAME|--file FILE [--against …] [--flag value] …",
}
FOOT = "care-train COMMAND --help lists its flags."
