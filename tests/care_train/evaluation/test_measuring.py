"""Predictions of a model: which option, from which prompt, after which solved items."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from care_train.config import LoadSettings
from care_train.errors import CareError
from care_train.evaluation import measuring
from care_train.evaluation.items import Item
from care_train.evaluation.measuring import ask, encode_choices, measure_split, pick_shots, write_answers
from care_train.evaluation.splits import Split
from care_train.generation import load_chatbot

OPTIONS = (("A", "多喝温水"), ("B", "早些休息"), ("C", "少吃"))
ITEM = Item("i#0", "d", "s", "怎么办？", "B", "zh", OPTIONS, ("B",))
ITEMS = [replace(ITEM, id=f"i#{number}", question=f"第{number}天怎么办？") for number in range(6)]


@pytest.fixture(scope="module")
def bot(tiny):
    return load_chatbot(LoadSettings(model_name_or_path=str(tiny), template="llama2"), lambda line: None)


def split(items: list[Item]) -> Split:
    return Split("d", "test", items, {}, [], items)


def weigh(monkeypatch, sums: dict[str, float], bot) -> list[list[str]]:
    """Let every answer have a sum by its text; gives the texts that were weighed."""
    weighed: list[list[str]] = []

    def stand_in(model, tasks, batch_size, tick):
        for task in tasks:
            weighed.append([bot.tokenizer.decode(ids) for ids in task.answers])
        return [[sums[text.removesuffix("</s>")] for text in texts] for texts in weighed[-len(tasks) :]]

    monkeypatch.setattr(measuring, "weigh_answers", stand_in)
    return weighed


def test_the_likeliest_label_is_chosen(bot, parse_eval, monkeypatch):
    weighed = weigh(monkeypatch, {"A": -3.0, "B": -1.5, "C": -2.0}, bot)
    told = measure_split(bot, split([ITEM]), parse_eval(), lambda *told: None)[0]
    assert weighed == [["A", "B", "C"]]
    assert (told["chosen"], told["right"], told["correct"], told["jaccard"]) == (["B"], ["B"], True, 1.0)
    assert told["scores"] == {"A": -3.0, "B": -1.5, "C": -2.0}
    assert (told["id"], told["subject"], told["reading"], told["shots"]) == ("i#0", "s", "read", 0)


@pytest.mark.parametrize(
    ("normalise", "chosen"),
    [("none", "C"), ("character", "B"), ("token", None)],  # -2 beats -3.2 and -2.4; by character -0.6 beats -0.8, -1
)
def test_the_text_of_an_option_may_be_divided_by_its_length(bot, parse_eval, monkeypatch, normalise, chosen):
    weigh(monkeypatch, {"多喝温水": -3.2, "早些休息": -2.4, "少吃": -2.0}, bot)
    settings = parse_eval("score=text", f"normalise={normalise}")
    told = measure_split(bot, split([ITEM]), settings, lambda *told: None)[0]
    sizes = {
        text: len(ids)
        for (_, text), ids in zip(OPTIONS, encode_choices(bot, [[text for _, text in OPTIONS]])[0], strict=True)
    }
    divided = {
        "none": {"A": -3.2, "B": -2.4, "C": -2.0},
        "character": {"A": -0.8, "B": -0.6, "C": -1.0},
        "token": {
            label: round(value / sizes[text], 6)
            for (label, text), value in zip(OPTIONS, (-3.2, -2.4, -2.0), strict=True)
        },
    }[normalise]
    assert told["scores"] == divided
    assert told["chosen"] == [chosen or max(divided, key=divided.__getitem__)]


def test_of_sets_each_is_weighed_as_it_would_be_written_with_its_end(bot, parse_eval, monkeypatch):
    sums = {"AB": -4.0, "AC": -3.0, "BC": -2.0, "ABC": -2.5}
    weighed = weigh(monkeypatch, sums, bot)
    item = replace(ITEM, several=True, right=("B", "C"), answer="BC")
    told = measure_split(bot, split([item]), parse_eval("score=text", "normalise=character"), lambda *told: None)[0]
    assert weighed == [["AB</s>", "AC</s>", "BC</s>", "ABC</s>"]]
    assert (told["chosen"], told["correct"], told["scores"]) == (["B", "C"], True, sums)


def test_an_end_is_weighed_only_where_one_answer_begins_another(bot):
    end = bot.tokenizer.eos_token_id
    letters, digits = encode_choices(bot, [["A", "B"], ["1", "10", "2"]])
    assert all(end not in ids for ids in letters)
    assert all(ids[-1] == end and end not in ids[:-1] for ids in digits)


def test_the_prompt_is_the_templates_and_solved_items_are_turns(bot, parse_eval):
    asked = ask(bot, [ITEMS[0]], ITEMS, parse_eval("shots=2"))[0]
    text = bot.tokenizer.decode(asked.ids)
    turns = text.split("[INST]")[1:]
    assert (len(turns), asked.shots) == (3, 2)
    assert all(turn.endswith("[/INST]B</s>") or "[/INST]B</s>" in turn for turn in turns[:2])
    assert turns[2].rstrip().endswith("[/INST]")
    assert "第0天怎么办？" in turns[2]
    assert all("第0天怎么办？" not in turn for turn in turns[:2])
    assert ask(bot, [ITEMS[0]], list(reversed(ITEMS)), parse_eval("shots=2"))[0].ids == asked.ids
    assert any(
        ask(bot, [ITEMS[0]], ITEMS, parse_eval("shots=2", f"seed={seed}"))[0].ids != asked.ids for seed in range(5)
    )


def test_an_item_is_never_shown_before_itself_nor_another_kind_of_it():
    twin = replace(ITEMS[0], id="other")  # the same question under another id
    free = replace(ITEMS[1], options=(), id="free")
    assert pick_shots(ITEMS[0], [twin, ITEMS[0], free, ITEMS[2], ITEMS[3]], 2) == [ITEMS[2], ITEMS[3]]
    with pytest.raises(CareError) as caught:
        pick_shots(ITEMS[0], [twin, ITEMS[0], ITEMS[1]], 2)
    assert str(caught.value).startswith("d: 1 solved items to show before i#0, not 2. Lower --shots")


def test_where_not_all_fits_solved_items_go_and_a_question_too_long_is_told(bot, parse_eval):
    small = replace(bot, window=400)
    asked = ask(small, ITEMS, ITEMS, parse_eval("shots=5"))
    assert 0 < asked[0].shots < 5
    assert len(asked[0].ids) <= 400
    long = [replace(ITEM, question="怎么办？" * 300), ITEMS[1]]
    for by in ("likelihood", "generation"):
        told = measure_split(small, split(long), parse_eval(f"by={by}", "max_new_tokens=4"), lambda *told: None)
        assert (told[0]["reading"], told[0]["chosen"], told[0]["correct"]) == ("too_long", None, False)
        assert told[1]["reading"] != "too_long"


def test_written_answers_are_the_same_every_time_and_read(bot, parse_eval, monkeypatch):
    settings = parse_eval("by=generation", "max_new_tokens=6", "batch_size=4")
    asked = ask(bot, ITEMS, [], settings)
    ticks: list[tuple[int, int]] = []
    first = write_answers(bot, asked, settings, lambda *told: ticks.append(told))
    assert first == write_answers(bot, asked, settings, lambda *told: None)
    assert [done for done, _ in ticks] == [1] * 6
    assert sum(tokens for _, tokens in ticks) == sum(one.tokens for one in first)
    said = iter(["答案是B", "我不知道", "A", "B", "B", "C"])
    monkeypatch.setattr(
        measuring,
        "write_answers",
        lambda bot, asked, settings, tick: [measuring.Written(next(said), "stop", 2) for _ in asked],
    )
    told = measure_split(bot, split(ITEMS), settings, lambda *told: None)
    assert [one["chosen"] for one in told] == [["B"], None, ["A"], ["B"], ["B"], ["C"]]
    assert [one["reading"] for one in told] == ["read", "unreadable", *["read"] * 4]
    assert (told[0]["said"], told[0]["finish"]) == ("答案是B", "stop")


def test_a_free_answer_is_scored_against_its_reference(bot, parse_eval, monkeypatch):
    monkeypatch.setattr(
        measuring, "write_answers", lambda bot, asked, settings, tick: [measuring.Written(" 多喝温水\n", "stop", 4)]
    )
    free = replace(ITEM, options=(), right=(), answer="多喝温水")
    told = measure_split(bot, split([free]), parse_eval(), lambda *told: None)[0]
    assert (told["kind"], told["said"], told["scores"]["bleu-4"]) == ("answer", " 多喝温水\n", 100.0)


def test_a_window_larger_than_the_models_is_refused(bot, parse_eval):
    texts = SimpleNamespace(texts=["甲"], items=[], name="t")
    with pytest.raises(CareError, match="The model takes 2,048 tokens"):
        measure_split(bot, texts, parse_eval("window=4096"), lambda *told: None)
