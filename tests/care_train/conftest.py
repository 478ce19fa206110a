"""One tiny base model and one small set of records for all tests here; every text is invented."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as the command sets it: tests share their cores

PARTS = ["头痛", "咳嗽", "失眠", "胃胀", "皮疹", "腰酸", "耳鸣", "心慌"]
ADVICE = ["多喝温水", "早些休息", "少吃油腻", "放松心情"]
RECORDS: list[dict[str, Any]] = [
    {
        "id": f"toy/sft/rows#{number}",
        "corpus": "toy",
        "license": "Apache-2.0",
        "instruction": f"{part}了怎么办？",
        "input": f"已经{number + 2}天了。" if number % 3 == 0 else "",
        "output": f"{part}的时候{ADVICE[number % 4]}，不见好转再看医生。",
        "history": [["医生您好。", "您好，请说。"]] if number % 2 else [],
    }
    for number, part in enumerate(PARTS * 3)
]
COLUMNS = {"prompt": "instruction", "query": "input", "response": "output", "history": "history"}


@pytest.fixture(scope="session", autouse=True)
def caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The user's cache folder, for the time of the tests an empty one."""
    folder = tmp_path_factory.mktemp("caches")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session")
def records() -> list[dict[str, Any]]:
    """24 records as a release holds them, every second with a history."""
    return RECORDS


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base model of the `tiny` kind, smaller still, that has read the records."""
    from care_train import tiny as module

    texts = [f"{record['instruction']}\n{record['output']}" for record in RECORDS]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MOST_STEPS", 60)
        patch.setattr(module, "PASSES", 200)
        patch.setattr(
            module, "SHAPE", {**module.SHAPE, "hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
        )
        return module.build_tiny(texts, tmp_path_factory.mktemp("tiny") / "base", 0, lambda line: None)


@pytest.fixture(scope="session")
def tokenizer(tiny: Path) -> Any:
    """The tiny model's tokenizer."""
    from care_train.models import load_tokenizer

    return load_tokenizer(str(tiny))


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release: two Arrow stream shards of `toy_sft`, a benchmark, preferences, and a manifest."""
    import pyarrow as pa

    from care_train.shards import TYPES

    root = tmp_path_factory.mktemp("release")
    files = []
    schema = pa.schema([(name, TYPES["history"] if name == "history" else pa.string()) for name in RECORDS[0]])
    (root / "toy_sft").mkdir()
    for number in range(2):
        path = root / "toy_sft" / f"train-{number:05d}-of-00002.arrow"
        with pa.ipc.new_stream(str(path), schema) as stream:
            stream.write_table(pa.Table.from_pylist(RECORDS[number * 12 : number * 12 + 12], schema=schema))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        files.append({"path": f"toy_sft/{path.name}", "sha256": digest, "rows": 12, "bytes": path.stat().st_size})
    care = {"format": "sft", "role": "train", "corpus": "toy", "license": "Apache-2.0", "rows": 24}
    info = {
        "toy_sft": {"file_name": "toy_sft", "columns": COLUMNS, "care": care},
        "toy_exam": {"file_name": "toy_exam", "columns": COLUMNS, "care": {**care, "role": "benchmark"}},
        "toy_rw": {"file_name": "toy_rw", "ranking": True, "care": {**care, "format": "rw"}},
    }
    (root / "dataset_info.json").write_text(json.dumps(info), encoding="utf-8")
    (root / "manifest.json").write_text(json.dumps({"files": files}), encoding="utf-8")
    return root


@pytest.fixture
def write_info(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes a dataset_info.json with one entry `mm` into a folder and gives the folder."""

    def write(keys: dict[str, Any]) -> Path:
        (tmp_path / "dataset_info.json").write_text(json.dumps({"mm": keys}), encoding="utf-8")
        return tmp_path

    return write


@pytest.fixture(scope="session")
def make_settings(tiny: Path, release: Path) -> Callable[..., Any]:
    """A function that gives settings of a short NF4 run on the release; words go over them."""
    from care_train.arguments import parse
    from care_train.config import SftSettings, check

    def make(output: Path, *words: str) -> Any:
        line = [
            f"model_name_or_path={tiny}",
            f"dataset_dir={release}",
            f"output_dir={output}",
            *[
                "dataset=toy_sft",
                "template=llama2",
                "quantization_bit=4",
                "lora_rank=4",
                "lora_dropout=0.1",
                "learning_rate=1e-2",
            ],
            *["max_steps=12", "save_steps=6", "logging_steps=1", "per_device_train_batch_size=4"],
            *words,
        ]
        settings, _ = parse(SftSettings, line, passing=True)
        check(settings, "sft")
        return settings

    return make


@pytest.fixture(scope="session")
def trained(make_settings: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, list[str]]:
    """(folder, result, lines said) of one such run."""
    from care_train.stages.sft import train

    folder, said = tmp_path_factory.mktemp("trained") / "output", list[str]()
    return folder, train(make_settings(folder), said.append), said


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of dataset_info.json with 24 each of `answers`, `pairs` and `texts`."""
    folder = tmp_path_factory.mktemp("corpus")
    pairs = [
        {
            **{name: record[name] for name in ("id", "instruction", "input", "history")},
            "chosen": record["output"],
            "rejected": f"{ADVICE[(number + 1) % 4]}就好。",
        }
        for number, record in enumerate(RECORDS)
    ]
    texts = [{"id": record["id"], "text": f"{record['instruction']}{record['output']}"} for record in RECORDS]
    info: dict[str, dict[str, Any]] = {"answers": {"columns": COLUMNS}, "pairs": {"ranking": True}, "texts": {}}
    info["pairs"]["columns"] = {**COLUMNS, "chosen": "chosen", "rejected": "rejected"}
    info["texts"]["columns"] = {"prompt": "text"}
    for name, rows in (("answers", RECORDS), ("pairs", pairs), ("texts", texts)):
        info[name]["file_name"] = f"{name}.json"
        (folder / f"{name}.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    (folder / "dataset_info.json").write_text(json.dumps(info), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def run_stage(tiny: Path, corpus: Path) -> Callable[..., Any]:
    """run_stage(stage, output, *words): the result of a short full-precision run; words go over its settings."""
    from importlib import import_module

    from care_train.arguments import parse
    from care_train.commands import STAGES
    from care_train.config import check

    data = {"pt": "texts", "sft": "answers", "rm": "pairs", "dpo": "pairs"}

    def run(stage: str, output: Path, *words: str, say: Callable[[str], None] = lambda line: None) -> Any:
        line = [f"model_name_or_path={tiny}", f"dataset_dir={corpus}", f"dataset={data[stage]}", f"output_dir={output}"]
        line += ["template=llama2", "lora_rank=4", "learning_rate=1e-2", "lr_scheduler_type=constant", "max_steps=2"]
        line += ["per_device_train_batch_size=4", "logging_steps=1", "save_strategy=no", "cutoff_len=128", *words]
        settings, _ = parse(STAGES[stage], line, passing=True)
        check(settings, stage)
        return import_module(f"care_train.stages.{stage}").train(settings, say)

    return run
