"""JSON at upstream's size: a value a line, an array, an object by key, arrays in a zip; and a pickle."""

import json
import pickle
from collections import Counter
from pathlib import Path
from typing import Any

from phrases import ANSWERS, ASK, ENGLISH, QUESTIONS
from plants import PERIOD, Case, Expected, Odd, at, draw, expect, odd, plant, scaled, zipped


def _line(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"


def _dialogues(ask: str, say: str, seed: int, most: int, length: int) -> list[list[str]]:
    """Dialogues of 2 to `most` turns, each with the mark of who speaks before it."""
    asked, said = draw(QUESTIONS, PERIOD * most, seed), draw(ANSWERS, PERIOD * most, seed + 1, length)
    made = []
    for number in range(PERIOD):
        turns = range(number * most, number * most + 2 + number % (most - 1))
        made.append([ask + asked[turn] if turn % 2 == 0 else say + said[turn] for turn in turns])
    return made


def make_encyclopedia(mirror: Path, scale: float) -> Expected:
    """Several wordings of a question in a list of lists, long answers; some rows of a sister set's nesting."""
    folder = "hub/FreedomIntelligence/huatuo_encyclopedia_qa"
    asked, said = draw(ASK, PERIOD * 2, 21, 2), draw(ANSWERS, PERIOD, 22, 12)
    good = [
        _line({"questions": [[asked[2 * number], asked[2 * number + 1]]], "answers": [said[number]]})
        for number in range(PERIOD)
    ]
    odds = [
        odd(_line({"questions": ["少了一层的问题"], "answers": ["少了一层。"]}), "nesting"),
        odd(_line({"questions": [[]], "answers": ["没有问题。"]}), "blank_instruction"),
        odd(_line({"questions": [["没有答案的问题"]], "answers": []}), "blank_output"),
        odd('{"questions": [["断了的一行"]], "answers": ["没有写完\n', "bad_json"),
        odd(_line({"questions": [["头\u2028尾 \U0001f600", "\t"]], "answers": ["一\n二\\三/\u0007"]})),
    ]
    with at(mirror, f"{folder}/train_datasets.jsonl").open("wb") as stream:
        seen = plant(stream, scaled(362_420, scale), good, odds)
    held: Counter[str] = Counter()
    for name in ("validation", "test"):
        with at(mirror, f"{folder}/{name}_datasets.jsonl").open("wb") as stream:
            held += plant(stream, scaled(1_000, scale), good, [])
    return {"sft": expect(seen), "held": expect(held)}


def make_huatuogpt(mirror: Path, scale: float) -> Expected:
    """Dialogues as prefixed texts, JSON lines."""
    good = [_line({"data": turns}) for turns in _dialogues("问：", "答：", 23, 10, 4)]
    odds = [
        odd(_line({"data": ["问：在吗？"]}), "one_sided"),
        odd(_line({"data": []}), "one_sided"),
        odd(_line({"data": ["问：头晕", "护士：先量血压。"]}), "unknown_speaker"),
        odd(_line({"data": "问：不是列表"}), "nesting"),
        odd(_line({"data": ["问:抽血前能喝水吗", "答:少量可以。", "问：", "答：别喝饮料。"]})),
    ]
    path = at(mirror, "hub/FreedomIntelligence/HuatuoGPT-sft-data-v1/HuatuoGPT_sft_data_v1.jsonl")
    with path.open("wb") as stream:
        return {"sft": expect(plant(stream, scaled(226_042, scale), good, odds))}


def make_healthcaremagic(mirror: Path, scale: float) -> Expected:
    """One indented array of pairs under a constant instruction."""
    asked, said = draw(ENGLISH, PERIOD, 24, 6), draw(ENGLISH, PERIOD, 25, 10)
    texts = [*zip(asked, said, strict=True), ("", "Hello, how can I help?"), ("may i swim with a cold", "")]
    rows = [
        json.dumps({"instruction": "Answer as a doctor.", "input": ask, "output": say}, indent=4).encode()
        for ask, say in texts
    ]
    with at(mirror, "drive/1lyfqIwlLSClhgrCutWuEe_IACNq6XNUt/HealthCareMagic-100k.json").open("wb") as stream:
        stream.write(b"[\n")
        odds = [odd(rows[-2], "blank_instruction"), odd(rows[-1], "blank_output")]
        seen = plant(stream, scaled(112_165, scale), rows[:-2], odds, between=b",\n")
        stream.write(b"\n]\n")
    return {"sft": expect(seen)}


def make_pubmedqa(mirror: Path, scale: float) -> Expected:
    """Objects by key: 1,000 labelled records, of which 500 are held out, 211,269 made ones and 61,249 without label."""
    texts = draw(ENGLISH, PERIOD * 5, 26, 7)
    good = [
        _member(
            {
                "QUESTION": f"Does it help, {number}?",
                "CONTEXTS": texts[number * 5 : number * 5 + 3],
                "LABELS": ["BACKGROUND", "METHODS", "RESULTS"],
                "MESHES": ["Humans", "Rest"],
                "LONG_ANSWER": texts[number * 5 + 4],
                "final_decision": ("yes", "no", "maybe")[number % 3],
            }
        )
        for number in range(PERIOD)
    ]
    unanswered = {"QUESTION": "Is rest enough?", "CONTEXTS": ["Some."], "LABELS": ["AIM"], "LONG_ANSWER": ""}
    blank = odd(_member(unanswered), "blank_output")
    labelled, more = scaled(1_000, scale), Counter[str]()
    for path, rows, first, odds in (
        ("github/pubmedqa/pubmedqa/data/ori_pqal.json", labelled, 0, []),
        ("hub/pubmed_qa/data/ori_pqaa.json", scaled(211_269, scale), 10**7, [blank]),
        ("hub/pubmed_qa/data/ori_pqau.json", scaled(61_249, scale), 10**8, [blank]),
    ):
        with at(mirror, path).open("wb") as stream:
            stream.write(b"{")
            seen = plant(stream, rows, good, odds, between=b",", first=first)
            stream.write(b"\n}")
        more += seen if first else Counter()
    truth = {str(number): ("yes", "no", "maybe")[number % 3] for number in range(labelled // 2)}
    at(mirror, "github/pubmedqa/pubmedqa/data/test_ground_truth.json").write_text(json.dumps(truth, indent=4))
    rest = labelled - len(truth)
    return {
        "sft": expect(Counter({"": rest, "in_truth": len(truth)})),
        "more": expect(more),
        "eval": expect(Counter({"": len(truth), "no_truth": rest})),
    }


def _member(record: dict[str, Any]) -> bytes:
    """A member of an indented object; its key is its number."""
    return b'\n    "@N@": ' + json.dumps(record, indent=4).replace("\n", "\n    ").encode()


def make_medical_dialog(mirror: Path, scale: float) -> Expected:
    """Three members of a zip, each an indented array of arrays: 3.4 million dialogues."""
    odds = [
        odd(_turns(["病人：在吗"]), "one_sided"),
        odd(_turns(["医生：您好"]), "one_sided"),
        odd(_turns(["病人：医生：说的是谁？", "医生：是我。"])),
        odd(b'    {\n        "q": "?"\n    }', "nesting"),
    ]
    good = [_turns(turns) for turns in _dialogues("病人：", "医生：", 27, 5, 1)]
    expected: Expected = {}
    for output, (member, rows) in {
        "sft": ("train", 2_725_989),
        "valid": ("validate", 340_748),
        "test": ("test", 340_754),
    }.items():
        path = at(mirror, "hub/UCSD26/medical_dialog/data/processed-chinese.zip")
        with zipped(path, f"processed-chinese/{member}_data.json") as stream:
            stream.write(b"[\n")
            expected[output] = expect(plant(stream, scaled(rows, scale), good, odds, between=b",\n"))
            stream.write(b"\n]")
    return expected


def _turns(turns: list[str]) -> bytes:
    return ("    " + json.dumps(turns, ensure_ascii=False, indent=4).replace("\n", "\n    ")).encode()


def make_meddg(mirror: Path, scale: float) -> Expected:
    """Lists of turns as objects: 17,864 in a JSON array, 2,747 in another and in a pickle."""
    marks: dict[str, Any] = {"Symptom": [], "Medicine": ["无"], "Test": [], "Attribute": [], "Disease": []}
    good = [
        [{"id": ("Patient", "Doctor")[place % 2], "Sentence": text, **marks} for place, text in enumerate(turns)]
        for turns in _dialogues("", "", 28, 40, 1)
    ]
    lone = [{"id": "Doctor", "Sentence": "你好。", "Symptom": []}]
    expected: Expected = {}
    for output, name, rows in (("sft", "train", 17_864), ("dev", "dev", 2_747)):
        with at(mirror, f"manual/tianchi.aliyun.com/dataset/95414/MedDG/MedDG_{name}.json").open("wb") as stream:
            stream.write(b"[")
            odds = [Odd(_line(lone), ("one_sided",)), odd(_line({"id": 3}), "nesting")]
            seen = plant(stream, scaled(rows, scale), [_line(turns) for turns in good], odds, between=b",")
            stream.write(b"]")
        expected[output] = expect(seen)
    rows = scaled(2_747, scale)
    held = [lone if number % 1_000 == 9 else good[number % PERIOD] for number in range(rows)]
    with at(mirror, "github/lwgkzl/MedDG/MedDG/data/0831/dev.pk").open("wb") as stream:
        pickle.dump(held, stream)
    alone = sum(turns is lone for turns in held)
    expected["old"] = expect(Counter({"": rows - alone, "one_sided": alone}))
    return expected


CASES = {
    "huatuo_encyclopedia_qa": Case("json lines, nested lists", make_encyclopedia),
    "huatuogpt_sft_v1": Case("json lines, dialogues", make_huatuogpt),
    "healthcaremagic_100k": Case("json array", make_healthcaremagic),
    "pubmedqa": Case("json object by key, joined", make_pubmedqa),
    "medical_dialog": Case("json arrays in a zip", make_medical_dialog),
    "meddg": Case("json array and pickle", make_meddg),
}
