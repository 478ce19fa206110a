"""Whether a model says the same before and after: its logits on a few prompts, in 32-bit arithmetic."""

from dataclasses import dataclass
from typing import Any

import torch

from care_train.templates import Template
from care_train.tokens import encode_prompt

BOUNDS = {torch.float32: 1e-3, torch.bfloat16: 1.5, torch.float16: 0.2}
"""Largest difference of two logits that the rounding of the weights to a type explains."""
TEXTS = (
    ("头痛了三天，怎么办？", "先多休息，少看屏幕；如果越来越痛，请去看医生。"),
    ("What helps against a dry cough at night?", "Warm drinks and moist air; see a doctor after three weeks."),
    ("孩子发烧 38.5 ℃，要不要吃药？", "先看精神好不好，多喝水。"),
    ("Which of these is a vitamin?\nA. Retinol\nB. Keratin", "A"),
)
"""Invented questions and answers; any text would do, as long as it is the same before and after."""


@dataclass(frozen=True)
class Comparison:
    """largest: difference of two logits, agreement: share of the places where the likeliest token is the same.

    places: tokens compared.
    """

    largest: float
    agreement: float
    places: int


def list_prompts(tokenizer: Any, template: Template | None, system: str | None) -> list[list[int]]:
    """Ids of conversations as the model was trained on them, of plain texts where it has no template."""
    if template is None:
        return [tokenizer(f"{question}\n{answer}")["input_ids"] for question, answer in TEXTS]
    alone = [encode_prompt(tokenizer, template, question, [], system) for question, _ in TEXTS]
    later = encode_prompt(tokenizer, template, TEXTS[0][0], list(TEXTS[1:3]), system)
    return [*alone, later]


def compute_logits(model: Any, prompts: list[list[int]]) -> list[torch.Tensor]:
    """The model's logits [tokens, vocabulary] on each prompt, or its score [1, 1], as float32 in main memory."""
    device = next(model.parameters()).device
    model.eval()
    with torch.inference_mode():
        found = (model(input_ids=torch.tensor([ids], device=device)).logits for ids in prompts)
        return [logits.reshape(-1, logits.shape[-1]).float().cpu() for logits in found]


def compare(before: list[torch.Tensor], after: list[torch.Tensor]) -> Comparison:
    """How far two lists of logits lie apart; a number that is none counts as infinitely far."""
    pairs = list(zip(before, after, strict=True))
    far = float("inf")
    largest = max(float((one - two).abs().nan_to_num(nan=far, posinf=far).max()) for one, two in pairs)
    same = sum(int((one.argmax(-1) == two.argmax(-1)).sum()) for one, two in pairs)
    places = sum(len(one) for one, _ in pairs)
    return Comparison(largest, same / places, places)
