"""The toy base model."""

from pathlib import Path

import pytest
import torch

from care_train import tiny as module
from care_train.tiny import SHAPE, build_tiny, cut_blocks, train_tokenizer

TEXTS = [
    "头痛怎么办？\n多喝温水，早些休息。",
    "咳嗽怎么办？\n少吃油腻，多喝温水。",
    "What helps?\nRest and drink water.",
] * 20


def test_tokenizer_keeps_any_text() -> None:
    tokenizer = train_tokenizer(TEXTS)
    assert tokenizer.decode(tokenizer("肾小球滤过率𠮷🙂 naïve\n")["input_ids"]) == "肾小球滤过率𠮷🙂 naïve\n"
    special = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id, tokenizer.pad_token_id)
    assert special == (0, 1, 2, 3)
    assert len(tokenizer("多喝温水，早些休息。")["input_ids"]) < 12


def test_layers_fit_four_bits() -> None:
    assert [SHAPE[name] % 64 for name in ("hidden_size", "intermediate_size")] == [0, 0]


def test_blocks_hold_every_text_with_its_end() -> None:
    tokenizer = train_tokenizer(TEXTS)
    blocks = cut_blocks(TEXTS, tokenizer)
    assert blocks.shape[1] == module.BLOCK
    stream = tokenizer.decode(blocks.flatten().tolist())
    assert stream.startswith("</s>".join(TEXTS) + "</s>")
    assert cut_blocks(["短"], tokenizer).shape == (1, module.BLOCK)


def test_same_texts_same_model_and_used_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(module, "MOST_STEPS", 2)
    before = torch.random.get_rng_state()
    one = build_tiny(TEXTS, tmp_path / "a", 1, said.append)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.rand(3)
    two = build_tiny(TEXTS, tmp_path / "b", 1, said.append)
    for name in ("model.safetensors", "tokenizer.json"):
        assert (one / name).read_bytes() == (two / name).read_bytes()
    written = (one / "model.safetensors").stat().st_mtime_ns
    said.clear()
    build_tiny(TEXTS, tmp_path / "a", 1, said.append)
    assert (one / "model.safetensors").stat().st_mtime_ns == written
    assert len(said) == 1
    assert "using it again" in said[0]
    build_tiny([*TEXTS, "新"], tmp_path / "a", 1, said.append)
    assert (one / "model.safetensors").stat().st_mtime_ns != written
