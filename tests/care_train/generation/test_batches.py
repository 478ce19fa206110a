"""Rows that are written side by side equal those written alone."""

import random
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    LlamaConfig,
    MambaConfig,
    MistralConfig,
    Qwen2Config,
    Qwen3Config,
)

from care_train.generation.batches import ALIKE, ROOM, Batch, group_by_length, takes_company

SHAPE: dict[str, Any] = {
    "vocab_size": 61,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
}
CONFIGS = {
    "llama": LlamaConfig(**SHAPE),
    "qwen2": Qwen2Config(**SHAPE),
    "qwen3": Qwen3Config(**SHAPE, head_dim=8),
    "sliding window": MistralConfig(**SHAPE, sliding_window=6),
    "window in turn": Gemma2Config(**SHAPE, head_dim=8, sliding_window=6),
}


def make(config: Any) -> Any:
    torch.manual_seed(1)
    return AutoModelForCausalLM.from_config(config).eval()


def ask_alone(model: Any, ids: list[int]) -> torch.Tensor:
    """Logits after the ids, read in one go without any cache."""
    with torch.inference_mode():
        return model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1]


@pytest.mark.parametrize("kind", CONFIGS)
def test_rows_that_join_and_leave_are_as_if_alone(kind: str) -> None:
    model, dice = make(CONFIGS[kind]), random.Random(5)
    batch, rows = Batch(model), list[list[int]]()
    gap, seen = 0.0, 0
    for moment in range(60):
        if moment % 7 == 0 or not rows:
            new = [[dice.randrange(61) for _ in range(dice.choice((1, 3, 20, 90)))] for _ in range(dice.choice((1, 2)))]
            for ids, logits in zip(new, batch.admit(new), strict=True):
                gap, seen = max(gap, float((logits - ask_alone(model, ids)).abs().max())), seen + 1
            rows += new
        if moment % 5 == 4:
            going = sorted(dice.sample(range(len(rows)), dice.randrange(len(rows) + 1)))
            rows = [rows[place] for place in going]
            batch.keep(going)
        if not rows:
            continue
        tokens = [dice.randrange(61) for _ in rows]
        for ids, token, logits in zip(rows, tokens, batch.step(tokens), strict=True):
            ids.append(token)
            gap, seen = max(gap, float((logits - ask_alone(model, ids)).abs().max())), seen + 1
    assert seen > 100
    assert gap < 1e-5


def test_room_is_given_back() -> None:
    batch = Batch(make(CONFIGS["llama"]))
    batch.admit([[1] * 300, [2] * 4])
    assert batch.cache.layers[0].keys.shape == (2, 2, 300, 8)
    batch.keep([1])
    assert batch.cache.layers[0].keys.shape == (1, 2, 4, 8)
    batch.keep([])
    assert batch.cache is None
    assert batch.admit([[3]]).shape == (1, 61)


def test_a_token_is_written_without_copying_the_rest() -> None:
    batch = Batch(make(CONFIGS["llama"]))
    batch.admit([[1] * 10])
    places = set()
    for _ in range(ROOM - 10):
        batch.step([1])
        places.add(batch.cache.layers[0].keys.data_ptr())
    assert len(places) == 1


def test_only_states_that_can_be_cut_take_company() -> None:
    assert all(takes_company(make(config)) for config in CONFIGS.values())
    mamba = MambaConfig(vocab_size=61, hidden_size=32, num_hidden_layers=2, state_size=4)
    assert not takes_company(make(mamba))


def test_prompts_of_like_length_are_read_together() -> None:
    prompts = [[0] * size for size in (10, 70, 200, 20, 30, 1000, 1400)]
    groups = [[len(one) for one in group] for group in group_by_length(prompts)]
    assert groups == [[10, 70], [200], [20, 30], [1000, 1400]]
    assert all(max(group) <= ALIKE * min(group) + ROOM for group in groups)
