"""Dialogues, preferences, pairs, documents: by example, and dialogues against a plain Python reference."""

import re
from collections import Counter
from itertools import groupby
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ROLES = {"患": "user", "医": "assistant", "系": "system", "略": "ignore"}
SPOKEN = {"in": "talk", "speaker": "{who}", "text": "{said}"}
PAIRED = {"in": "talk", "user": "{0}", "assistant": "{-1}"}


def talk(*turns: tuple[str | None, str | None]) -> dict[str, Any]:
    return {"talk": [{"who": who, "said": said} for who, said in turns]}


def records(made: Any) -> list[tuple[str, str, list[list[str]]]]:
    return made.records.select("instruction", "output", "history").rows()


def balanced(turns: Counter[str]) -> bool:
    return turns["read"] == turns.total() - turns["read"]


def test_turns_become_the_last_exchange_and_its_history(convert_rows: Any) -> None:
    rows = [
        talk(
            ("医", "您好"), ("患", "头痛"), ("患", "三天了"), ("医", ""), ("略", "收到"), ("医", "多休息"),
            ("医", "少熬夜"), ("患", "还有吗"), ("医", "没了"), ("患", "谢谢"),
        )
    ]  # fmt: skip
    made = convert_rows(rows, "dialogue", turns=SPOKEN, roles=ROLES)
    assert records(made) == [("还有吗", "没了", [["头痛\n三天了", "多休息\n少熬夜"]])]
    assert made.turns == Counter(read=10, kept=4, joined=2, leading_answer=1, trailing_question=1, blank=1, ignored=1)


def test_system_turns_stand_apart(convert_rows: Any) -> None:
    made = convert_rows(
        [talk(("系", "甲"), ("患", "问"), ("系", "乙"), ("医", "答"))], "dialogue", turns=SPOKEN, roles=ROLES
    )
    assert made.records.select("system", "instruction", "output").rows() == [("甲\n乙", "问", "答")]
    assert made.turns == Counter(read=4, kept=3, joined=1)


@pytest.mark.parametrize(
    ("turns", "reason"),
    [
        ([], "one_sided"),
        ([("患", "问")], "one_sided"),
        ([("医", "答")], "one_sided"),
        ([("医", "答"), ("患", "问")], "one_sided"),
        ([("患", " "), ("医", "答")], "one_sided"),
        ([("患", "问"), ("医", "答"), ("客服", "评分")], "unknown_speaker"),
        ([("患", "问"), ("医", "答"), (None, "评分")], "unknown_speaker"),
        ([("患", "问"), ("医", "http://example.com/1")], "url_only"),
    ],
)
def test_what_is_no_dialogue_is_set_aside(turns: list[tuple[str | None, str]], reason: str, convert_rows: Any) -> None:
    made = convert_rows([talk(*turns), talk(("患", "问"), ("医", "答"))], "dialogue", turns=SPOKEN, roles=ROLES)
    assert made.rejects.select("id", "reason").rows() == [("mine/sft/p#1", reason)]
    assert made.records.get_column("id").to_list() == ["mine/sft/p#2"]
    assert balanced(made.turns)


def test_a_blank_turn_of_a_stranger_does_no_harm(convert_rows: Any) -> None:
    made = convert_rows([talk(("患", "问"), ("客服", " "), ("医", "答"))], "dialogue", turns=SPOKEN, roles=ROLES)
    assert records(made) == [("问", "答", [])]


def test_exchanges_are_named_by_number_from_either_end(convert_rows: Any) -> None:
    rows = [{"talk": [["问一", "x", "答一"], ["问二", "答二"]]}, {"talk": [["独"]]}, {"talk": []}, {"talk": None}]
    made = convert_rows(rows, "dialogue", turns=PAIRED)
    assert records(made) == [("问二", "答二", [["问一", "答一"]]), ("独", "独", [])]
    assert made.dropped == Counter(one_sided=2)
    third = convert_rows(rows, "dialogue", turns={"in": "talk", "user": "{0}", "assistant": "{2}"})
    assert records(third) == [("问一", "答一", [])]  # the second question has no third part, so it trails
    assert third.turns["trailing_question"] == 2


def test_opening_instruction_and_output_are_turns_too(convert_rows: Any) -> None:
    row = talk(("医", "几天了？")) | {"self": "头痛", "q": "三天", "a": "多休息", "s": "你是医生"}
    fields = {"instruction": "{q}", "output": "{a}", "system": "{s}"}
    made = convert_rows(
        [row, row | {"q": None}], "dialogue", opening="{self}", turns=SPOKEN, roles=ROLES, fields=fields
    )
    assert records(made) == [("三天", "多休息", [["头痛", "几天了？"]]), ("头痛", "几天了？\n多休息", [])]
    assert made.records.get_column("system").to_list() == ["你是医生"] * 2
    assert made.turns == Counter(read=9, kept=8, joined=1)


UA = {"U:": "user", "A:": "assistant"}
SPACED = {"U: ": "user", "A: ": "assistant"}
ASKED = {"问：": "user", "问": "user", "答：": "assistant"}
ALONE = {"病人：\n": "user", "医生：\n": "assistant"}


@pytest.mark.parametrize(
    ("marks", "roles", "held", "expected"),
    [
        ("inline", UA, " U: 问 A: 答U:不是 U: 又", [("问", "答U:不是", [])]),
        ("inline", SPACED, "U: A: 早 U: 问 A: U: 再问 A: 答", [("问\n再问", "答", [])]),
        ("inline", UA, "U:左\x1e右 A:答", [("左右", "答", [])]),
        ("inline", UA, "没有标记", []),
        ("inline", UA, "", []),
        ("inline", UA, None, []),
        ("line", ALONE, "病人：\n头痛\n医生：\n病人：\n三天\n医生：\n休息", [("头痛\n三天", "休息", [])]),
        ("line", ALONE, "病人：头痛\n医生：休息", []),
        ("line", ASKED, "前言\n问：甲 答：不算\n答：乙\n丙", [("甲 答：不算", "乙\n丙", [])]),
        ("line", ASKED, "问：甲\n问乙\n答：丙", [("甲\n乙", "丙", [])]),
        ("element", ASKED, ["问：甲\n答：不算", "答：乙", "问：丙\n"], [("甲\n答：不算", "乙", [])]),
        ("element", ASKED, ["问：甲", "没有标记", "答：乙"], []),
        ("element", ASKED, [None, "问：甲", "", "答：乙"], [("甲", "乙", [])]),  # a blank turn, no stranger
        ("element", ASKED, [], []),
    ],
)
def test_marks(marks: str, roles: dict[str, str], held: Any, expected: list[Any], convert_rows: Any) -> None:
    made = convert_rows([{"h": held}], "dialogue", turns={"in": "h", "marks": marks}, roles=roles)
    assert records(made) == expected
    assert balanced(made.turns)
    assert made.read == made.records.height + made.dropped.total() == 1


def test_text_before_the_first_mark_is_ignored_and_counted(convert_rows: Any) -> None:
    roles = {"U:": "user", "A:": "assistant"}
    made = convert_rows([{"h": "前言 U:问 A:答"}], "dialogue", turns={"in": "h", "marks": "inline"}, roles=roles)
    assert made.turns == Counter(read=3, kept=2, ignored=1)


@pytest.mark.parametrize(
    "spec",
    [
        {"turns": SPOKEN, "roles": ROLES},
        {"turns": PAIRED},
        {"turns": {"in": "talk", "marks": "element"}, "roles": ROLES},
        {"turns": {"in": "talk", "marks": "inline"}, "roles": ROLES},
        {"turns": {"in": "deep.talk", "marks": "line"}, "roles": ROLES},
        {"opening": "{q}", "fields": {"output": "{a}"}},
    ],
)
def test_an_empty_batch_and_a_batch_of_nothing(spec: dict[str, Any], convert_rows: Any) -> None:
    empty = convert_rows([], "dialogue", **spec)
    assert (empty.read, empty.records.height, empty.dropped, empty.turns) == (0, 0, Counter(), Counter())
    nothing = convert_rows([{}, {}], "dialogue", **spec)
    assert (nothing.records.height, nothing.dropped) == (0, Counter(one_sided=2))
    assert nothing.records.schema == empty.records.schema


def test_a_preference_takes_its_last_question_from_the_turns(convert_rows: Any) -> None:
    rows = [{"h": [["q1", "a1"]], "i": "q2", "c": "good", "r": "bad"}, {"h": [], "i": None, "c": "good", "r": "bad"}]
    fields = {"instruction": "{i}", "chosen": "{c}", "rejected": "{r}"}
    turns = {"in": "h", "user": "{0}", "assistant": "{1}"}
    made = convert_rows(rows, "preference", "rw", turns=turns, fields=fields)
    assert made.records.select("instruction", "output", "history").rows() == [("q2", ["good", "bad"], [["q1", "a1"]])]
    assert made.dropped == Counter(one_sided=1)
    assert made.turns == Counter(read=3, kept=3)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"i": "q", "c": "x", "r": "x"}, "equal_answers"),
        ({"i": "q", "c": "x", "r": None}, "blank_output"),
        ({"i": "q", "c": " ", "r": "x"}, "blank_output"),
        ({"i": None, "c": "x", "r": "y"}, "blank_instruction"),
        ({"i": "\n", "c": "x", "r": "y"}, "blank_instruction"),
    ],
)
def test_weak_preferences_are_set_aside(row: dict[str, Any], reason: str, convert_rows: Any) -> None:
    fields = {"instruction": "{i}", "chosen": "{c}", "rejected": "{r}"}
    made = convert_rows([row, {"i": "q", "c": "x", "r": "y"}], "preference", "rw", fields=fields)
    assert made.dropped == Counter({reason: 1})
    assert made.records.select("chosen", "rejected", "output").rows() == [("x", "y", ["x", "y"])]


# Against a reference

SAID = st.sampled_from([None, "", " ", "（空）", "头痛", "多休息", "问：x", "http://a.b/c"])
SPEAKERS = st.sampled_from([None, "", *ROLES, "客服", *ROLES, *ROLES])
TALKS = st.lists(
    st.fixed_dictionaries(
        {
            "open": SAID,
            "talk": st.none()
            | st.lists(st.none() | st.fixed_dictionaries({"who": SPEAKERS, "said": SAID}), max_size=7),
            "q": SAID,
            "a": SAID,
        }
    ),
    max_size=6,
)

Turn = tuple[str | None, str]


def told(text: str | None) -> str | None:
    return None if text is None or text.strip() in ("", "（空）") else text


def plain_dialogue(row: dict[str, Any], counts: Counter[str]) -> tuple[str | None, Any]:
    """(reason or None, record) of a row, by the rules of the grammar; the turns dropped are counted by reason."""
    turns: list[Turn] = []
    listed = [t for t in row["talk"] or [] if t is not None]
    counts["read"] += len(listed) + sum(told(row[name]) is not None for name in ("open", "q", "a"))
    if told(row["open"]):
        turns.append(("user", row["open"]))
    for turn in listed:
        role = ROLES.get(told(turn["who"]) or "")
        if role == "ignore":
            counts["ignored"] += 1
        elif told(turn["said"]) is None:
            counts["blank"] += 1
        else:
            turns.append((role, turn["said"]))
    turns += [(role, row[name]) for name, role in (("q", "user"), ("a", "assistant")) if told(row[name])]
    if any(role is None for role, _ in turns):
        counts["unknown_speaker"] += len(turns)
        return "unknown_speaker", None
    system = [text for role, text in turns if role == "system"]
    runs = [
        (role, [text for _, text in part])
        for role, part in groupby([t for t in turns if t[0] != "system"], key=lambda turn: turn[0])
    ]
    if runs and runs[0][0] == "assistant":
        counts["leading_answer"] += len(runs.pop(0)[1])
    if runs and runs[-1][0] == "user":
        counts["trailing_question"] += len(runs.pop()[1])
    held = len(system) + sum(len(texts) for _, texts in runs)
    if not runs:
        counts["record_dropped"] += held
        return "one_sided", None
    said = ["\n".join(texts) for _, texts in runs]
    if re.fullmatch(r"\s*https?://\S+\s*", said[-1]):
        counts["record_dropped"] += held
        return "url_only", None
    kept = len(said) + bool(system)
    counts["kept"] += kept
    counts["joined"] += held - kept
    pairs = [list(pair) for pair in zip(said[::2], said[1::2], strict=True)]
    return None, (pairs[-1][0], pairs[-1][1], pairs[:-1], "\n".join(system))


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=TALKS)
def test_dialogues_are_what_plain_python_makes_of_them(rows: list[dict[str, Any]], convert_rows: Any) -> None:
    made = convert_rows(
        rows,
        "dialogue",
        opening="{open}",
        turns=SPOKEN,
        roles=ROLES,
        blank=["（空）"],
        fields={"instruction": "{q}", "output": "{a}"},
    )
    counts: Counter[str] = Counter()
    expected = [plain_dialogue(row, counts) for row in rows]
    assert made.records.select("instruction", "output", "history", "system").rows() == [r for _, r in expected if r]
    assert made.rejects.select("id", "reason").sort("id").rows() == sorted(
        (f"mine/sft/p#{number}", reason) for number, (reason, _) in enumerate(expected, 1) if reason
    )
    assert made.turns == +counts
    assert balanced(made.turns)


LINES = st.lists(st.sampled_from(["U:", "A:", "U:", "A:", " ", "\n", "头痛", "休息", "xU:", "?"]), max_size=12).map(
    "".join
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(LINES, max_size=5), where=st.sampled_from(["line", "inline"]))
def test_marks_are_cut_where_plain_python_cuts(texts: list[str], where: str, convert_rows: Any) -> None:
    roles = {"U:": "user", "A:": "assistant"}
    made = convert_rows([{"h": text} for text in texts], "dialogue", turns={"in": "h", "marks": where}, roles=roles)
    before = r"(?:^|(?<=\n))" if where == "line" else r"(?:^|(?<=\s))"
    counts: Counter[str] = Counter()
    expected = []
    for text in texts:
        pieces = re.split(f"{before}(?=[UA]:)", text)
        turns = []
        for piece in pieces:
            if piece.startswith(("U:", "A:")):
                turns.append({"who": "患" if piece[0] == "U" else "医", "said": piece[2:].strip()})
            elif piece.strip():
                turns.append({"who": "略", "said": piece})
        expected.append(plain_dialogue({"open": None, "talk": turns, "q": None, "a": None}, counts)[1])
    assert records(made) == [record[:3] for record in expected if record]
    assert made.turns == +counts
