"""Preference tuning: pairs of answers in, a model that leans to the better one out."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from peft import PeftModel
from torch import nn
from transformers import set_seed

from care_train.collators import make_pair_padder
from care_train.config import DpoSettings, PreferenceSettings
from care_train.examples import encode_pairs
from care_train.losses import (
    ALONE,
    MEANS,
    Pairs,
    answer_log_probs,
    measure_pairs,
    preference_loss,
    rewards,
    split_pairs,
)
from care_train.models import REFERENCE, load_model, make_trainable
from care_train.pairwise import PairTrainer
from care_train.runs import Result, Say, begin, choose_dtype, finish, make_examples
from care_train.templates import find_template


class PreferenceTrainer(PairTrainer):
    """The better answer is to gain on the worse one, measured from where the model began.

    reference: a frozen copy of a model that learns as a whole; of one with an adapter its own base is asked.
    """

    def __init__(self, *args: Any, preference: PreferenceSettings, reference: nn.Module | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.preference = preference
        self.rests = preference.pref_loss == "hinge"
        self.reference = self.accelerator.prepare_model(reference, evaluation_mode=True) if reference else None

    def lose(self, model: nn.Module, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, dict[str, float]]:
        asked, labels = self.preference, batch["labels"]
        logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        policy = split_pairs(answer_log_probs(logits, labels, mean=asked.pref_loss in MEANS))
        reference = None if asked.pref_loss in ALONE else self._ask_reference(model, batch)
        loss = preference_loss(asked.pref_loss, policy, reference, beta=asked.pref_beta, gamma=asked.simpo_gamma).mean()
        if asked.pref_ftx:
            half = len(labels) // 2
            loss = loss - asked.pref_ftx * answer_log_probs(logits[:half], labels[:half], mean=True).mean()
        told = {
            **measure_pairs(rewards(policy, reference, beta=asked.pref_beta)),
            "logps/chosen": float(policy.chosen.detach().mean()),
            "logps/rejected": float(policy.rejected.detach().mean()),
        }
        return loss, told

    def _ask_reference(self, model: nn.Module, batch: dict[str, torch.Tensor]) -> Pairs:
        asked = self.reference or model
        bare = self.accelerator.unwrap_model(model)
        with torch.no_grad(), as_it_began(bare) if isinstance(bare, PeftModel) else nullcontext():
            logits = asked(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        return split_pairs(answer_log_probs(logits, batch["labels"], mean=self.preference.pref_loss in MEANS))


@contextmanager
def as_it_began(model: PeftModel) -> Iterator[None]:
    """The model with the adapter it was given, or with none where it began with a new one."""
    if REFERENCE not in model.peft_config:
        with model.disable_adapter():
            yield
        return
    learning = {name: weight.requires_grad for name, weight in model.named_parameters()}
    model.set_adapter(REFERENCE)
    try:
        yield
    finally:
        model.set_adapter("default")
        for name, weight in model.named_parameters():
            weight.requires_grad_(learning[name])


def train(settings: DpoSettings, say: Say) -> Result:
    """Train as the settings say; `say` gets lines of progress. Leaves everything in output_dir."""
    template = find_template(str(settings.data.template))
    run = begin(settings, say)
    tokenizer = run.tokenizer
    training, evaluation, budget = make_examples(
        run, lambda table, cache: encode_pairs(table, tokenizer, template, settings.data, cache)
    )
    set_seed(settings.training.seed)
    dtype = choose_dtype(settings)
    compared = settings.preference.pref_loss not in ALONE
    whole = compared and settings.lora.finetuning_type != "lora"
    reference = load_model(run.model, dtype=dtype).requires_grad_(False).eval() if whole else None
    base = load_model(run.model, dtype=dtype)
    trainer = PreferenceTrainer(
        model=make_trainable(base, settings.lora, run.model, reference=compared),
        args=run.arguments,
        train_dataset=training,
        eval_dataset=evaluation,
        data_collator=make_pair_padder(tokenizer.pad_token_id),
        processing_class=tokenizer,
        preference=settings.preference,
        reference=reference,
    )
    return finish(run, trainer, training, budget)
