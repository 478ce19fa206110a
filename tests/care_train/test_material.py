"""Records divided, as plain texts, and what became of them in words."""

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from care_train.dataset_info import Dataset
from care_train.errors import CareError
from care_train.lengths import Budget
from care_train.material import describe_budget, list_texts, split
from care_train.sequences import Examples
from care_train.shards import TYPES


def test_validation_set_is_drawn_by_the_seed() -> None:
    examples = Examples(np.arange(10, dtype=np.int32), np.ones(10, bool), np.arange(11))
    train_a, eval_a = split(examples, 0.2, 1)
    train_b, eval_b = split(examples, 2, 1)
    assert eval_a is not None
    assert eval_b is not None
    assert (len(train_a), len(eval_a)) == (8, 2)
    assert eval_a.ids.tolist() == eval_b.ids.tolist()
    assert sorted([*train_a.ids, *eval_a.ids]) == list(range(10))
    assert train_b.ids.tolist() == train_a.ids.tolist()
    assert split(examples, 0.0, 1) == (examples, None)
    with pytest.raises(CareError, match=r"--val_size 10 leaves nothing to train on"):
        split(examples, 10, 1)


def test_the_budget_in_words() -> None:
    budget = Budget(10, 8, 1000, 250, 90, Counter({"overlong": 2}), Counter({"oldest turns dropped": 3}))
    assert describe_budget(budget) == (
        "tokens: 8 of 10 records, 1,000 tokens, 25.0% learned, longest 90; 2 overlong, 3 oldest turns dropped"
    )


def test_plain_texts_are_questions_with_their_answers_and_texts() -> None:
    rows = [
        {"prompt": "甲", "query": "乙", "response": "丙", "history": [["丁", "戊"]]},
        {"prompt": "己", "chosen": "庚", "rejected": "辛"},
        {"text": "壬"},
    ]
    table = pa.Table.from_pylist(rows, schema=pa.schema(list(TYPES.items())))
    texts = list_texts(Dataset(table, {}, Path(), None))
    assert texts == ["丁\n戊", "甲\n乙\n丙", "己\n庚", "己\n辛", "壬"]
