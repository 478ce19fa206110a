"""Texts in one call of the tokenizer, from several threads at once, and ids put together from parts."""

import runpy
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from care_train.spans import ANCHOR, decode, encode_all, encode_spans, gather, join

LOADERS = runpy.run_path(str(Path(__file__).with_name("goldens") / "vocabularies.py"))["LOADERS"]
HOSTILE = "甲</s>乙<|im_end|>丙"


@pytest.fixture(scope="module", params=LOADERS)
def tokenizer(request: pytest.FixtureRequest) -> Any:
    return LOADERS[request.param](["<|im_end|>"])


def test_rows_are_their_parts_one_after_the_other() -> None:
    rows = gather([[1, 2, 3], [], [4]], [[0, 2, 0], [], [1], [2, 2]])
    assert [row.tolist() for row in rows] == [[1, 2, 3, 4, 1, 2, 3], [], [], [4, 4]]
    assert {row.dtype for row in rows} == {np.dtype(np.int32)}
    assert gather([], []) == []
    ids, ends = join([[5], [], [6, 7]])
    assert (ids.tolist(), ends.tolist()) == ([5, 6, 7], [0, 1, 1, 3])


def test_after_a_token_ids_are_those_within_the_whole(tokenizer: Any) -> None:
    texts = ["头痛两天。", " with a space", f"{ANCHOR}甲"]
    ids = encode_spans(tokenizer, [(text, follows) for text in texts for follows in (False, True)])
    for text in texts[:2]:
        whole = tokenizer(f"{tokenizer.eos_token}{text}", add_special_tokens=False)["input_ids"]
        assert [tokenizer.eos_token_id, *ids[text, True]] == whole
        assert ids[text, False] == tokenizer(text, add_special_tokens=False)["input_ids"]
    assert decode(tokenizer, ids[texts[2], True]) == texts[2]


def test_threads_do_not_turn_each_others_switches(tokenizer: Any) -> None:
    """A tokenizer whose switches are turned meanwhile gives other ids, or an error."""
    wanted = encode_all(tokenizer, [HOSTILE])
    assert set(wanted[0]) & set(tokenizer.all_special_ids) == set()

    def work(number: int) -> bool:
        ids = encode_all(tokenizer, [HOSTILE] * (1 + number % 30))
        return ids == wanted * len(ids) and decode(tokenizer, ids[0]) == HOSTILE

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(600)))
    assert not tokenizer.backend_tokenizer.encode_special_tokens
