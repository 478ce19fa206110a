"""The registry against samples of upstream's real bytes, where they lie beside the project; skipped where they do not.

What is expected is worked out here from the bytes by plain Python alone, and nothing of upstream's text is kept.
"""

import csv
import io
import json
import os
import re
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from care_data import pipeline, registry
from care_data.parts import read_frames
from care_data.records import load_schema
from care_data.stages import Settings
from care_data.store import Manifest, Store

SAMPLES = Path(os.environ.get("CARE_SAMPLES", Path(__file__).resolve().parents[2].parent / "shared/corpora"))
MIRROR = SAMPLES / "mirror"
pytestmark = pytest.mark.skipif(not MIRROR.is_dir(), reason=f"no samples in {SAMPLES}")

Row = dict[str, Any]
Expected = tuple[int, list[Row], Counter[str]]
"""Rows read, the records in order, the rows dropped by reason."""


# The bytes, by hand


def find(*parts: str) -> list[Path]:
    place, pattern = parts
    return sorted((MIRROR / place).glob(pattern))


def one(place: str, path: str) -> bytes:
    (found,) = find(place, path)
    return found.read_bytes()


def rows_of_zip(path: str) -> list[dict[str, str]]:
    with zipfile.ZipFile(io.BytesIO(one("github/zhangsheng93/cMedQA2", path))) as archive:
        (name,) = archive.namelist()
        return list(csv.DictReader(io.StringIO(archive.read(name).decode("utf-8"), newline="")))


def text(value: Any) -> str:
    return value if isinstance(value, str) and value.strip() else ""


def sft(instruction: str, output: str, source: str, **more: Any) -> Row:
    return {"instruction": instruction, "input": "", "output": output, "history": [], **more, "id": source}


def expect(rows: list[tuple[str | None, Row]]) -> Expected:
    """Rows with the reason that drops them, or None."""
    dropped = Counter(reason for reason, _ in rows if reason)
    return len(rows), [row for reason, row in rows if reason is None], dropped


def blank_reason(record: Row) -> str | None:
    """The reason of a record without question or answer."""
    if not record["instruction"]:
        return "blank_instruction"
    return "blank_output" if not record["output"] else None


# What each output must be


def toyhom() -> Expected:
    rows = []
    for path in find("github/Toyhom/Chinese-medical-dialogue-data", "Data_数据/*/*.csv"):
        upstream = path.relative_to(MIRROR / "github/Toyhom/Chinese-medical-dialogue-data").as_posix()
        table = list(csv.reader(io.StringIO(path.read_bytes().decode("gb18030"), newline="")))
        for number, row in enumerate(table[1:], 1):
            cells = dict(zip(table[0], row, strict=True))
            asked = [cells["title"], cells.get("ask") or cells.get("question") or ""]
            question = "\n".join(part for part in asked if part.strip() not in ("", "无"))
            answer = "" if cells["answer"].strip() == "无" else text(cells["answer"])
            record = sft(question, answer, f"toyhom_dialogue/sft/{upstream}#{number}")
            rows.append((blank_reason(record), record))
    return expect(rows)


def cmedqa2_pairs(make: Callable[[Row, str, str, dict[str, str]], Row]) -> Expected:
    asked = {row["question_id"]: row["content"] for row in rows_of_zip("question.zip")}
    told = {row["ans_id"]: row["content"] for row in rows_of_zip("answer.zip")}
    rows, seen = [], set()
    for number, row in enumerate(rows_of_zip("train_candidates.zip"), 1):
        key = (row["question_id"], row["pos_ans_id"])
        place = f"train_candidates.zip!train_candidates.txt#{number}"
        record = make(row, asked[key[0]], place, told)
        rows.append(("unique" if key in seen else None, record))
        seen.add(key)
    return expect(rows)


def cmedqa2_sft() -> Expected:
    return cmedqa2_pairs(lambda row, q, place, told: sft(q, told[row["pos_ans_id"]], f"cmedqa2/sft/{place}"))


def cmedqa2_rw() -> Expected:
    def make(row: Row, question: str, place: str, told: dict[str, str]) -> Row:
        good, bad = told[row["pos_ans_id"]], told[row["neg_ans_id"]]
        answers = {"output": [good, bad], "chosen": good, "rejected": bad}
        return {"instruction": question, "input": "", **answers, "history": [], "id": f"cmedqa2/rw/{place}"}

    return cmedqa2_pairs(make)


def cmedqa2_held() -> Expected:
    asked = {row["question_id"]: row["content"] for row in rows_of_zip("question.zip")}
    told = {row["ans_id"]: row["content"] for row in rows_of_zip("answer.zip")}
    rows, seen = [], set()
    for split in ("dev", "test"):
        for number, row in enumerate(rows_of_zip(f"{split}_candidates.zip"), 1):
            place = f"cmedqa2/held/{split}_candidates.zip!{split}_candidates.txt#{number}"
            key = (row["question_id"], row["ans_id"])
            reason = "where" if row["label"] != "1" else "unique" if key in seen else None
            seen |= {key} if row["label"] == "1" else set()
            rows.append((reason, sft(asked.get(key[0], ""), told.get(key[1], ""), place)))
    return expect(rows)


def imcs() -> list[tuple[int, str, Row]]:
    cases = json.loads(one("github/lemuria-wchen/imcs21", "dataset/train.json"))
    return [(number, key, case) for number, (key, case) in enumerate(cases.items(), 1)]


def imcs_sft() -> Expected:
    """Turns of one speaker in a row joined; the answer before the first question and the question after all go."""
    rows = []
    for number, _, case in imcs():
        said = [("患者", case.get("self_report") or case.get("self-report"))]
        said += [(turn["speaker"], turn["sentence"]) for turn in case["dialogue"]]
        runs: list[list[str]] = []
        for who, words in said:
            assert who in ("患者", "医生")
            if not words or words.strip() in ("", "（空）"):
                continue
            if runs and runs[-1][0] == who:
                runs[-1][1] += f"\n{words}"
            else:
                runs.append([who, words])
        runs = runs[1:] if runs and runs[0][0] == "医生" else runs
        runs = runs[:-1] if runs and runs[-1][0] == "患者" else runs
        pairs = [[runs[at][1], runs[at + 1][1]] for at in range(0, len(runs), 2)]
        place = f"imcs_v2/sft/dataset/train.json#{number}"
        if pairs:
            rows.append((None, sft(*pairs[-1], place, history=pairs[:-1])))
        else:
            rows.append(("one_sided", sft("", "", place)))
    return expect(rows)


def imcs_report() -> Expected:
    rows = []
    for number, _, case in imcs():

        def present(words: str) -> str:
            return "" if words.strip() in ("", "（空）") else words

        talk = [f"{present(t['speaker'])}：{present(t['sentence'])}" for t in case["dialogue"]]
        report = case["report"][0] if case["report"] else {}
        parts = ["主诉", "现病史", "辅助检查", "既往史", "诊断", "建议"]
        output = "\n".join(f"{part}：{report[part]}" for part in parts if present(report.get(part) or ""))
        record = sft("根据下面的问诊对话生成诊疗报告", output, f"imcs_v2/report/dataset/train.json#{number}")
        record["input"] = "\n".join(talk)
        rows.append((blank_reason(record), record))
    return expect(rows)


def pubmedqa(path: str, place: str = "github/pubmedqa/pubmedqa") -> list[tuple[int, str, Row]]:
    return [(number, key, row) for number, (key, row) in enumerate(json.loads(one(place, path)).items(), 1)]


def abstract(row: Row) -> str:
    pairs = zip(row["LABELS"], row["CONTEXTS"], strict=True)
    return "\n".join(f"{label}: {context}" for label, context in pairs)


def pubmedqa_record(row: Row, place: str) -> Row:
    answer = "\n".join(part for part in (row.get("final_decision"), row["LONG_ANSWER"]) if part)
    return sft(row["QUESTION"], answer, place, input=abstract(row))


def pubmedqa_sft() -> Expected:
    held = json.loads(one("github/pubmedqa/pubmedqa", "data/test_ground_truth.json"))
    return expect(
        [
            ("in_truth" if key in held else None, pubmedqa_record(row, f"pubmedqa/sft/data/ori_pqal.json#{number}"))
            for number, key, row in pubmedqa("data/ori_pqal.json")
        ]
    )


def pubmedqa_more() -> Expected:
    rows = []
    for path in ("data/ori_pqaa.json", "data/ori_pqau.json"):
        for number, _, row in pubmedqa(path, "hub/pubmed_qa"):
            rows.append((None, pubmedqa_record(row, f"pubmedqa/more/{path}#{number}")))
    return expect(rows)


def pubmedqa_eval() -> Expected:
    held = json.loads(one("github/pubmedqa/pubmedqa", "data/test_ground_truth.json"))
    rows: list[tuple[str | None, Row]] = []
    for number, key, row in pubmedqa("data/ori_pqal.json"):
        record = {
            "question": f"{abstract(row)}\n{row['QUESTION']}",
            "options": [],
            "answer": held.get(key),
            "explanation": row["LONG_ANSWER"],
            "id": f"pubmedqa/eval/data/ori_pqal.json#{number}",
        }
        rows.append((None if key in held else "no_truth", record))
    return expect(rows)


def genmedgpt() -> Expected:
    rows = []
    for number, row in enumerate(json.loads(one("github/Kent0n-Li/ChatDoctor", "chatdoctor5k.json")), 1):
        place = f"genmedgpt_5k/sft/chatdoctor5k.json#{number}"
        record = sft(text(row["input"]), text(row["output"]), place, system=text(row["instruction"]))
        rows.append((blank_reason(record), record))
    return expect(rows)


def json_lines(data: bytes) -> list[Row]:
    return [json.loads(line) for line in data.decode("utf-8").splitlines() if line.strip()]


def chatglm_sft() -> Expected:
    rows: list[tuple[str | None, Row]] = []
    for number, row in enumerate(json_lines(one("github/SCIR-HI/Med-ChatGLM", "data/train.txt")), 1):
        match = re.fullmatch("问题：(.*?)\n回答: ", row["context"], re.DOTALL)
        record = sft(match[1] if match else "", row["target"], f"med_chatglm/sft/data/train.txt#{number}")
        rows.append((blank_reason(record) if match else "no_match", record))
    return expect(rows)


def chatglm_llama() -> Expected:
    rows = []
    found = one("github/SCIR-HI/Huatuo-Llama-Med-Chinese", "data/llama_data.json")
    for number, row in enumerate(json_lines(found), 1):
        place = f"med_chatglm/llama/data/llama_data.json#{number}"
        record = sft(text(row["instruction"]), text(row["output"]), place, input=text(row.get("input", "")))
        rows.append((blank_reason(record), record))
    return expect(rows)


def chatglm_liver() -> Expected:
    rows = []
    found = one("github/SCIR-HI/Huatuo-Llama-Med-Chinese", "data-literature/liver_cancer.json")
    for number, row in enumerate(json.loads(found), 1):
        said = re.split(r"(?:^|\s)<(user|bot)>:", row["instruction"])
        assert not said[0].strip()
        roles, words = said[1::2], [part.strip() for part in said[2::2]]
        assert roles == ["user", "bot"] * (len(roles) // 2) + ["user"]
        assert all(words)
        history = [list(pair) for pair in zip(words[:-1:2], words[1::2], strict=True)]
        place = f"med_chatglm/liver/data-literature/liver_cancer.json#{number}"
        rows.append((None, sft(words[-1], row["output"], place, history=history)))
    return expect(rows)


def fever() -> Expected:
    lines = one("github/shibing624/MedicalGPT", "data/pretrain/fever.txt").decode("utf-8").split("\n")
    lines = lines[:-1] if lines[-1] == "" else lines
    rows = []
    for number, line in enumerate(lines, 1):
        record = {"text": line.removesuffix("\r"), "id": f"medicalgpt_pt/pt/data/pretrain/fever.txt#{number}"}
        rows.append((None if line.strip() else "blank_text", record))
    return expect(rows)


def comparison() -> Expected:
    rows = []
    found = one("hub/wangrongsheng/comparison_gpt4_data", "comparison_gpt4_data_zh.json")
    for number, row in enumerate(json.loads(found), 1):
        good, bad = row["output"] if "output" in row else (row["chosen"], row["rejected"])
        record = {
            "instruction": text(row["instruction"]),
            "input": text(row.get("input")),
            "output": [text(good), text(bad)],
            "chosen": text(good),
            "rejected": text(bad),
            "history": [],
            "id": f"comparison_gpt4/rw/comparison_gpt4_data_zh.json#{number}",
        }
        blank = "blank_instruction" if not record["instruction"] else None
        empty = "blank_output" if "" in record["output"] else None
        rows.append((blank or empty or ("equal_answers" if good == bad else None), record))
    return expect(rows)


EXPECTED: dict[str, dict[str, Callable[[], Expected]]] = {
    "toyhom_dialogue": {"sft": toyhom},
    "cmedqa2": {"sft": cmedqa2_sft, "rw": cmedqa2_rw, "held": cmedqa2_held},
    "imcs_v2": {"sft": imcs_sft, "report": imcs_report},
    "pubmedqa": {"sft": pubmedqa_sft, "more": pubmedqa_more, "eval": pubmedqa_eval},
    "genmedgpt_5k": {"sft": genmedgpt},
    "med_chatglm": {"sft": chatglm_sft, "llama": chatglm_llama, "liver": chatglm_liver},
    "medicalgpt_pt": {"pt": fever},
    "comparison_gpt4": {"rw": comparison},
}
SKIPPED = {"imcs_v2": {"held"}, "comparison_gpt4": {"en"}}
"""Outputs whose files the samples lack."""


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, dict[str, Manifest]]:
    store = Store(tmp_path_factory.mktemp("data"))
    settings = Settings(store, str(MIRROR), workers=1, outputs=frozenset({"cmedqa2.rw"}))
    entries = [registry.load(name) for name in EXPECTED]
    result = pipeline.run_stages(entries, settings, "convert", lambda corpus, done: None)
    assert result.failures == {}
    return store, result.manifests["convert"]


CASES = [(corpus, output) for corpus, outputs in EXPECTED.items() for output in outputs]


@pytest.mark.parametrize(("corpus", "output"), CASES, ids=[f"{corpus}.{output}" for corpus, output in CASES])
def test_an_output_is_what_plain_python_makes_of_the_bytes(
    corpus: str, output: str, converted: tuple[Store, dict[str, Manifest]]
) -> None:
    store, manifests = converted
    read, records, dropped = EXPECTED[corpus][output]()
    counts = manifests[corpus].counts[output]
    assert read > 0
    assert (counts["read"], counts["kept"], counts["dropped"]) == (read, len(records), dict(dropped))
    folder = store.folder("convert", corpus)
    parts = [f for f in manifests[corpus].files if f["output"] == output and f["kind"] == "records"]
    made = [row for part in parts for frame in read_frames(folder / part["path"]) for row in frame.to_dicts()]
    entry = registry.load(corpus)
    validator = Draft202012Validator(load_schema(entry.outputs[output].format))
    assert [error.message for row in made for error in validator.iter_errors(row)] == []
    told = {"corpus": corpus, "license": entry.license["id"]}
    assert {"first": made[0], "last": made[-1]} == {"first": records[0] | told, "last": records[-1] | told}
    differing = [record["id"] for row, record in zip(made, records, strict=True) if row != record | told]
    assert differing == []


def test_the_samples_are_marked_as_not_upstreams_own(converted: tuple[Store, dict[str, Manifest]]) -> None:
    seen = 0
    for corpus, manifest in converted[1].items():
        assert manifest.verified is False, corpus
        assert set(manifest.counts) == set(EXPECTED[corpus])
        assert set(manifest.skipped) == SKIPPED.get(corpus, set())
        assert manifest.warnings == []  # `expect` counts whole files
        seen += 1
    assert seen == 8


def test_turns_of_real_dialogues_are_all_accounted_for(converted: tuple[Store, dict[str, Manifest]]) -> None:
    for corpus, output in (("imcs_v2", "sft"), ("med_chatglm", "liver")):
        turns = dict(converted[1][corpus].counts[output]["turns"])
        assert turns.pop("read") == sum(turns.values()) > 10
