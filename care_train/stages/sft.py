"""Supervised fine-tuning: records in, adapter out."""

from transformers import set_seed

from care_train.collators import choose_collator
from care_train.config import SftSettings
from care_train.examples import encode_records
from care_train.models import load_model, make_trainable
from care_train.packing import check_isolation, describe_rows, pack
from care_train.runs import Result, Say, begin, choose_dtype, finish, make_examples
from care_train.templates import find_template
from care_train.trainers import LengthTrainer


def train(settings: SftSettings, say: Say) -> Result:
    """Train as the settings say; `say` gets lines of progress. Leaves everything in output_dir."""
    template = find_template(str(settings.data.template))
    run = begin(settings, say)
    tokenizer = run.tokenizer
    training, evaluation, budget = make_examples(
        run, lambda table, cache: encode_records(table, tokenizer, template, settings.data, cache)
    )
    if settings.data.packing:
        training = pack(training, settings.data.cutoff_len)
        say(describe_rows(training, settings.data.cutoff_len))
    set_seed(settings.training.seed)
    trainer = LengthTrainer(
        model=make_trainable(load_model(run.model, dtype=choose_dtype(settings)), settings.lora, run.model),
        args=run.arguments,
        train_dataset=training,
        eval_dataset=evaluation,
        data_collator=choose_collator(settings.data, tokenizer.pad_token_id),
        processing_class=tokenizer,
    )
    if settings.data.packing or settings.data.padding_free:
        check_isolation(trainer.model, rows=1 if settings.data.padding_free else 2)
    return finish(run, trainer, training, budget)
