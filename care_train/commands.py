"""The commands: each reads its settings, calls one function and says what came out.

Heavy libraries are imported after the arguments are understood.
"""

import os
import sys
import textwrap
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from importlib import import_module
from typing import TypeVar

from care_train.arguments import list_recipes, parse
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
    check_listening,
    check_sampling,
    check_serving,
    list_values,
    usage,
)
from care_train.config.evaluation import EvalSettings, check_eval
from care_train.config.exporting import ExportSettings
from care_train.console import is_first, print_json, read_lines, say, tell, write
from care_train.notices import NOTICE

U = TypeVar("U")

# Libraries kept quiet; and threads that wait give up the core soon, or on a busy machine all are several times slower.
ENVIRONMENT = {
    "TOKENIZERS_PARALLELISM": "true",
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "GOMP_SPINCOUNT": "1000",
}


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
    tell(f"{result.steps} steps in {result.seconds:.0f} s, loss {first} -> {last}")
    tell(f"adapter  {result.adapter}")
    for path in result.plots:
        tell(f"plot     {path}")
    if settings.model.model_name_or_path == "tiny":
        tell("This model is a toy: it only remembers the texts it was trained on.")
    if result.scores:
        tell("  ".join(f"{name.removeprefix('rewards/')} {value:.3f}" for name, value in result.scores.items()))
    if stage != "rm" and settings.lora.finetuning_type == "lora" and settings.data.template:
        tell(f"Ask it:  care-train chat {result.adapter} --question '…'")


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
        tell(line)
    for path in done.files:
        tell(str(path))


def run_web(argv: list[str]) -> None:
    """A page in the browser, until Ctrl-C or TERM."""
    settings = parse_use(WebSettings, argv)
    check_sampling(settings.sampling)
    page = settings.page
    check_listening(page)
    from care_train.generation import Engine, load_chatbot
    from care_train.serving.addresses import open_socket
    from care_train.serving.web import read_login, serve_page

    login = read_login(page)
    import_module("care_train.serving.web.app")  # what is not installed is said before the model is read
    with open_socket(page.host, page.port) as listening:
        engine = Engine(load_chatbot(settings.load, say), max_batch=page.max_batch)
        serve_page(engine, page, settings.sampling, listening, login, lambda url: say(f"{url}  (Ctrl-C ends it)"))


def run_serve(argv: list[str]) -> None:
    """Answer requests until SIGTERM."""
    settings = parse_use(ServeSettings, argv)
    check_serving(settings)
    from care_train.serving.server import serve

    serve(settings, say)


def run_export(argv: list[str]) -> None:
    """Merge, compare, and say where the model is and how well it equals what was trained."""
    settings = parse_use(ExportSettings, argv)
    from care_train.exporting.exports import export

    result = export(settings, say)
    if settings.folder.json:
        print_json(asdict(result))
        return
    size, memory = f"{result.parameters / 1e6:,.1f} M parameters", f"{result.memory / 2**30:.1f} GiB of memory"
    tell(f"model    {result.folder}  {size}, {result.dtype}, {result.bytes / 1e6:,.1f} MB")
    same = f"{result.agreement:.1%} of {result.places} likeliest tokens the same"
    tell(f"equal    largest difference of two logits {result.largest:.2g} (at most {result.bound:g}), {same}")
    files = [*["chat template"] * result.chat_template, *["Modelfile"] * result.modelfile]
    tell(f"template {result.template or 'none'}  {' and '.join(files) or 'nothing'} written for other tools")
    tell(f"took     {result.seconds:.0f} s, at most {memory}")
    if result.template and not result.scores:
        tell(f"Ask it:  care-train chat {result.folder} --question '…'")


def parse_use(form: type[U], argv: list[str]) -> U:
    """Settings of a command that uses a model, which may be the first word; the libraries are kept quiet."""
    settings, words = parse(form, argv, aliases=ALIASES, removed=REMOVED)
    load: LoadSettings = settings.load  # type: ignore[attr-defined]
    if len(words) > 1 or (words and load.adapter_name_or_path):
        raise usage(f"{words[-1]} is one word too many", "Put a text behind its flag, in quotes.")
    load.adapter_name_or_path = load.adapter_name_or_path or (words[0] if words else None)
    prepare(load.model_name_or_path or load.adapter_name_or_path or "")
    return settings


def prepare(model: str) -> None:
    """Keep the libraries underneath quiet, unless the environment asks otherwise; a download shows its progress."""
    import logging
    import warnings

    if model in ("tiny", "smollm2") or os.path.isdir(model):
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    warnings.filterwarnings("ignore")
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)


STAGES: dict[str, type[TrainSettings]] = {"pt": PtSettings, "sft": SftSettings, "rm": RmSettings, "dpo": DpoSettings}
COMMANDS: dict[str, tuple[type, Callable[[list[str]], None]]] = {
    **{stage: (form, partial(run_stage, stage)) for stage, form in STAGES.items()},
    "export": (ExportSettings, run_export),
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
    "export": "export ADAPTER[,ADAPTER…] --output_dir FOLDER [--flag value] …",
    "chat": "chat ADAPTER [--question TEXT] [--flag value] …",
    "web": "web ADAPTER [--port N] [--flag value] …",
    "serve": "serve ADAPTER [--port N] [--flag value] …",
    "eval": "eval ADAPTER|MODEL|results.json --dataset NAME|--file FILE [--against …] [--flag value] …",
}
