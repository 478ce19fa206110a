"""Tokens as text and bytes, for byte-level and SentencePiece vocabularies."""

from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models
from transformers import PreTrainedTokenizerFast

from care_train.serving.server.vocabulary import Vocabulary, map_characters

TEXT = "头痛 of 2 days — 🙂\n"


def test_byte_level_tokens_give_back_every_byte(tokenizer: Any) -> None:
    vocabulary = Vocabulary(tokenizer)
    spelled = [vocabulary.spell(token) for token in tokenizer.encode(TEXT, add_special_tokens=False)]
    assert bytes(byte for one in spelled for byte in one.bytes).decode() == TEXT
    assert all(one.text == bytes(one.bytes).decode() for one in spelled if not one.text.startswith("bytes:"))
    assert any(one.text.startswith("bytes:\\x") for one in spelled)
    assert vocabulary.spell(tokenizer.eos_token_id) == ("</s>", [60, 47, 115, 62])
    table = map_characters()
    assert sorted(table.values()) == list(range(256))
    assert (table["Ġ"], table["Ċ"], table["a"]) == (32, 10, 97)


@pytest.mark.parametrize(("written", "text", "read"), [("▁the", " the", None), ("<0xE5>", "bytes:\\xe5", [0xE5])])
def test_sentencepiece_tokens(written: str, text: str, read: list[int] | None) -> None:
    backend = Tokenizer(models.BPE(vocab={written: 0, "<unk>": 1}, merges=[], unk_token="<unk>", byte_fallback=True))
    backend.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    vocabulary = Vocabulary(PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>"))
    assert vocabulary.spell(0) == (text, read or list(text.encode()))
