"""A release with everything that may be measured with, and some that may not; every text is invented."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

OPTIONS = ["多喝温水", "早些休息", "少吃油腻", "放松心情", "按时吃药", "多走动"]
PARTS = ["头痛", "咳嗽", "失眠", "胃胀", "皮疹", "腰酸"]


def make_exam(split: str, count: int) -> list[dict[str, Any]]:
    """Items with four to six options; every third has several right answers."""
    rows = []
    for number in range(count):
        options = OPTIONS[number % 6 :] + OPTIONS[: number % 6]
        labels = "ABCDEF"[: 4 + number % 3]
        rows.append(
            {
                "id": f"toy/{split}#{number}",
                "corpus": "toy",
                "license": "Apache-2.0",
                "subject": ("内科", "护理")[number % 2],
                "question": f"{PARTS[number % 6]}第{number + 1}天，应该",
                "options": [{"label": one, "text": text} for one, text in zip(labels, options, strict=False)],
                "answer": "CA" if number % 3 == 0 else labels[number % len(labels)],
                "explanation": "",
            }
        )
    return rows


@pytest.fixture(scope="session")
def exams(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two splits of one benchmark, another one, questions to train on and held out, preferences, texts."""
    folder = tmp_path_factory.mktemp("exams")
    asked = [
        {
            "id": f"toy/sft#{number}",
            "instruction": f"{part}了怎么办？",
            "input": "",
            "output": f"{part}要早些休息。",
            "history": [],
        }
        for number, part in enumerate(PARTS)
    ]
    judged = [
        {
            "id": f"words#{number}",
            "question": f"Is {part} common?",
            "options": [],
            "answer": ("yes", "no", "maybe")[number % 3],
        }
        for number, part in enumerate(PARTS)
    ]
    texts = [{"text": f"{part}的时候要早些休息。" * 5} for part in PARTS]
    columns = {"prompt": "instruction", "query": "input", "response": "output", "history": "history"}
    entries = {
        "toy_eval": (make_exam("eval", 12), "eval", "benchmark", "toy", {"prompt": "question", "response": "answer"}),
        "toy_val": (make_exam("val", 6), "eval", "benchmark", "toy", {"prompt": "question", "response": "answer"}),
        "words_eval": (judged, "eval", "benchmark", "words", {"prompt": "question", "response": "answer"}),
        "toy_sft": (asked, "sft", "train", "toy", columns),
        "toy_sft_test": (asked[:4], "sft", "test", "toy", columns),
        "toy_rw": (asked, "rw", "train", "toy", columns),
        "toy_pt_test": (texts, "pt", "test", "toy", {"prompt": "text"}),
    }
    info = {}
    for name, (rows, format, role, corpus, mapped) in entries.items():
        (folder / name).mkdir()
        lines = "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)
        (folder / name / "test-00000-of-00001.jsonl").write_text(lines, encoding="utf-8")
        care = {"format": format, "role": role, "corpus": corpus, "rows": len(rows)}
        info[name] = {"file_name": name, "columns": mapped, "care": care}
    (folder / "dataset_info.json").write_text(json.dumps(info), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def parse_eval() -> Callable[..., Any]:
    """A function that gives settings of `eval` from words of its command line."""
    from care_train.arguments import parse
    from care_train.config import ALIASES
    from care_train.config.evaluation import EvalSettings

    def make(*words: str) -> Any:
        settings, rest = parse(EvalSettings, list(words), aliases=ALIASES)
        settings.load.adapter_name_or_path = settings.load.adapter_name_or_path or (rest[0] if rest else None)
        return settings

    return make
