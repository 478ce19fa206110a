"""Ids, masks and the token budget."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from care_train.config import DataSettings
from care_train.errors import CareError
from care_train.examples import Examples, encode_records
from care_train.lengths import Budget
from care_train.shards import TYPES
from care_train.templates import TEMPLATES
from care_train.tokens import IGNORED, encode_prompt

LLAMA2 = TEMPLATES["llama2"]


def table(*rows: dict[str, Any]) -> pa.Table:
    schema = pa.schema(list(TYPES.items()))
    return pa.Table.from_pylist([{"id": f"r{number}", **row} for number, row in enumerate(rows)], schema=schema)


def encode(tokenizer: Any, *rows: dict[str, Any], template: str = "llama2", **settings: Any) -> tuple[Examples, Budget]:
    return encode_records(table(*rows), tokenizer, TEMPLATES[template], DataSettings(**settings))


def learned_texts(tokenizer: Any, item: dict[str, np.ndarray]) -> list[str]:
    """Decoded runs of learned tokens."""
    runs: list[list[int]] = []
    before = IGNORED
    for label in item["labels"].tolist():
        if label != IGNORED and before == IGNORED:
            runs.append([])
        if label != IGNORED:
            runs[-1].append(label)
        before = label
    return [tokenizer.decode(run) for run in runs]


TALK = {
    "prompt": "咳嗽了怎么办？",
    "query": "已经三天了。",
    "response": "早些休息。",
    "history": [["医生您好。", "您好，请说。"], ["我头痛。", "多久了？"]],
}


def test_ids_and_labels_equal_a_construction_turn_by_turn(tokenizer: Any) -> None:
    examples, budget = encode(tokenizer, TALK)
    ids, labels = [], []
    turns = [*TALK["history"], ["咳嗽了怎么办？\n已经三天了。", "早些休息。"]]
    for question, answer in turns:
        source = [tokenizer.bos_token_id, *tokenizer.encode(f"[INST] {question} [/INST]", add_special_tokens=False)]
        target = [*tokenizer.encode(answer, add_special_tokens=False), tokenizer.eos_token_id]
        ids += source + target
        labels += [IGNORED] * len(source) + target
    assert examples[0]["input_ids"].tolist() == ids
    assert examples[0]["labels"].tolist() == labels
    assert (budget.tokens, budget.supervised) == (len(ids), sum(label != IGNORED for label in labels))


def test_ids_of_2023_have_their_system_prompt_a_trailing_space_and_no_bos(tokenizer: Any) -> None:
    examples, _ = encode(tokenizer, TALK, template="llama2_care")
    text = tokenizer.decode(examples[0]["input_ids"].tolist())
    assert text.startswith("[INST] <<SYS>>\nYou are a helpful, respectful and honest assistant. Always answer")
    assert (
        "share false information.\n<</SYS>>\n\n医生您好。 [/INST] 您好，请说。</s>[INST] 我头痛。 [/INST] 多久了？</s>"
        in text
    )
    assert tokenizer.bos_token_id not in examples[0]["input_ids"]


def test_every_answer_with_its_end_is_learned_and_nothing_else(tokenizer: Any) -> None:
    examples, _ = encode(tokenizer, TALK)
    assert learned_texts(tokenizer, examples[0]) == ["您好，请说。</s>", "多久了？</s>", "早些休息。</s>"]


def test_mask_history_learns_the_last_answer_only(tokenizer: Any) -> None:
    examples, _ = encode(tokenizer, TALK, mask_history=True)
    assert learned_texts(tokenizer, examples[0]) == ["早些休息。</s>"]


def test_train_on_prompt_learns_all(tokenizer: Any) -> None:
    examples, budget = encode(tokenizer, TALK, train_on_prompt=True)
    assert examples[0]["labels"].tolist() == examples[0]["input_ids"].tolist()
    assert budget.supervised == budget.tokens


def test_system_of_record_wins_over_the_setting(tokenizer: Any) -> None:
    own = {"prompt": "问", "response": "答", "system": "甲"}
    examples, _ = encode(tokenizer, own, {"prompt": "问", "response": "答"}, system="乙")
    texts = [tokenizer.decode(examples[i]["input_ids"].tolist()) for i in range(2)]
    assert ["甲" in texts[0], "乙" in texts[0], "乙" in texts[1]] == [True, False, True]


def test_a_batch_gives_the_same_as_one_by_one(tokenizer: Any, records: list[dict[str, Any]], monkeypatch: Any) -> None:
    rows = [
        {"prompt": r["instruction"], "query": r["input"], "response": r["output"], "history": r["history"]}
        for r in records
    ]
    whole, _ = encode(tokenizer, *rows)
    monkeypatch.setattr("care_train.examples.BATCH", 1)
    single, _ = encode(tokenizer, *rows)
    assert len(whole) == len(single) == 24
    assert whole.ids.tolist() == single.ids.tolist()
    assert whole.learned.tolist() == single.learned.tolist()
    assert whole.ends.tolist() == single.ends.tolist()


def test_too_long_loses_its_oldest_turns_and_keeps_the_question_whole(tokenizer: Any) -> None:
    long = {**TALK, "system": "甲"}
    kept, _ = encode(tokenizer, {**long, "history": TALK["history"][1:]})
    examples, budget = encode(tokenizer, long, cutoff_len=len(kept.ids))
    assert examples.ids.tolist() == kept.ids.tolist()
    assert examples.learned.tolist() == kept.learned.tolist()
    text = tokenizer.decode(examples[0]["input_ids"].tolist())
    assert text.startswith("<s>[INST] <<SYS>>\n甲\n<</SYS>>\n\n我头痛。 [/INST]")
    assert text.endswith("咳嗽了怎么办？\n已经三天了。 [/INST]早些休息。</s>")
    assert budget.describe()["truncated"] == {"oldest turns dropped": 1}


LONG = {"prompt": "开头" + "腰酸" * 200 + "结尾？", "response": "多喝温水。", "history": [["早先", "回答"]]}


def test_one_exchange_too_long_is_dropped_with_a_count(tokenizer: Any) -> None:
    examples, budget = encode(tokenizer, LONG, {"prompt": "问", "response": "答"}, cutoff_len=60)
    assert (len(examples), budget.read, budget.kept, dict(budget.dropped)) == (1, 2, 1, {"overlong": 1})


def test_truncate_cuts_the_head_of_the_question_never_its_end(tokenizer: Any) -> None:
    examples, budget = encode(tokenizer, LONG, cutoff_len=60, overlong="truncate")
    text = tokenizer.decode(examples[0]["input_ids"].tolist())
    assert len(examples.ids) <= 60
    assert text.startswith("<s>[INST] ")
    assert text.endswith("结尾？ [/INST]多喝温水。</s>")
    assert "开头" not in text
    assert budget.describe()["truncated"] == {"question heads cut": 1}


def test_truncate_cuts_the_end_of_a_long_answer_but_not_its_end_mark(tokenizer: Any) -> None:
    examples, budget = encode(
        tokenizer, {"prompt": "腰酸怎么办？", "response": "多喝温水。" * 100}, cutoff_len=60, overlong="truncate"
    )
    text = tokenizer.decode(examples[0]["input_ids"].tolist())
    assert len(examples.ids) == 60
    assert "腰酸怎么办？ [/INST]多喝温水。" in text
    assert text.endswith("</s>")
    assert budget.describe()["truncated"] == {"answer ends cut": 1}


@pytest.mark.parametrize("limit", range(30, 100, 7))
@pytest.mark.parametrize("overlong", ["truncate", "truncate_history", "drop"])
def test_no_policy_leaves_an_example_too_long_or_without_its_marks(tokenizer: Any, limit: int, overlong: str) -> None:
    short = {"prompt": "问", "response": "答"}
    both = {"prompt": "腰酸" * 40, "response": "温水" * 40}
    examples, budget = encode(tokenizer, LONG, TALK, both, short, cutoff_len=limit, overlong=overlong)
    assert budget.read == 4 == budget.kept + budget.dropped.total()
    for number in range(len(examples)):
        item = examples[number]
        text = tokenizer.decode(item["input_ids"].tolist())
        assert len(item["input_ids"]) <= limit
        assert text.count("[INST] ") == text.count(" [/INST]") == text.count("</s>") > 0
        assert item["labels"][-1] == tokenizer.eos_token_id


def test_drop_and_error(tokenizer: Any) -> None:
    _, budget = encode(tokenizer, TALK, {"prompt": "问", "response": "答"}, cutoff_len=40, overlong="drop")
    assert dict(budget.dropped) == {"overlong": 1}
    with pytest.raises(CareError, match=r"r0: \d+ tokens, more than --cutoff_len 40. Raise --cutoff_len"):
        encode(tokenizer, TALK, cutoff_len=40, overlong="error")


def test_records_without_question_or_answer_are_counted(tokenizer: Any) -> None:
    rows = [
        {"prompt": "", "response": "答"},
        {"prompt": "问", "response": " "},
        {"prompt": None, "query": "问", "response": "答"},
    ]
    examples, budget = encode(tokenizer, *rows)
    assert (len(examples), dict(budget.dropped)) == (1, {"no question": 1, "no answer": 1})


def test_nothing_to_learn_is_an_error(tokenizer: Any) -> None:
    with pytest.raises(CareError, match=r"nothing to learn: 2 no answer"):
        encode(tokenizer, {"prompt": "问", "response": ""}, {"prompt": "问", "response": None})


def test_a_history_item_that_is_no_pair_names_its_record(tokenizer: Any) -> None:
    with pytest.raises(CareError, match=r"r0: a history item is no pair of texts"):
        encode(tokenizer, {"prompt": "问", "response": "答", "history": [["一", "二", "三"]]})


def test_prompt_for_an_answer_is_the_training_prompt(tokenizer: Any) -> None:
    examples, _ = encode(tokenizer, TALK)
    history = [tuple(pair) for pair in TALK["history"]]
    ids = encode_prompt(tokenizer, LLAMA2, "咳嗽了怎么办？\n已经三天了。", history)
    assert examples[0]["input_ids"].tolist()[: len(ids)] == ids
    assert learned_texts(tokenizer, examples[0])[-1] == tokenizer.decode(examples[0]["input_ids"].tolist()[len(ids) :])


def test_taking_examples_keeps_them_whole(tokenizer: Any) -> None:
    examples, _ = encode(tokenizer, TALK, {"prompt": "问", "response": "答"}, {"prompt": "二", "response": "三"})
    taken = examples.take(np.array([2, 0]))
    assert len(taken) == 2
    for ours, theirs in ((0, 2), (1, 0)):
        assert taken[ours]["input_ids"].tolist() == examples[theirs]["input_ids"].tolist()
        assert taken[ours]["labels"].tolist() == examples[theirs]["labels"].tolist()
