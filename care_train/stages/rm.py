"""Reward model: pairs of answers in, a model that scores an answer out."""

import torch
from torch import nn
from transformers import set_seed

from care_train.collators import make_pair_padder
from care_train.config import RmSettings
from care_train.examples import encode_pairs
from care_train.losses import measure_pairs, reward_loss, split_pairs
from care_train.models import load_model, make_trainable
from care_train.pairwise import PairTrainer
from care_train.runs import Result, Say, begin, choose_dtype, finish, make_examples
from care_train.templates import find_template


class RewardTrainer(PairTrainer):
    """The better answer is to score higher than the worse one."""

    def lose(self, model: nn.Module, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, dict[str, float]]:
        scores = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits.squeeze(-1)
        pairs = split_pairs(scores)
        return reward_loss(pairs), measure_pairs(pairs)


def train(settings: RmSettings, say: Say) -> Result:
    """Train as the settings say; `say` gets lines of progress. Leaves everything in output_dir."""
    template = find_template(str(settings.data.template))
    run = begin(settings, say)
    tokenizer = run.tokenizer
    training, evaluation, budget = make_examples(
        run, lambda table, cache: encode_pairs(table, tokenizer, template, settings.data, cache)
    )
    set_seed(settings.training.seed)
    model = load_model(run.model, dtype=choose_dtype(settings), pad_id=tokenizer.pad_token_id, scores=True)
    trainer = RewardTrainer(
        model=make_trainable(model, settings.lora, run.model, scores=True),
        args=run.arguments,
        train_dataset=training,
        eval_dataset=evaluation,
        data_collator=make_pair_padder(tokenizer.pad_token_id),
        processing_class=tokenizer,
    )
    return finish(run, trainer, training, budget)
