"""Whether LLaMA-Factory reads a release as it stands: text, answers with history, answers under a system prompt,
preferences. Its own loader is run, and every message that it makes is compared with the records.

python bench/llamafactory_loads.py [--work FOLDER]

The release is of the demo corpora and of one made here, for the demo has neither text nor system prompts.
LLaMA-Factory is installed in an environment of its own (1.9 GB) below the folder, which is kept for the next run.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

VERSION = "0.9.5"
TORCH = "torch==2.13.0"
BESIDE = [
    "transformers>=5.5,<5.6", "accelerate<=1.11.0", "datasets<=4.0.0", "peft<=0.18.1", "trl<=0.24.0",
    "gradio<=5.50.0", "av<=16.0.0", "torchdata<=0.11.0", "tyro<0.9.0", "einops", "fastapi", "fire", "hf-transfer",
    "matplotlib", "modelscope", "numpy", "omegaconf", "packaging", "pandas", "protobuf", "pydantic", "pyyaml",
    "safetensors", "scipy", "sentencepiece", "sse-starlette", "tiktoken", "uvicorn",
]  # fmt: skip
"""What it runs with. It is installed without what it asks for, since that bars this torch."""

STAGES = {"pt": "pt", "sft": "sft", "rw": "rm"}
"""A dataset's format to the stage that reads it."""
ROLES = ("user", "assistant")
CUTOFF = 8192
"""Tokens of a record that are read: more than any has."""

NAME = "bench_passages"
PASSAGES, ASKED = 200, 60
ENTRY = f"""
title    = "Passages and questions made for a check"
from     = "manual:https://example.com/{NAME}"
license  = {{ id = "Apache-2.0", use = "commercial", redistribute = true }}
citation = "none"
[files]
passages = {{ path = "passages.txt", format = "lines" }}
asked    = {{ path = "asked.jsonl", format = "json" }}
[outputs.pt]
shape  = "document"
rows   = "passages"
fields = {{ text = "{{_value}}" }}
[outputs.sft]
shape  = "pair"
rows   = "asked"
fields = {{ instruction = "{{ask}}", input = "{{more}}", output = "{{answer}}", system = "{{system}}" }}
[example]
files.passages = "甲乙丙丁。"
files.asked = '{{"system": "戊", "ask": "甲？", "more": "丙", "answer": "乙。"}}'
records.pt = [{{ text = "甲乙丙丁。" }}]
records.sft = [{{ instruction = "甲？", input = "丙", output = "乙。", system = "戊" }}]
"""

Row = dict[str, Any]


# In this environment


def install(folder: Path) -> Path:
    """The Python of the environment in `folder`, made unless it is there; RuntimeError with pip's last words."""
    python, done = folder / "bin/python", folder / f"installed-{VERSION}"
    if done.exists():
        return python
    venv.create(folder, with_pip=True)
    for words in ([TORCH], BESIDE, ["--no-deps", f"llamafactory=={VERSION}"]):
        ended = subprocess.run([python, "-m", "pip", "install", "--quiet", *words], capture_output=True, text=True)
        if ended.returncode:
            last = "\n".join(ended.stderr.strip().split("\n")[-8:])
            raise RuntimeError(f"llamafactory {VERSION} cannot be installed: {last}")
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "torchaudio.py").write_text('__version__ = "0.0.0"\n')  # imported when it starts, and of no use for text
    done.touch()
    return python


def make_release(bench: Any) -> Path:
    """A release in the workbench's data folder: the demo, and the corpus made here."""
    from phrases import ANSWERS, ASIDE, ASK, QUESTIONS

    draw = random.Random(7)  # noqa: S311  # the same texts each time
    (bench.registry / f"{NAME}.toml").write_text(ENTRY, encoding="utf-8")
    folder = bench.data / f"raw/{NAME}/manual/example.com/{NAME}"
    folder.mkdir(parents=True)
    passages = ["".join(draw.sample(ANSWERS, 6)) for _ in range(PASSAGES)]
    (folder / "passages.txt").write_text("\n".join(passages) + "\n", encoding="utf-8")
    asked = [
        {
            "system": draw.choice(["", "你是一名耐心的医生，回答要简短。", "请用家常话回答，不开处方。"]),
            "ask": "".join(draw.sample(QUESTIONS, 3)) + draw.choice(ASK),
            "more": draw.choice(["", *ASIDE]),
            "answer": "".join(draw.sample(ANSWERS, 4)),
        }
        for _ in range(ASKED)
    ]
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in asked]
    (folder / "asked.jsonl").write_text("".join(lines), encoding="utf-8")
    return Path(json.loads(bench.care_data("run", "demo", NAME, "--json").out)["release"])


def expect(record: Row, form: str) -> list[Any]:
    """The messages that a record should become: what is said before, what is answered, the system prompt."""
    if form == "pt":
        return [[_say("user", record["text"])], [], ""]
    turns = [_say(role, text) for pair in record["history"] for role, text in zip(ROLES, pair, strict=True)]
    asked = "\n".join(text for text in (record["instruction"], record["input"]) if text)
    answers = [record["chosen"], record["rejected"]] if form == "rw" else [record["output"]]
    answered = [_say("assistant", text) for text in answers]
    return [[*turns, _say("user", asked)], answered, record.get("system") or ""]


def _say(role: str, text: str) -> Row:
    return {"role": role, "content": text}


def learned(record: Row, form: str) -> list[str]:
    """The texts that a record should teach: the text, all its answers, or the better and the worse one."""
    if form == "pt":
        return [record["text"]]
    if form == "rw":
        return [record["chosen"], record["rejected"]]
    return ["".join([answer for _, answer in record["history"]] + [record["output"]])]


def compare(told: Row, records: list[Row], form: str) -> str:
    """What differs first between records and what was loaded of them; empty where nothing does."""
    for what, wanted in (
        ("messages", [expect(record, form) for record in records]),
        ("learned", [learned(record, form) for record in records]),
    ):
        made = told[what]
        if len(made) != len(wanted):
            return f"{len(wanted)} records, {len(made)} rows of {what}"
        for number, (one, two) in enumerate(zip(wanted, made, strict=True), 1):
            if one != two:
                return f"record {number}, {what}: {json.dumps(one, ensure_ascii=False)} became {two}"
    return ""


def check(bench: Any, python: Path) -> bool:
    """Read the release by both sides and print a table; whether no message differs."""
    import polars as pl
    from measure import run
    from printing import print_head, print_row

    release, told = make_release(bench), bench.work / "told.jsonl"
    info = json.loads((release / "dataset_info.json").read_text(encoding="utf-8"))
    environment = {
        "PYTHONPATH": str(Path(__file__).resolve().parents[1]),
        "HF_HOME": str(bench.work / "huggingface"),
        "HF_HUB_OFFLINE": "1",
    }
    words = ["--read", release, "--told", told, "--work", bench.work]
    run([str(python), __file__, *map(str, words)], bench.work, environment)
    loaded = {seen["dataset"]: seen for seen in map(json.loads, told.read_text(encoding="utf-8").splitlines())}
    if set(loaded) != set(info):
        raise RuntimeError(f"the release has {', '.join(info)}; read were {', '.join(loaded)}")
    print_head(["dataset", "stage", "records", "rows", "earlier turns", "system prompts", "messages and tokens"])
    differences = []
    for name, seen in loaded.items():
        care, messages = info[name]["care"], seen["messages"]
        output = name.removeprefix(care["corpus"] + "_")
        folder = bench.data / "pure" / care["corpus"]
        parts = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["files"]
        kept = [folder / part["path"] for part in parts if (part["output"], part["kind"]) == (output, "records")]
        records = pl.concat([pl.read_parquet(path) for path in kept]).to_dicts()
        differences.append(compare(seen, records, care["format"]))
        print_row(
            [
                name,
                STAGES[care["format"]],
                f"{len(records):,}",
                f"{len(messages):,}",
                f"{sum(len(prompt) - 1 for prompt, _, _ in messages):,}",
                f"{sum(bool(system) for _, _, system in messages):,}",
                differences[-1] or "equal",
            ]
        )
    return not any(differences)


# In LLaMA-Factory's environment


def read(release: Path, work: Path) -> Iterator[Row]:
    """What LLaMA-Factory loads of each dataset: its messages, and the texts that its tokens teach."""
    from care_train.tiny import train_tokenizer

    info = json.loads((release / "dataset_info.json").read_text(encoding="utf-8"))
    tokenizer = work / "tokenizer"
    train_tokenizer(["头痛了先休息，再量体温。"]).save_pretrained(tokenizer)
    for name, entry in info.items():
        stage = STAGES[entry["care"]["format"]]
        told = {
            "stage": stage,
            "model_name_or_path": str(tokenizer),
            "dataset": name,
            "dataset_dir": str(release),
            "template": "llama2",
            "cutoff_len": CUTOFF,
            "packing": False,
            "do_train": True,
            "finetuning_type": "lora",
            "output_dir": str(work / "output"),
            "report_to": "none",
        }
        yield {"dataset": name, **_load(told)}


def _load(told: Row) -> Row:
    from llamafactory.data import get_dataset, get_template_and_fix_tokenizer
    from llamafactory.data.loader import _get_merged_dataset
    from llamafactory.hparams import get_train_args
    from llamafactory.model import load_tokenizer

    model, data, training, tuning, _ = get_train_args(told)
    module = load_tokenizer(model)
    tokenizer = module["tokenizer"]
    template = get_template_and_fix_tokenizer(tokenizer, data)
    rows = _get_merged_dataset(data.dataset, model, data, training, tuning.stage)
    made = get_dataset(template, model, data, training, tuning.stage, **module)["train_dataset"]
    columns = {"pt": ["input_ids"], "sft": ["labels"], "rm": ["chosen_labels", "rejected_labels"]}[tuning.stage]
    return {
        "messages": [[row["_prompt"], row["_response"], row["_system"]] for row in rows],
        "learned": [
            [tokenizer.decode([i for i in row[column] if i >= 0], skip_special_tokens=True) for column in columns]
            for row in made
        ],
    }


def parse() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--work", type=Path, default=Path(tempfile.gettempdir()) / "care-bench", help="where the environment is kept"
    )
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)  # in the other environment
    parser.add_argument("--told", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Print a row for each dataset; exit code 1 where a message differs or nothing can be said."""
    asked = parse()
    if asked.read:
        with asked.told.open("w", encoding="utf-8") as told:
            told.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in read(asked.read, asked.work))
        return
    from workbench import Workbench

    asked.work.mkdir(parents=True, exist_ok=True)
    print(f"llamafactory {VERSION} of a release of the demo and {NAME}\n")
    with tempfile.TemporaryDirectory(dir=asked.work) as work:
        try:
            equal = check(Workbench(asked.work, Path(work), keep=False), install(asked.work / "llamafactory"))
        except RuntimeError as error:
            sys.exit(f"llamafactory_loads.py: {error}")
    sys.exit(0 if equal else 1)


if __name__ == "__main__":
    main()
