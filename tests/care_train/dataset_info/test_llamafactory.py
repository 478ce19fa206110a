"""LLaMA-Factory's own dataset_info.json and demo files: what its converters make of them, ours makes too."""

import json
from pathlib import Path
from typing import Any

import pytest

from care_train.config import DataSettings
from care_train.dataset_info import load_datasets
from care_train.dataset_info.entries import read_entries
from care_train.dataset_info.layouts import read_layout
from care_train.errors import CareError

FOLDER = Path(__file__).resolve().parents[4] / "shared/llamafactory_data"
GOLDEN = json.loads(Path(__file__).with_name("golden_messages.json").read_text(encoding="utf-8"))["demos"]
STAGES = {"wiki_demo": "pt", "c4_demo": "pt", "dpo_en_demo": "rm", "dpo_zh_demo": "dpo"}
MEDIA = {
    *("mllm_demo", "mllm_audio_demo", "mllm_video_demo", "mllm_video_audio_demo", "llava_1k_en", "llava_1k_zh"),
    *("llava_150k_en", "llava_150k_zh", "pokemon_cap", "mllm_pt_demo", "rlhf_v", "vlfeedback", "rlaif_v"),
}

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the demo files are not here")


def load_rows(name: str) -> list[dict[str, Any]]:
    return load_datasets(FOLDER, STAGES.get(name, "sft"), DataSettings(dataset=name)).table.to_pylist()


def say(role: str, text: str) -> dict[str, str]:
    return {"role": role, "content": text}


def list_messages(row: dict[str, Any]) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """What is said before, and the answers, of a record of ours."""
    if row["text"] is not None:
        return [say("user", row["text"])], []
    asked = "\n".join(part for part in (row["prompt"], row["query"]) if part)
    texts = [*(text for pair in row["history"] or [] for text in pair), asked]
    answers = [row["response"]] if row["chosen"] is None else [row["chosen"], row["rejected"]]
    roles = row["roles"] or [*(["user", "assistant"] * len(texts))[: len(texts)], *(["assistant"] * len(answers))]
    said = [say(role, text) for role, text in zip(roles, [*texts, *answers], strict=True)]
    return said[: len(texts)], said[len(texts) :]


@pytest.mark.parametrize("name", GOLDEN)
def test_every_record_has_the_messages_of_llamafactory(name: str) -> None:
    import importlib.util

    spec = importlib.util.spec_from_file_location("golden", Path(__file__).with_name("golden_messages.py"))
    assert spec is not None
    assert spec.loader is not None
    golden = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(golden)
    rows = load_rows(name)
    assert len(rows) == 20
    assert {row["unfit"] for row in rows} == {None}
    made = [golden.digest(*list_messages(row), row["system"] or "", row["tools"] or "") for row in rows]
    assert made == GOLDEN[name]


def test_the_first_records_are_what_their_files_say() -> None:
    """The rules told apart from any code of either side: what a reader of the files would expect."""

    def raw(name: str) -> list[dict[str, Any]]:
        return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))

    zh = raw("alpaca_zh_demo")[1]
    assert zh["input"]
    assert list_messages(load_rows("alpaca_zh_demo")[1]) == (
        [say("user", zh["instruction"] + "\n" + zh["input"])],
        [say("assistant", zh["output"])],
    )
    tool, row = raw("glaive_toolcall_zh_demo")[0], load_rows("glaive_toolcall_zh_demo")[0]
    roles = ["user", "function", "observation", "assistant"]
    said = [say(role, one["value"]) for role, one in zip(roles, tool["conversations"], strict=True)]
    assert list_messages(row) == (said[:3], said[3:])
    assert (row["roles"], row["tools"]) == (roles, tool["tools"])
    pairs = raw("dpo_en_demo")
    number = next(at for at, one in enumerate(pairs) if one["conversations"][0]["from"] == "system")
    pair, row = pairs[number], load_rows("dpo_en_demo")[number]
    assert row["system"] == pair["conversations"][0]["value"]
    assert list_messages(row) == (
        [say("user", pair["conversations"][1]["value"])],
        [say("assistant", pair["chosen"]["value"]), say("assistant", pair["rejected"]["value"])],
    )
    kto = load_rows("kto_en_demo")
    assert [len(row["history"]) for row in kto].count(2) == 6
    assert kto[0]["response"] == raw("kto_en_demo")[0]["messages"][1]["content"]


def test_a_kto_set_is_read_without_its_mark_and_says_so() -> None:
    data = load_datasets(FOLDER, "sft", DataSettings(dataset="kto_en_demo"))
    assert data.notes == (
        "kto_en_demo: the mark label (kto_tag) is not read, so answers marked as bad are learned too",
    )


def test_every_entry_is_either_understood_or_refused_by_name() -> None:
    refused, understood = {}, 0
    for name, entry in read_entries(FOLDER).items():
        texts = (entry.keys.get("columns") or {}).keys() == {"prompt"}
        stage = "rm" if entry.keys.get("ranking") else "pt" if texts else "sft"
        try:
            read_layout(entry, stage)
            understood += 1
        except CareError as error:
            refused[name] = str(error)
    assert refused.keys() == MEDIA
    assert refused["mllm_demo"] == (
        "mllm_demo: its images (column images) are not read here. Only text is learned here: leave the dataset out."
    )
    assert understood == 104 - 13
