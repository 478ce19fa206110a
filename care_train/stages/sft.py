"""Supervised fine-tuning: records in, adapter out."""

from transformers import Trainer, set_seed

from care_train.collators import make_padder
from care_train.config import SftSettings
from care_train.examples import encode_records
from care_train.models import load_model, load_tokenizer, make_trainable
from care_train.runs import Result, Say, begin, choose_dtype, describe_budget, finish, split
from care_train.templates import find_template


def train(settings: SftSettings, say: Say) -> Result:
    """Train as the settings say; `say` gets lines of progress. Leaves everything in output_dir."""
    template = find_template(str(settings.data.template))
    run = begin(settings, say)
    tokenizer = load_tokenizer(run.model.model_name_or_path)
    examples, budget = encode_records(run.data.table, tokenizer, template, settings.data)
    say(describe_budget(budget))
    training, evaluation = split(examples, settings.data.val_size, settings.training.seed)
    set_seed(settings.training.seed)
    trainer = Trainer(
        model=make_trainable(load_model(run.model, dtype=choose_dtype(settings)), settings.lora, run.model),
        args=run.arguments,
        train_dataset=training,
        eval_dataset=evaluation,
        data_collator=make_padder(tokenizer.pad_token_id),
        processing_class=tokenizer,
    )
    return finish(run, trainer, training, budget)
