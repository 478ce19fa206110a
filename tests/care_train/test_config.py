"""Settings: complete help, checks before anything is loaded."""

import dataclasses

import pytest

from care_train.arguments import list_flags, parse
from care_train.config import ALIASES, REMOVED, ChatSettings, DpoSettings, SftSettings, check, list_values
from care_train.config.exporting import ExportSettings
from care_train.errors import CareError, Exit

ENOUGH = ["--model_name_or_path", "m", "--dataset", "d", "--template", "llama2", "--output_dir", "o"]


@pytest.mark.parametrize("form", [SftSettings, ChatSettings])
def test_every_setting_has_one_line_of_help_and_one_home(form: type) -> None:
    flags = list_flags(form)
    fields = [
        item for part in dataclasses.fields(form) if part.name != "extra" for item in dataclasses.fields(part.type)
    ]
    assert len(fields) == len(flags) > 10
    for name, flag in flags.items():
        assert flag.field.metadata["help"], name
        assert "\n" not in flag.field.metadata["help"]


def test_aliases_lead_somewhere_and_removed_names_are_gone() -> None:
    known = {*list_flags(DpoSettings), *list_flags(ChatSettings), *list_flags(ExportSettings)}
    assert set(ALIASES.values()) <= known
    assert not set(REMOVED) & known


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ([], "--model_name_or_path, --dataset, --template, --output_dir missing."),
        (ENOUGH[:-2], "--output_dir missing."),
        ([*ENOUGH, "--fp16", "--bf16"], "--fp16 and --bf16 exclude each other."),
        ([*ENOUGH, "--do_train", "false"], "--do_train false leaves nothing to do."),
        ([*ENOUGH, "--cutoff_len", "4"], "--cutoff_len 4 holds no example."),
    ],
)
def test_missing_and_contradictory_settings(line: list[str], said: str) -> None:
    settings, _ = parse(SftSettings, line)
    with pytest.raises(CareError) as caught:
        check(settings, "sft")
    assert str(caught.value).startswith(said)
    assert caught.value.code == Exit.USAGE


def test_effective_values_hold_what_was_derived() -> None:
    settings, _ = parse(SftSettings, [*ENOUGH, "--lora_rank", "4", "--val_size", "0.1"])
    check(settings, "sft")
    values = list_values(settings)
    assert list(values) == ["run", "model", "data", "lora", "training"]
    assert values["lora"]["lora_alpha"] == 8
    assert values["training"]["eval_strategy"] == "epoch"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["val_size=2", "eval_dataset=b"], "--val_size and --eval_dataset exclude each other. Keep one."),
        (["streaming=true"], "--streaming without a number of steps. Give --max_steps"),
        (["streaming=true", "max_steps=3", "val_size=2"], "--val_size with --streaming. Name a dataset with --eval_"),
        (["streaming=true", "max_steps=3", "packing=true"], "--packing needs all lengths, --streaming has none."),
        (["streaming=true", "max_steps=3", "buffer_size=0"], "--buffer_size 0 holds no record."),
        (["max_samples=0"], "--max_samples 0 leaves nothing. Give at least 1"),
    ],
)
def test_settings_of_the_data_that_contradict_each_other(words: list[str], said: str) -> None:
    settings, _ = parse(SftSettings, [*ENOUGH, *words])
    with pytest.raises(CareError) as caught:
        check(settings, "sft")
    assert str(caught.value).startswith(said)
    assert caught.value.code == Exit.USAGE


def test_what_is_measured_is_measured_each_epoch_and_in_a_stream_by_steps() -> None:
    for words, strategy in (
        (["eval_dataset=b"], "epoch"),
        (["eval_dataset=b", "streaming=true", "max_steps=3"], "steps"),
        (["eval_dataset=b", "eval_strategy=no"], "no"),
        ([], None),
    ):
        settings, _ = parse(SftSettings, [*ENOUGH, *words])
        check(settings, "sft")
        assert settings.training.eval_strategy == strategy
