"""Corpora of GitHub against samples of upstream's bytes, and CMB's real answer key under invented questions.

What is expected is worked out here from the bytes by plain Python alone, and nothing of upstream's text is kept.
"""

import csv
import io
import json
import re
import shutil
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from care_data.registry import load

Row = dict[str, Any]
Told = list[tuple[str | None, Row]]
"""Every row of a file in order: the reason that drops it, or None and the record it makes."""

HAN = "\u3400-\u4dbf\u4e00-\u9fff"


# The bytes, by hand


def rows_of(path: Path) -> list[Any]:
    """The values of a file that holds an array, or one a line."""
    text = path.read_bytes().decode("utf-8")
    try:
        return list(json.loads(text))
    except json.JSONDecodeError:
        return [json.loads(line) for line in text.split("\n") if line.strip()]


def blank(value: Any) -> bool:
    return not (isinstance(value, str) and value.strip())


def is_link(value: str) -> bool:
    return re.fullmatch(r"\s*https?://\S+\s*", value) is not None


def sft(instruction: Any, output: Any, source: str, **more: Any) -> tuple[str | None, Row]:
    reason = "blank_instruction" if blank(instruction) else "blank_output" if blank(output) else None
    reason = reason or ("url_only" if is_link(output) else None)
    return reason, {"instruction": instruction, "input": "", "output": output, "history": [], **more, "id": source}


def document(text: Any, source: str) -> tuple[str | None, Row]:
    return "blank_text" if blank(text) else None, {"text": text, "id": source}


def question(asked: Any, answer: Any, source: str, explanation: str = "") -> tuple[str | None, Row]:
    reason = "blank_question" if blank(asked) else "blank_answer" if blank(answer) else None
    return reason, {"question": asked, "options": [], "answer": answer, "explanation": explanation, "id": source}


def preference(asked: Any, good: str, bad: str, source: str, **more: Any) -> tuple[str | None, Row]:
    reason = "blank_instruction" if blank(asked) else "blank_output" if blank(good) or blank(bad) else None
    reason = reason or ("equal_answers" if good == bad else None)
    answers = {"output": [good, bad], "chosen": good, "rejected": bad}
    return reason, {"instruction": asked, "input": "", **answers, "history": [], **more, "id": source}


def runs_of(turns: list[tuple[str, str]]) -> list[list[str]]:
    """Turns with the blank ones gone and neighbours of one speaker joined, an asker first."""
    runs: list[list[str]] = []
    for who, words in turns:
        assert who in ("user", "assistant")
        if blank(words):
            continue
        if runs and runs[-1][0] == who:
            runs[-1][1] += "\n" + words
        else:
            runs.append([who, words])
    return runs[1:] if runs and runs[0][0] == "assistant" else runs


def dialogue(turns: list[tuple[str, str]], source: str, **more: Any) -> tuple[str | None, Row]:
    words = [words for _, words in runs_of(turns)]
    pairs = [list(pair) for pair in zip(words[::2], words[1::2], strict=False)]
    if not pairs:
        return "one_sided", {"id": source}
    reason, record = sft(*pairs[-1], source, history=pairs[:-1], **more)
    return reason, record


def chat(turns: list[Row], who: str, what: str) -> list[tuple[str, str]]:
    names = {"human": "user", "gpt": "assistant"}
    return [(names.get(turn[who], turn[who]), turn[what]) for turn in turns if turn[who] != "system"]


def system_of(turns: list[Row]) -> str:
    return "\n".join(turn["value"] for turn in turns if turn["from"] == "system" and not blank(turn["value"]))


WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"


def lines_of_docx(data: bytes) -> list[str]:
    """A line for each paragraph outside of tables, and for each table row; what is there twice counts once."""
    root = ElementTree.fromstring(zipfile.ZipFile(io.BytesIO(data)).read("word/document.xml"))  # noqa: S314
    parent = {child: element for element in root.iter() for child in element}

    def around(element: Any, *names: str) -> Any:
        """The nearest element around this one that has one of these names."""
        above = parent.get(element)
        while above is not None and above.tag.rpartition("}")[2] not in names:
            above = parent.get(above)
        return above

    def text_of(paragraph: Any) -> str:
        parts = []
        for element in paragraph.iter():
            signs = {f"{WORD}t": element.text or "", f"{WORD}tab": "\t", f"{WORD}br": "\n"}
            twice = around(element, "Fallback") is not None
            inside = around(element, "p") is paragraph and around(element, "r") is not None
            if element.tag in signs and inside and not twice:
                parts.append(signs[element.tag])
        return "".join(parts)

    lines = []
    for element in root.iter():
        if around(element, "Fallback") is not None or around(element, "tr") is not None:
            continue
        if element.tag == f"{WORD}p":
            lines.append(text_of(element))
        elif element.tag == f"{WORD}tr":
            cells = []
            for cell in element.iter(f"{WORD}tc"):
                words = [text_of(paragraph).replace("\n", " ") for paragraph in cell.iter(f"{WORD}p")]
                cells.append(" ".join(words).strip())
            lines.append(re.sub(r"[| ]*$", "", " | ".join(cells)))
    return lines


# What each output must be, from the folder of samples


def each(mirror: Path, place: str, paths: list[str], place_of_ids: str) -> Iterator[tuple[Any, str]]:
    """(row, id) of these files in order."""
    for path in paths:
        for number, row in enumerate(rows_of(mirror / "github" / place / path), 1):
            yield row, f"{place_of_ids}/{path}#{number}"


PRETRAIN = "X-jun-0130/LLM-Pretrain-FineTune"
TUNE = "NLPxiaoxu/LLM-Pretrain-FineTune"
GPT = "shibing624/MedicalGPT"
ZHONGJING = "SupritYoung/Zhongjing"
CARE = "WangRongsheng/CareLlama"
FILES = ["example_index", "kuake_sft", "llama_sft", "many_prompt", "medical_sft", "multi_choice"]


def guidelines(mirror: Path) -> Told:
    folder = mirror / "github" / PRETRAIN
    paths = sorted(path.relative_to(folder).as_posix() for path in folder.glob("data_pretrain/*/*.docx"))
    assert len(paths) == 5
    return [
        document("\n".join(lines_of_docx((folder / path).read_bytes())), f"llm_pretrain_finetune_pt/pt/{path}#1")
        for path in paths
    ]


def pretrain_sft(mirror: Path) -> Told:
    told = []
    paths = [f"data_sft/{name}.json" for name in FILES]
    for row, source in each(mirror, TUNE, paths, "llm_pretrain_finetune_sft/sft"):
        if "text" in row:
            told.append(sft(row["text"], row["answer"], source))
        else:
            told.append(sft(row["instruction"], row["output"], source, input=row["input"]))
    return told


def gpt_medical(mirror: Path) -> Told:
    rows = each(mirror, GPT, ["data/sft/medical_sft_1K_format.jsonl"], "medicalgpt_sft/sft")
    return [dialogue(chat(row["conversations"], "from", "value"), source) for row, source in rows]


def gpt_general(mirror: Path) -> Told:
    rows = each(mirror, GPT, ["data/sft/sharegpt_zh_1K_format.jsonl"], "medicalgpt_sft/general")
    return [
        dialogue(chat(row["conversations"], "from", "value"), source, system=system_of(row["conversations"]))
        for row, source in rows
    ]


def gpt_pairs(mirror: Path) -> Told:
    rows = each(mirror, f"{GPT}@fab6250c", ["data/reward/test.json"], "medicalgpt_rw/rw")
    return [
        preference(row["question"], row["response_chosen"], row["response_rejected"], source) for row, source in rows
    ]


def gpt_ranked_chats(mirror: Path) -> Told:
    told = []
    for row, source in each(mirror, GPT, ["data/reward/dpo_zh_500.jsonl"], "medicalgpt_rw/general"):
        words = [words for _, words in runs_of(chat(row["conversations"], "from", "value"))]
        words = words if len(words) % 2 else words[:-1]
        history = [list(pair) for pair in zip(words[:-1:2], words[1::2], strict=True)]
        more = {"history": history, "system": system_of(row["conversations"])}
        told.append(preference(words[-1], row["chosen"], row["rejected"], source, **more))
    return told


def zhongjing_held(mirror: Path) -> Told:
    told = []
    for row, source in each(mirror, ZHONGJING, ["data/CMtMedQA_test.json"], "zhongjing_sft/held"):
        pairs = [*row.get("history", []), [row.get("instruction") or row["instruct"], row["output"]]]
        told.append(dialogue([turn for q, a in pairs for turn in (("user", q), ("assistant", a))], source))
    return told


def zhongjing_eval(mirror: Path) -> Told:
    rows = each(mirror, ZHONGJING, ["data/huatuo26M_test.json"], "zhongjing_sft/eval")
    return [question(*row["instruction"], *row["output"], source) for row, source in rows]


def qizhen_eval(mirror: Path) -> Told:
    path = "data/eval/药品适应症评测数据集.csv"
    text = (mirror / "github/CMKRG/QiZhenGPT" / path).read_bytes().decode("utf-8")
    table = list(csv.reader(io.StringIO(text, newline="")))
    told = []
    for number, (_, leaflet, marked, asked) in enumerate(table[1:], 1):
        told.append(question(asked, marked, f"qizhengpt/eval/{path}#{number}", explanation=leaflet))
    return told


def meadow(mirror: Path) -> Told:
    rows = each(mirror, "kbressem/medAlpaca", ["medical_meadow_small.json"], "medalpaca_small/sft")
    return [sft(row["input"], row["output"], source, system=row["instruction"]) for row, source in rows]


def care_drugs(mirror: Path) -> Told:
    return [document(row, source) for row, source in each(mirror, CARE, ["data/drug.json"], "carellama/pt")]


def care_guide(mirror: Path) -> Told:
    rows = each(mirror, CARE, ["data/Hospital Guide/导诊指导.json"], "carellama/guide")
    return [document(row["content"], source) for row, source in rows]


def care_leaflets(mirror: Path) -> Told:
    told = []
    for row, source in each(mirror, CARE, ["data/drug.json"], "carellama/leaflet"):
        name, line, rest = row.partition("\n")
        reason, record = sft(f"写一个关于{name}药品的说明书", rest, source)
        told.append((reason if line else "no_match", record))
    return told


def care_self(mirror: Path) -> Told:
    told = []
    for row, source in each(mirror, CARE, ["data/self_cognition.json"], "carellama/self"):
        reason, record = sft(row["instruction"], row["output"], source)
        told.append(("unless" if "<NAME>" in row["output"] or "<AUTHOR>" in row["output"] else reason, record))
    return told


def care_eval(mirror: Path) -> Told:
    rows = each(mirror, CARE, ["ChatGPT/test_datasets.jsonl"], "carellama/eval")
    return [question(row["questions"], row["answers"], source) for row, source in rows]


def care_chat(mirror: Path) -> Told:
    rows = each(mirror, CARE, ["ChatGPT/output.jsonl"], "carellama/chat")
    return [dialogue(chat(row["messages"], "role", "content"), source) for row, source in rows]


def clinical_cases(cases: list[Row], member: str) -> Told:
    told = []
    for number, case in enumerate(cases, 1):
        turns = [("user", case["description"])]
        for pair in case["QA_pairs"]:
            turns += [("user", pair["question"]), ("assistant", pair["answer"])]
        told.append(dialogue(turns, f"cmb/clin/data/CMB.zip!{member}#{number}"))
    return told


EXPECTED: dict[str, dict[str, Callable[[Path], Told]]] = {
    "llm_pretrain_finetune_pt": {"pt": guidelines},
    "llm_pretrain_finetune_sft": {"sft": pretrain_sft},
    "medicalgpt_sft": {"sft": gpt_medical, "general": gpt_general},
    "medicalgpt_rw": {"rw": gpt_pairs, "general": gpt_ranked_chats},
    "zhongjing_sft": {"held": zhongjing_held, "eval": zhongjing_eval},
    "qizhengpt": {"eval": qizhen_eval},
    "medalpaca_small": {"sft": meadow},
    "carellama": {
        "pt": care_drugs,
        "guide": care_guide,
        "leaflet": care_leaflets,
        "self": care_self,
        "eval": care_eval,
        "chat": care_chat,
    },
}
ASKED = {"medicalgpt_sft.general", "medicalgpt_rw.general", "carellama.leaflet"}
SKIPPED = {"zhongjing_sft": {"sft"}, "qizhengpt": {"sft"}}
"""Outputs whose files the samples lack."""

COUNTS = {
    "llm_pretrain_finetune_pt.pt": (5, 5, {}),
    "llm_pretrain_finetune_sft.sft": (317, 317, {}),
    "medicalgpt_sft.sft": (112, 112, {}),
    "medicalgpt_sft.general": (17, 17, {}),
    "medicalgpt_rw.rw": (100, 100, {}),
    "medicalgpt_rw.general": (17, 17, {}),
    "zhongjing_sft.held": (70, 70, {}),
    "zhongjing_sft.eval": (67, 67, {}),
    "qizhengpt.eval": (94, 94, {}),
    "medalpaca_small.sft": (133, 133, {}),
    "carellama.pt": (59, 59, {}),
    "carellama.guide": (15, 15, {}),
    "carellama.leaflet": (59, 59, {}),
    "carellama.self": (80, 6, {"unless": 74}),
    "carellama.eval": (15, 15, {}),
    "carellama.chat": (12, 12, {}),
}
"""Rows read, records, rows dropped by reason: written down, so that the reckoning above cannot drift with the code."""


@pytest.fixture(scope="module")
def mirrored(samples: Path, run_mirror: Any) -> Any:
    return run_mirror(EXPECTED, samples / "mirror", outputs=ASKED)


CASES = [(corpus, output) for corpus, outputs in EXPECTED.items() for output in outputs]


@pytest.mark.parametrize(("corpus", "output"), CASES, ids=[f"{corpus}.{output}" for corpus, output in CASES])
def test_an_output_is_what_plain_python_makes_of_the_bytes(
    corpus: str, output: str, mirrored: Any, samples: Path
) -> None:
    told = EXPECTED[corpus][output](samples / "mirror")
    read, kept, dropped = COUNTS[f"{corpus}.{output}"]
    assert (len(told), sum(reason is None for reason, _ in told)) == (read, kept)
    assert Counter(reason for reason, _ in told if reason) == dropped
    mirrored.compare(corpus, output, told)


def test_what_the_samples_lack_is_skipped_and_named(mirrored: Any) -> None:
    assert mirrored.failures == {}
    for corpus, outputs in EXPECTED.items():
        manifest = mirrored.manifests[corpus]
        assert set(manifest.counts) == set(outputs), corpus
        assert set(manifest.skipped) == SKIPPED.get(corpus, set()), corpus
        assert manifest.verified is (corpus == "qizhengpt")  # its sample is the whole file


def test_no_held_out_text_is_in_a_training_output() -> None:
    """By role: what upstream or others hold out is benchmark, and no training output reads its file."""
    held = {
        "zhongjing_sft": {"held", "eval"}, "qizhengpt": {"eval"}, "carellama": {"eval", "chat"},
        "cmb": {"val", "eval", "clin"}, "medalpaca_mmmlu": {"eval"},
    }  # fmt: skip
    for corpus, outputs in held.items():
        entry = load(corpus)
        assert {name for name, output in entry.outputs.items() if output.role == "benchmark"} == outputs
        read = {output.rows for output in entry.outputs.values() if output.role == "benchmark"}
        assert {output.rows for output in entry.outputs.values() if output.role == "train"} & read == set()


def test_turns_of_real_dialogues_are_all_accounted_for(mirrored: Any) -> None:
    dropped: Counter[str] = Counter()
    for corpus, output in (("medicalgpt_sft", "general"), ("medicalgpt_rw", "general"), ("zhongjing_sft", "held")):
        turns = dict(mirrored.manifests[corpus].counts[output]["turns"])
        assert turns.pop("read") == sum(turns.values()) > 17
        dropped.update(turns)
    assert dropped["blank"] == 17
    assert dropped["trailing_question"] == 4  # in rw the last question is the record


def test_the_samples_hold_the_oddities(samples: Path, mirrored: Any) -> None:
    """Rows that go wrong easily are among those compared above, so many of each kind."""
    mirror = samples / "mirror"
    safety = [row for row in rows_of(mirror / "github" / ZHONGJING / "data/CMtMedQA_test.json") if "instruct" in row]
    assert len(safety) == 20
    assert sum(row["instruct"].startswith(" ") for row in safety) == 14
    longest = max(mirrored.records("zhongjing_sft", "held"), key=lambda record: len(record["history"]))
    assert len(longest["history"]) == 9
    chats = mirrored.records("medicalgpt_sft", "general")
    assert max(len(record["history"]) for record in chats) > 10
    ranked = mirrored.records("medicalgpt_rw", "general")
    assert sum(bool(record["system"]) for record in ranked) > 0
    assert min(len(record["chosen"]) for record in [*ranked, *mirrored.records("medicalgpt_rw", "rw")]) <= 2
    tune = mirror / "github" / TUNE / "data_sft"
    assert (tune / "medical_sft.json").read_bytes().startswith(b"[    \n")
    assert b"\r\n" in (tune / "many_prompt.json").read_bytes()
    answers = mirrored.records("medalpaca_small", "sft")
    assert max(len(record["output"]) for record in answers) > 15_000
    assert sum("<ref" in record["output"] or "<figure" in record["output"] for record in answers) > 0
    leaflets = [record["explanation"] for record in mirrored.records("qizhengpt", "eval")]
    assert all(text.startswith("<p>") for text in leaflets)
    assert sum("\n" in text for text in leaflets) == 2
    assert sum(record["text"].startswith("[") for record in mirrored.records("carellama", "pt")) == 3


# The Word files after cleaning


def test_guidelines_lose_gaps_and_furniture_and_no_letter_else(samples: Path, run_mirror: Any, mirrored: Any) -> None:
    cleaned = run_mirror(["llm_pretrain_finetune_pt"], samples / "mirror", stage="clean")
    before = {row["id"]: row["text"] for row in mirrored.records("llm_pretrain_finetune_pt", "pt")}
    after = {row["id"]: row["text"] for row in cleaned.records("llm_pretrain_finetune_pt", "pt")}
    assert len(before) == len(after) == 5
    gap = re.compile(f"(?<=[{HAN}]) (?=[{HAN}])")
    assert sum(len(gap.findall(text)) for text in before.values()) == 760
    left = [len(gap.findall(text)) for text in after.values()]
    assert sum(left) == 129  # 125 in a list of names, three beside English words, one in a cell of two words
    assert sorted(left)[:4] == [0, 0, 1, 3]
    letters = re.compile(f"[{HAN}]")
    lost = Counter[str]()
    for name, text in before.items():
        lost += Counter(letters.findall(text)) - Counter(letters.findall(after[name]))
        assert "medliv" not in after[name].lower()
    # One table of contents (52 letters in eight lines), the logo's letters read beside a link, and a stray one.
    assert lost.total() < 130
    table = next(text for text in after.values() if "7.8\n8.6\n9.4" in text)
    assert "\n126\n140\n154\n" in table  # a column of figures is none of page numbers


# CMB: the real key and cases, under questions that are invented


@pytest.fixture
def exam(samples: Path, tmp_path: Path, run_mirror: Any) -> Callable[[str], Any]:
    """exam(path of a key): a run over a mirror with that key and a question for each of its ids, six options each."""

    def run(path: str) -> tuple[list[Row], Any]:
        place = tmp_path / "mirror/github/FreedomIntelligence/CMB/data"
        place.mkdir(parents=True)
        shutil.copy(samples / path, place / "CMB-test-choice-answer.json")
        key = rows_of(samples / path)
        option = {letter: f"第{letter}项" for letter in "ABCDEF"}
        asked = [
            {**{k: v for k, v in row.items() if k != "answer"}, "question": f"第{row['id']}题", "option": option}
            for row in [*key, {**key[0], "id": 99_999}]
        ]
        real = zipfile.ZipFile(samples / "mirror/github/FreedomIntelligence/CMB/data/CMB.zip")
        with zipfile.ZipFile(place / "CMB.zip", "w") as archive:
            text = json.dumps(asked, ensure_ascii=False, indent=4).replace("\n", "\r\n")
            archive.writestr("CMB/CMB-Exam/CMB-test/CMB-test-choice-question-merge.json", text)
            archive.writestr("CMB/CMB-Clin/CMB-Clin-qa.json", real.read("CMB/CMB-Clin/CMB-Clin-qa.json"))
        return key, run_mirror(["cmb"], tmp_path / "mirror")

    return run


def told_exam(key: list[Row]) -> Told:
    """Sorted letters where the answer is some of A to F and nothing else."""
    place = "cmb/eval/data/CMB.zip!CMB/CMB-Exam/CMB-test/CMB-test-choice-question-merge.json"
    options = [{"label": letter, "text": f"第{letter}项"} for letter in "ABCDEF"]
    told: Told = []
    for number, row in enumerate(key, 1):
        whole = re.fullmatch("[A-F]+", row["answer"])
        record = {"question": f"第{row['id']}题", "options": options, "answer": "".join(sorted(set(row["answer"])))}
        reason = None if whole else "answer_outside_options"
        told.append((reason, {**record, "explanation": "", "subject": row["exam_type"], "id": f"{place}#{number}"}))
    return [*told, ("no_key", {})]


def test_the_key_of_cmb_is_joined_and_compared_as_a_set(exam: Any, samples: Path) -> None:
    member = "CMB/CMB-Clin/CMB-Clin-qa.json"
    key, done = exam("mirror/github/FreedomIntelligence/CMB/data/CMB-test-choice-answer.json")
    told = told_exam(key)
    assert Counter(reason for reason, _ in told) == {None: 132, "no_key": 1}
    assert sum(list(row["answer"]) != sorted(row["answer"]) for row in key) == 4
    assert done.failures == {}
    done.compare("cmb", "eval", told)
    with zipfile.ZipFile(samples / "mirror/github/FreedomIntelligence/CMB/data/CMB.zip") as archive:
        expected = clinical_cases(json.loads(archive.read(member)), member)
    assert Counter(len(record["history"]) for _, record in expected) == {0: 2, 1: 3, 2: 18, 3: 4}
    done.compare("cmb", "clin", expected)
    assert set(done.manifests["cmb"].skipped) == {"sft", "val"}


def test_the_first_key_of_cmb_had_answers_that_are_none(exam: Any) -> None:
    key, done = exam("samples/cmb/@fbbcf55f5/data/CMB-test-choice-answer.json")
    told = told_exam(key)
    assert Counter(reason for reason, _ in told) == {None: 3, "answer_outside_options": 10, "no_key": 1}
    assert any(re.search("[A-F]", row["answer"]) and not re.fullmatch("[A-F]+", row["answer"]) for row in key)
    done.compare("cmb", "eval", told)


# What is only described: rows in the layout described, and rows in none


RANKED = "github/SupritYoung/Zhongjing/data/rlhf2000_7_31.json"
PAIRS = "github/CMKRG/QiZhenGPT/data/train/sft-20k.json"
CHATS = "hub/Suprit/CMtMedQA/CMtMedQA.json"
EXAM = "github/FreedomIntelligence/CMB/data/CMB.zip"
MEADOW = "hub/medalpaca/medical_meadow_{}/{}.json"
ANSWERS = ["先观察。", "不知道。", "再看看。", "别管它。"]


def publish(mirror: Path, path: str, rows: Any, member: str = "") -> None:
    """A file of upstream's with these rows, in a zip where a member is named."""
    target = mirror / path
    target.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(rows, ensure_ascii=False, indent=4)
    if not member:
        target.write_text(text, encoding="utf-8")
        return
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(member, text)


def test_ranked_answers_give_the_best_against_the_worst_with_or_without_history(
    tmp_path: Path, run_mirror: Any
) -> None:
    for number, history in enumerate([None, [], [["疼吗？", "不疼。"]]]):
        rows = [{"instruction": "落枕怎么办？", "output": ANSWERS, "id": 7}]
        rows[0] |= {} if history is None else {"history": history}
        publish(tmp_path / str(number), RANKED, rows)
        done = run_mirror(["zhongjing_rw"], tmp_path / str(number))
        (made,) = done.records("zhongjing_rw", "rw")
        assert made["output"] == ["先观察。", "别管它。"]
        assert (made["instruction"], made["history"]) == ("落枕怎么办？", history or [])


ASK = {"instruction": "问", "output": "答"}
MISFITS = [
    (
        "zhongjing_rw",
        RANKED,
        {"prompt": "问", "answers": ANSWERS},
        "no column 'instruction'. The file has: answers, prom",
    ),
    ("zhongjing_rw", RANKED, {**ASK, "output": "一、二"}, "the first, row 1: 'output' is no list"),
    ("zhongjing_rw", RANKED, {**ASK, "output": ANSWERS, "history": "[]"}, "row 1: 'history' is no list"),
    ("zhongjing_rw", RANKED, ["问", *ANSWERS], "the first, row 1: not an object"),
    ("qizhengpt", PAIRS, {"question": "问", "output": "答"}, "no column 'instruction'"),
    ("qizhengpt", PAIRS, {**ASK, "instruction": ["问"]}, "row 1: 'instruction' is no text"),
    ("zhongjing_sft", CHATS, {**ASK, "history": "甲"}, "row 1: 'history' is no list"),
    ("zhongjing_sft", CHATS, ASK, "no column 'history'"),
    ("medalpaca_medqa", MEADOW.format("medqa", "medical_meadow_medqa"), {"output": "a"}, "no column 'instruction'"),
]


@pytest.mark.parametrize(("corpus", "path", "row", "says"), MISFITS, ids=range(len(MISFITS)))
def test_a_file_in_another_layout_stops_and_says_what_was_expected(
    corpus: str, path: str, row: Any, says: str, tmp_path: Path, run_mirror: Any
) -> None:
    publish(tmp_path, path, [row])
    done = run_mirror([corpus], tmp_path)
    assert set(done.failures) == {corpus}
    assert says in done.failures[corpus]
    assert Path(path).name in done.failures[corpus]


def test_exam_questions_in_both_forms_of_their_options(tmp_path: Path, run_mirror: Any) -> None:
    row = {
        "exam_type": "医师考试",
        "exam_class": "执业医师",
        "question": "乳牙共有",
        "answer": "B",
        "question_type": "单项选择题",
    }
    forms = [
        {"A": "2颗", "B": "20颗", "C": ""},
        "{'A': '2颗', 'B': '20颗', 'C': ''}",
        "A. 2颗 B. 20颗",
        ["2颗", "20颗"],
    ]
    publish(tmp_path, EXAM, [{**row, "option": form} for form in forms], "CMB/CMB-Exam/CMB-train/CMB-train-merge.json")
    done = run_mirror(["cmb"], tmp_path)
    assert [record["output"] for record in done.records("cmb", "sft")] == ["B. 20颗"] * 3
    assert {record["input"] for record in done.records("cmb", "sft")} == {"乳牙共有\nA. 2颗\nB. 20颗"}
    assert done.manifests["cmb"].counts["sft"]["dropped"] == {"nesting": 1}
    assert set(done.manifests["cmb"].skipped) == {"val", "eval", "clin"}
    assert "CMB-val-merge.json" in done.manifests["cmb"].skipped["val"]


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("medical_flashcards", "medical_meadow_wikidoc_medical_flashcards"), ("wikidoc", "medical_meadow_wikidoc"),
        ("wikidoc_patient_information", "any_name_at_all"), ("mediqa", "medical_meadow_mediqa"),
        ("cord19", "medical_meadow_cord19"), ("health_advice", "medical_meadow_health_advice"),
        ("pubmed_causal", "medical_meadow_pubmed_causal"), ("medqa", "medical_meadow_medqa"),
        ("mmmlu", "medical_meadow_mmmlu"),
    ],
)  # fmt: skip
def test_a_set_of_the_meadow_loses_none_of_a_rows_words(name: str, file: str, tmp_path: Path, run_mirror: Any) -> None:
    row = {"instruction": "Answer.", "input": "Does tea – green – help?", "output": "A little."}
    publish(tmp_path, MEADOW.format(name, file), [row])
    done = run_mirror([f"medalpaca_{name}"], tmp_path)
    (output,) = load(f"medalpaca_{name}").outputs
    (made,) = done.records(f"medalpaca_{name}", output)
    said = [made[field] for field in made if field not in ("id", "corpus", "license", "history", "options")]
    assert sorted(word for text in said for word in text.split()) == sorted(" ".join(row.values()).split())
