"""Pre-training: texts in, a model that goes on from them out."""

from transformers import Trainer, set_seed

from care_train.collators import make_padder
from care_train.config import PtSettings
from care_train.examples import encode_texts
from care_train.models import load_model, load_tokenizer, make_trainable
from care_train.runs import Result, Say, begin, choose_dtype, describe_budget, finish, split


def train(settings: PtSettings, say: Say) -> Result:
    """Train as the settings say; `say` gets lines of progress. Leaves everything in output_dir."""
    run = begin(settings, say)
    tokenizer = load_tokenizer(run.model.model_name_or_path)
    blocks, budget = encode_texts(run.data.table, tokenizer, settings.data)
    say(f"{describe_budget(budget)}; {len(blocks):,} blocks of {settings.data.cutoff_len:,}")
    training, evaluation = split(blocks, settings.data.val_size, settings.training.seed)
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
