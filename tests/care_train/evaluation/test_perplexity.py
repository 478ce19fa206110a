"""Perplexity worked out by hand, and windows against one pass over the whole."""

import math
from types import SimpleNamespace

import pytest
import torch

from care_train.config import ModelSettings
from care_train.evaluation.perplexity import cut_windows, measure_texts
from care_train.models import load_model


class Even(torch.nn.Module):
    """A model that holds every one of eight tokens for equally likely, but token 3 for twice as likely."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, input_ids, attention_mask, use_cache):
        logits = torch.zeros(*input_ids.shape, 8)
        logits[..., 3] = math.log(2)
        return SimpleNamespace(logits=logits)


class Letters:
    """A tokenizer of the letters a to h; its first token is bos."""

    is_fast = False
    bos_token_id = 7
    eos_token_id = 6

    def __call__(self, texts, **_):
        return {"input_ids": [[ord(letter) - ord("a") for letter in text] for text in texts]}


def test_by_hand():
    # ln 9 for each letter but d (token 3), ln 4.5 for that
    first, second = measure_texts(Even(), Letters(), ["ad", "bc"], window=8, overlap=0.5, batch_size=2)
    assert first.nats == pytest.approx(math.log(9) + math.log(4.5), rel=1e-6)
    assert (first.tokens, first.characters, first.bytes) == (2, 2, 2)
    assert first.perplexity == pytest.approx(math.sqrt(40.5), rel=1e-6)
    assert second.character_perplexity == pytest.approx(9, rel=1e-6)
    assert second.bits_per_byte == pytest.approx(math.log2(9), rel=1e-6)


@pytest.mark.parametrize(
    ("size", "window", "overlap"), [(50, 8, 0.5), (9, 8, 0.0), (8, 8, 0.9), (50, 2, 0.9), (1, 8, 0), (23, 7, 0.75)]
)
def test_windows_count_every_token_once_with_the_overlap_before_it(size, window, overlap):
    ids = list(range(size))
    counted: list[int] = []
    for number, one in enumerate(cut_windows(5, ids, window, overlap)):
        assert one.text == 5
        assert len(one.ids) <= window
        assert one.first >= (1 if not number else min(int(window * overlap), window - 1, size))
        counted += one.ids[one.first :]
    assert counted == ids[1:]


def test_windows_of_a_model_are_close_to_one_pass_and_a_whole_window_is_equal(tiny, tokenizer):
    model = load_model(ModelSettings(model_name_or_path=str(tiny))).eval()
    texts = ["头痛了怎么办？多喝温水，早些休息。" * 12, "咳嗽", "失眠了，少吃油腻。"]
    ids = [tokenizer.bos_token_id, *tokenizer(texts[0], add_special_tokens=False)["input_ids"]]
    with torch.inference_mode():
        logs = model(input_ids=torch.tensor([ids]), use_cache=False).logits[0].log_softmax(-1)
    whole = -sum(float(logs[at - 1, ids[at]]) for at in range(1, len(ids)))
    for batch_size in (1, 3):
        found = measure_texts(model, tokenizer, texts, window=512, overlap=0.5, batch_size=batch_size)
        assert found[0].nats == pytest.approx(whole, abs=1e-3)
        assert found[0].tokens == len(ids) - 1
    cut = measure_texts(model, tokenizer, texts, window=16, overlap=0.75, batch_size=4)
    assert [one.tokens for one in cut] == [one.tokens for one in found]
    assert cut[1].nats == pytest.approx(found[1].nats, abs=1e-4)
    assert cut[0].nats != pytest.approx(whole, abs=1e-3)


def test_every_text_ticks_once():
    ticks: list[tuple[int, int]] = []
    measure_texts(
        Even(), Letters(), ["abcdefgh", "a"], window=3, overlap=0.5, batch_size=2, tick=lambda *told: ticks.append(told)
    )
    assert sum(done for done, _ in ticks) == 2
    assert sum(tokens for _, tokens in ticks) == 9
