"""Preferences to tokens: two answers after one prompt, and what becomes of those that are no pair."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from care_train.config import DataSettings
from care_train.errors import CareError
from care_train.examples import encode_pairs
from care_train.shards import TYPES
from care_train.templates import TEMPLATES
from care_train.tokens import IGNORED

PAIR = {"prompt": "咳嗽了怎么办？", "query": "已经三天了。", "chosen": "早些休息。", "rejected": "少吃油腻就好。"}
TALK = {**PAIR, "history": [["医生您好。", "您好，请说。"], ["我头痛。", "多喝温水。"]]}


def encode(tokenizer: Any, *rows: dict[str, Any], **settings: Any) -> Any:
    schema = pa.schema(list(TYPES.items()))
    table = pa.Table.from_pylist([{"id": f"r{number}", **row} for number, row in enumerate(rows)], schema=schema)
    return encode_pairs(table, tokenizer, TEMPLATES["llama2"], DataSettings(**settings))


def parts(item: dict[str, np.ndarray]) -> tuple[list[int], list[int]]:
    """(tokens in front, tokens learned); all that is learned stands at the end."""
    asked = int((item["labels"] == IGNORED).sum())
    assert (item["labels"][asked:] == item["input_ids"][asked:]).all()
    return item["input_ids"][:asked].tolist(), item["input_ids"][asked:].tolist()


def test_both_answers_follow_one_prompt_and_only_they_are_learned(tokenizer: Any) -> None:
    pairs, budget = encode(tokenizer, TALK)
    (asked, better), (same, worse) = (parts(pairs[0][side]) for side in ("chosen", "rejected"))
    assert asked == same
    assert tokenizer.decode(asked).endswith("[INST] 咳嗽了怎么办？\n已经三天了。 [/INST]")
    assert "您好，请说。" in tokenizer.decode(asked)
    assert (tokenizer.decode(better), tokenizer.decode(worse)) == ("早些休息。</s>", "少吃油腻就好。</s>")
    assert (budget.read, budget.kept) == (1, 1)
    assert (budget.tokens, budget.supervised) == (2 * len(asked) + len(better) + len(worse), len(better) + len(worse))


def test_settings_of_answers_do_not_reach_pairs(tokenizer: Any) -> None:
    plain, _ = encode(tokenizer, TALK)
    other, _ = encode(tokenizer, TALK, train_on_prompt=True, mask_history=False)
    assert other[0]["chosen"]["labels"].tolist() == plain[0]["chosen"]["labels"].tolist()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"chosen": " "}, "no chosen answer"),
        ({"rejected": None}, "no rejected answer"),
        ({"prompt": "", "query": ""}, "no question"),
        ({"rejected": PAIR["chosen"]}, "equal answers"),
    ],
)
def test_what_is_no_pair_is_counted_with_its_reason(tokenizer: Any, change: dict[str, Any], reason: str) -> None:
    pairs, budget = encode(tokenizer, PAIR, {**PAIR, **change}, TALK)
    assert (len(pairs), budget.read, budget.kept, dict(budget.dropped)) == (2, 3, 2, {reason: 1})
    assert "您好，请说。" in tokenizer.decode(pairs[1]["chosen"]["input_ids"].tolist())
    with pytest.raises(CareError, match=f"nothing to learn: 1 {reason}"):
        encode(tokenizer, {**PAIR, **change})


@pytest.mark.parametrize("longer", ["chosen", "rejected"])
def test_the_longer_answer_decides_what_goes_of_the_history(tokenizer: Any, longer: str) -> None:
    long = {**TALK, longer: "早些休息，" * 12}
    whole, _ = encode(tokenizer, long)
    limit = len(whole[0][longer]["input_ids"]) - 1
    pairs, budget = encode(tokenizer, long, cutoff_len=limit)
    assert dict(budget.truncated) == {"oldest turns dropped": 1}
    prompts = [parts(pairs[0][side])[0] for side in ("chosen", "rejected")]
    assert prompts[0] == prompts[1]
    assert "我头痛。" in tokenizer.decode(prompts[0])
    assert "医生您好。" not in tokenizer.decode(prompts[0])


@pytest.mark.parametrize("limit", range(40, 120, 9))
def test_cut_answers_keep_their_end_and_their_prompt(tokenizer: Any, limit: int) -> None:
    both = {**PAIR, "chosen": "早些休息，" * 30, "rejected": "少吃油腻，" * 20}
    pairs, budget = encode(tokenizer, both, cutoff_len=limit, overlong="truncate")
    (asked, better), (same, worse) = (parts(pairs[0][side]) for side in ("chosen", "rejected"))
    assert asked == same
    assert len(asked) + max(len(better), len(worse)) <= limit
    assert better[-1] == worse[-1] == tokenizer.eos_token_id
    assert budget.truncated["answer ends cut"] >= 1


def test_pairs_drawn_stay_pairs(tokenizer: Any) -> None:
    pairs, _ = encode(tokenizer, PAIR, TALK, {**PAIR, "chosen": "多喝温水。"})
    drawn = pairs.take(np.array([2, 0]))
    assert len(drawn) == 2
    for side in ("chosen", "rejected"):
        assert drawn[0][side]["input_ids"].tolist() == pairs[2][side]["input_ids"].tolist()
        assert drawn[1][side]["input_ids"].tolist() == pairs[0][side]["input_ids"].tolist()
