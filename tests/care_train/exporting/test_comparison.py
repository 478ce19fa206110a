"""How far two models lie apart."""

from pathlib import Path
from typing import Any

import pytest
import torch

from care_train.config import ModelSettings
from care_train.exporting.comparison import TEXTS, Comparison, compare, compute_logits, list_prompts
from care_train.models import load_model
from care_train.templates import TEMPLATES


def test_the_largest_difference_and_the_likeliest_tokens() -> None:
    before = [torch.tensor([[0.0, 1.0, 2.0], [3.0, 1.0, 2.0]]), torch.tensor([[5.0, 1.0, 2.0]])]
    after = [torch.tensor([[0.0, 1.0, 2.25], [1.5, 1.0, 2.0]]), torch.tensor([[5.0, 1.0, 2.0]])]
    assert compare(before, before) == Comparison(0.0, 1.0, 3)
    assert compare(before, after) == Comparison(1.5, 2 / 3, 3)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_no_number_is_infinitely_far(wrong: float) -> None:
    assert compare([torch.tensor([[0.0, 1.0]])], [torch.tensor([[wrong, 1.0]])]).largest == float("inf")


def test_prompts_are_conversations_as_trained(tokenizer: Any) -> None:
    prompts = list_prompts(tokenizer, TEMPLATES["llama2"], "Be brief.")
    assert len(prompts) == len(TEXTS) + 1
    assert all(tokenizer.decode(ids).startswith("<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>") for ids in prompts)
    assert tokenizer.decode(prompts[-1]).count("[INST]") == 3
    assert "[INST]" not in tokenizer.decode(list_prompts(tokenizer, None, None)[0])


def test_logits_are_of_every_token(tiny: Path, tokenizer: Any) -> None:
    model: Any = load_model(ModelSettings(model_name_or_path=str(tiny)))
    logits = compute_logits(model.train(), [[5, 6, 7], [8]])
    assert [tuple(one.shape) for one in logits] == [(3, len(tokenizer)), (1, len(tokenizer))]
    with torch.no_grad():
        assert torch.equal(logits[1][0], model(input_ids=torch.tensor([[8]])).logits[0, 0])
    assert not model.training
