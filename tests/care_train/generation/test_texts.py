"""Tokens to text as they come."""

from typing import Any

import pytest

from care_train.generation.texts import TextStream


def feed(tokenizer: Any, text: str, *stops: str) -> tuple[list[str], bool]:
    """The pieces that a text comes in, and whether a stop text ended it."""
    stream, pieces = TextStream(tokenizer, stops), []
    for token in tokenizer.encode(text, add_special_tokens=False):
        piece, stopped = stream.add(token)
        pieces.append(piece)
        if stopped:
            return pieces, True
    rest, stopped = stream.flush()
    return [*pieces, rest], stopped


def test_half_characters_are_held_back(tokenizer: Any) -> None:
    pieces, stopped = feed(tokenizer, "🙂好𠮷。")
    assert ("".join(pieces), stopped) == ("🙂好𠮷。", False)
    assert not any("\ufffd" in piece for piece in pieces)
    assert len([piece for piece in pieces if piece]) >= 3


def test_a_half_character_at_the_end_is_shown_as_such(tokenizer: Any) -> None:
    stream = TextStream(tokenizer)
    half = tokenizer.encode("𠮷", add_special_tokens=False)[:-1]
    assert [stream.add(token)[0] for token in half] == [""] * len(half)
    assert stream.flush()[0].startswith("\ufffd")


@pytest.mark.parametrize(
    ("text", "stops", "said"),
    [
        ("Rest.\nQuest\nQuestion: more", ("\nQuestion:",), ("Rest.\nQuest", True)),
        ("Rest.\nQues", ("\nQuestion:",), ("Rest.\nQues", False)),
        ("多喝水。问：还有吗", ("还有", "问："), ("多喝水。", True)),
        ("一二三", ("三",), ("一二", True)),
        ("一二三", ("",), ("一二三", False)),
        ("aab", ("ab", "aac"), ("a", True)),
    ],
)
def test_stop_texts_end_an_answer_and_are_not_said(
    tokenizer: Any, text: str, stops: tuple[str, ...], said: tuple[str, bool]
) -> None:
    pieces, stopped = feed(tokenizer, text, *stops)
    assert ("".join(pieces), stopped) == said


def test_what_may_begin_a_stop_text_waits(tokenizer: Any) -> None:
    stream, shown = TextStream(tokenizer, ("。完",)), ""
    for token in tokenizer.encode("好。", add_special_tokens=False):
        shown += stream.add(token)[0]
    assert shown == "好"
    assert stream.flush() == ("。", False)


def test_the_pieces_are_the_whole_text_of_other_tokenizers(tmp_path_factory: pytest.TempPathFactory) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    # words with a mark for the space before them, as SentencePiece has them; decoding drops the first space
    words = {"▁the": 0, "▁fever": 1, "s": 2, "▁rest": 3, "<unk>": 4}
    backend = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    stream = TextStream(PreTrainedTokenizerFast(tokenizer_object=backend))
    pieces = [stream.add(token)[0] for token in (0, 1, 2, 3)]
    assert pieces == ["the", " fever", "s", " rest"]
