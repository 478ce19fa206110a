"""Command lines and recipes to settings."""

import shlex
from pathlib import Path

import pytest

from care_train.arguments import parse
from care_train.config import ALIASES, REMOVED, ChatSettings, SftSettings, check
from care_train.errors import CareError, Exit

SEED = """
    --stage sft --model_name_or_path ./Llama-2-7b-chat-hf --do_train --dataset mm --finetuning_type lora
    --quantization_bit 4 --overwrite_cache --output_dir output --per_device_train_batch_size 8
    --gradient_accumulation_steps 4 --lr_scheduler_type cosine --logging_steps 10 --save_steps 1000
    --learning_rate 5e-5 --num_train_epochs 2.0 --plot_loss --fp16 --template llama2 --lora_target q_proj,v_proj
"""


def read(line: str) -> SftSettings:
    settings, words = parse(SftSettings, shlex.split(line), aliases=ALIASES, removed=REMOVED, passing=True)
    assert words == []
    return settings


def test_seed_command_is_read_as_it_stands() -> None:
    settings = read(SEED)
    check(settings, "sft")
    assert (settings.run.stage, settings.run.output_dir, settings.run.plot_loss) == ("sft", "output", True)
    assert settings.model.model_name_or_path == "./Llama-2-7b-chat-hf"
    assert settings.model.quantization_bit == 4
    assert (settings.data.dataset, settings.data.template, settings.data.overwrite_cache) == ("mm", "llama2", True)
    assert (settings.lora.finetuning_type, settings.lora.lora_target) == ("lora", "q_proj,v_proj")
    training = settings.training
    assert (training.do_train, training.fp16, training.bf16) == (True, True, False)
    assert (training.per_device_train_batch_size, training.gradient_accumulation_steps) == (8, 4)
    assert (training.lr_scheduler_type, training.learning_rate, training.num_train_epochs) == ("cosine", 5e-5, 2.0)
    assert (training.logging_steps, training.save_steps) == (10, 1000)
    assert settings.extra == {}


def test_dashes_equals_signs_and_overrides_mean_the_same() -> None:
    assert read("--output-dir a --fp16=true --lora-rank=4") == read("output_dir=a --fp16 lora_rank=4")


def test_switches_take_a_value_or_a_no() -> None:
    assert read("--double_quantization false").model.double_quantization is False
    assert read("--no_double_quantization").model.double_quantization is False
    assert read("--fp16 --output_dir x").training.fp16 is True
    assert read("--gradient_checkpointing").model.gradient_checkpointing is True


def test_later_wins_over_earlier_and_line_over_recipe(tmp_path: Path) -> None:
    toml, yaml = tmp_path / "a.toml", tmp_path / "b.yaml"
    toml.write_text('seed = 1\n[data]\ndataset = ["a", "b"]\n[lora]\nlora_rank = 4\n', encoding="utf-8")
    yaml.write_text("learning_rate: 5e-5\nlora_rank: 5\nfp16: true\n", encoding="utf-8")
    settings = read(f"{toml} --config {yaml} seed=2 --seed 3")
    assert (settings.data.dataset, settings.lora.lora_rank, settings.training.seed) == ("a,b", 5, 3)
    assert (settings.training.learning_rate, settings.training.fp16) == (5e-5, True)


def test_other_trainer_fields_pass_through_with_their_types() -> None:
    assert read("--adam_beta2 0.98 --full_determinism --run_name x1 --eval_accumulation_steps 3").extra == {
        "adam_beta2": 0.98,
        "full_determinism": True,
        "run_name": "x1",
        "eval_accumulation_steps": 3,
    }


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--lerning_rate 1", "--lerning_rate is unknown. Did you mean --learning_rate?"),
        ("lora_rnk=1", "--lora_rnk is unknown. Did you mean --lora_rank?"),
        ("--adam_beta3 1", "--adam_beta3 is unknown. Did you mean --adam_beta2?"),
        ("--warmup_ratio 0.1", "--warmup_ratio is not a setting here. Use --warmup_steps: below 1 it is a share"),
        ("--quantization_bit 3", "--quantization_bit 3 is not offered. It takes: 4, 8."),
        ("--overlong trunkate", "--overlong trunkate is not offered. Did you mean truncate?"),
        ("--lora_rank eight", "--lora_rank eight is no whole number."),
        ("--lora_rank 1.5", "--lora_rank 1.5 is no whole number."),
        ("--fp16=perhaps", "--fp16 perhaps is no truth value."),
        ("--output_dir", "--output_dir needs a value. Write --output_dir VALUE."),
        ("--stage kto9", "--stage kto9 is not offered. It takes: pt, sft, rm, dpo."),
        ("nowhere.toml", "recipe nowhere.toml cannot be read"),
    ],
)
def test_mistakes_are_named_with_the_way_out(line: str, said: str) -> None:
    with pytest.raises(CareError) as caught:
        read(line)
    assert str(caught.value).startswith(said)
    assert caught.value.code == Exit.USAGE


def test_passing_is_only_for_training() -> None:
    with pytest.raises(CareError, match=r"--adam_beta2 is unknown"):
        parse(ChatSettings, ["--adam_beta2", "0.9"], aliases=ALIASES, removed=REMOVED)


def test_seed_web_flags_and_positional_words() -> None:
    line = "out --checkpoint_dir other --finetuning_type lora --template llama2 --temperature 0"
    settings, words = parse(ChatSettings, line.split(), aliases=ALIASES, removed=REMOVED)
    assert words == ["out"]
    assert (settings.load.adapter_name_or_path, settings.sampling.temperature) == ("other", 0.0)


def test_the_recipe_of_the_published_model_is_the_seeds_command() -> None:
    published = read("carellama2_7b_chat_sft_multi --dataset mm")
    seed = read(SEED)
    assert {**vars(published.training)} == {**vars(seed.training)}
    assert published.lora.lora_target == seed.lora.lora_target
    assert (published.lora.lora_alpha, published.lora.lora_dropout) == (32, 0.1)
