"""What the sides of `parity.py` are given: models, adapters, records, and our tokens of them."""

import json
import random
from pathlib import Path
from typing import Any

SEED, RECORDS = 42, 48


def make_inputs(folder: Path) -> None:
    """Models, adapters, records, and our tokens of them, in `folder`; the same bytes each time."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification

    from care_train.tiny import train_tokenizer

    answers, preferences = make_records()
    (folder / "data").mkdir(parents=True)
    columns = {"prompt": "instruction", "query": "input", "response": "output", "history": "history"}
    liked = {"prompt": "instruction", "query": "input", "chosen": "chosen", "rejected": "rejected"}
    info = {
        "answers": {"file_name": "answers.json", "columns": columns},
        "preferences": {"file_name": "preferences.json", "ranking": True, "columns": liked},
    }
    for name, value in (("dataset_info", info), ("answers", answers), ("preferences", preferences)):
        (folder / "data" / f"{name}.json").write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    tokenizer = train_tokenizer([f"{row['instruction']}\n{row['output']}" for row in answers])
    names = ("bos_token_id", "eos_token_id", "pad_token_id")
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_labels=1,
        **{name: getattr(tokenizer, name) for name in names},
    )
    for kind, task, saved in (
        (LlamaForCausalLM, "CAUSAL_LM", None),
        (LlamaForSequenceClassification, "SEQ_CLS", ["score"]),
    ):
        torch.manual_seed(SEED)
        model = kind(config)
        model.save_pretrained(folder / task / "base")
        tokenizer.save_pretrained(folder / task / "base")
        settings = LoraConfig(
            r=8, lora_alpha=32, target_modules=["q_proj", "v_proj"], task_type=task, modules_to_save=saved
        )
        adapted = get_peft_model(model, settings)
        for name, weight in adapted.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight, std=0.02)
        adapted.save_pretrained(folder / task / "adapter")
    write_tokens(folder, tokenizer)


def make_records() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(answers with history, preferences)."""
    from phrases import ACT, ASIDE, ASK, WHAT, WHERE

    draw = random.Random(SEED)  # noqa: S311  # the same texts each time

    def ask() -> str:
        return draw.choice(WHERE) + draw.choice(WHAT) + "，" + draw.choice(ASK)

    def answer() -> str:
        return "".join(draw.sample(ACT, draw.randint(1, 3))) + "再看看。"

    answers = [
        {
            "instruction": ask(),
            "input": draw.choice(ASIDE) if number % 3 == 0 else "",
            "output": answer(),
            "history": [[ask(), answer()] for _ in range(number % 3)],
        }
        for number in range(RECORDS)
    ]
    preferences = [
        {"instruction": ask(), "input": "", "chosen": answer(), "rejected": answer()[2:]} for _ in range(RECORDS)
    ]
    return answers, preferences


def write_tokens(folder: Path, tokenizer: Any) -> None:
    """Our tokens of both data sets, for a side that does not read the files itself."""
    from care_train.config import DataSettings
    from care_train.dataset_info import load_datasets
    from care_train.examples import encode_pairs, encode_records
    from care_train.templates import find_template

    template = find_template("llama2")
    answers, preferences = DataSettings(dataset="answers"), DataSettings(dataset="preferences")
    examples, _ = encode_records(load_datasets(folder / "data", "sft", answers).table, tokenizer, template, answers)
    pairs, _ = encode_pairs(load_datasets(folder / "data", "dpo", preferences).table, tokenizer, template, preferences)

    def plain(example: Any) -> dict[str, list[int]]:
        return {name: values.tolist() for name, values in example.items()}

    told = {
        "sft": [plain(examples[number]) for number in range(len(examples))],
        "dpo": [{side: plain(one) for side, one in pairs[number].items()} for number in range(len(pairs))],
    }
    (folder / "tokens.json").write_text(json.dumps(told), encoding="utf-8")


def split_tokens(pairs: list[dict[str, Any]]) -> list[dict[str, list[int]]]:
    """Pairs as TRL has them for preferences: the prompt, and each answer alone."""
    rows = []
    for pair in pairs:
        asked = sum(label < 0 for label in pair["chosen"]["labels"])
        answers = {f"{side}_ids": pair[side]["input_ids"][asked:] for side in ("chosen", "rejected")}
        rows.append({"prompt_ids": pair["chosen"]["input_ids"][:asked], **answers})
    return rows


def whole(pairs: list[dict[str, Any]]) -> list[dict[str, list[int]]]:
    """Pairs as TRL has them for rewards: each answer after the prompt."""
    return [{f"{side}_ids": pair[side]["input_ids"] for side in ("chosen", "rejected")} for pair in pairs]
