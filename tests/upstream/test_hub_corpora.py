"""Corpora of the Hub and of ChatDoctor against samples of upstream's bytes and invented files in upstream's layouts.

What is expected is worked out here from the bytes by plain Python alone, and nothing of upstream's text is kept.
"""

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from care_data import registry
from care_data.sources.places import expand_braces

Row = dict[str, Any]
Told = list[tuple[str | None, Row]]
Teller = Callable[[list[Row], str], Told]
"""From the rows of a file and the place their ids begin with, to what becomes of each."""


# The bytes, by hand


def values_of(path: Path) -> list[Row]:
    """The values of a file that holds an array, or one a line."""
    text = path.read_bytes().decode("utf-8")
    if text.lstrip().startswith("["):
        return list(json.loads(text))
    return [json.loads(line) for line in text.split("\n") if line.strip()]


def is_text(value: Any) -> bool:
    return isinstance(value, str) and value.strip() != ""


def is_link(value: str) -> bool:
    return re.fullmatch(r"\s*https?://\S+\s*", value) is not None


def sft(instruction: Any, output: Any, source: str, **more: Any) -> tuple[str | None, Row]:
    """The record of a question and an answer, with the reason it is dropped for where one of them is no text."""
    reason = None if is_text(instruction) else "blank_instruction"
    reason = reason or (None if is_text(output) else "blank_output")
    reason = reason or ("url_only" if is_link(output) else None)
    return reason, {"instruction": instruction, "input": "", "output": output, "history": [], **more, "id": source}


def preference(question: str, good: str, bad: str, source: str) -> tuple[str | None, Row]:
    reason = None if is_text(question) else "blank_instruction"
    reason = reason or (None if is_text(good) and is_text(bad) else "blank_output")
    reason = reason or ("equal_answers" if good == bad else None)
    answers = {"output": [good, bad], "chosen": good, "rejected": bad}
    return reason, {"instruction": question, "input": "", **answers, "history": [], "id": source}


# What the rows of each layout must become


def tell_pairs(question: str, answer: str) -> Teller:
    """Question and answer are texts under these keys."""

    def tell(rows: list[Row], place: str) -> Told:
        return [sft(row[question], row[answer], f"{place}#{n}") for n, row in enumerate(rows, 1)]

    return tell


def tell_nested(rows: list[Row], place: str) -> Told:
    """Question in a list of lists, answer in a list."""
    return [sft(row["questions"][0][0], row["answers"][0], f"{place}#{n}") for n, row in enumerate(rows, 1)]


def tell_flat(rows: list[Row], place: str) -> Told:
    """Question and answer in a list each."""
    return [sft(row["questions"][0], row["answers"][0], f"{place}#{n}") for n, row in enumerate(rows, 1)]


def tell_constant(rows: list[Row], place: str) -> Told:
    """The instruction is a constant, the question is the input."""
    found = enumerate(rows, 1)
    return [sft(row["input"], row["output"], f"{place}#{n}", system=row["instruction"]) for n, row in found]


def tell_triples(rows: list[Row], place: str) -> Told:
    """Instruction, input and output as they are."""
    found = enumerate(rows, 1)
    return [sft(row["instruction"], row["output"], f"{place}#{n}", input=row["input"]) for n, row in found]


def tell_preferences(question: str, good: str, bad: str) -> Teller:
    """A question and two answers under these keys."""

    def tell(rows: list[Row], place: str) -> Told:
        return [preference(row[question], row[good], row[bad], f"{place}#{n}") for n, row in enumerate(rows, 1)]

    return tell


def tell_documents(rows: list[Row], place: str) -> Told:
    told: Told = []
    for number, row in enumerate(rows, 1):
        told.append((None if is_text(row["text"]) else "blank_text", {"text": row["text"], "id": f"{place}#{number}"}))
    return told


def tell_items(rows: list[Row], place: str) -> Told:
    """A question and its answer for a benchmark."""
    told: Told = []
    for number, row in enumerate(rows, 1):
        record = {"question": row["questions"], "options": [], "answer": row["answers"], "explanation": ""}
        reason = None if is_text(row["questions"]) else "blank_question"
        reason = reason or (None if is_text(row["answers"]) else "blank_answer")
        told.append((reason, {**record, "id": f"{place}#{number}"}))
    return told


def tell_turns(rows: list[Row], place: str) -> Told:
    """Turns as texts that begin with 问： or 答：; neighbours joined, a question nobody answered left out."""
    told: Told = []
    for number, row in enumerate(rows, 1):
        asked: list[list[str]] = []
        for turn in row["data"]:
            mark, words = turn[:2], turn[2:].strip()
            assert mark in ("问：", "答：")
            if not words:
                continue
            if mark == "问：" and (not asked or len(asked[-1]) == 2):
                asked.append([words])
            elif mark == "问：" or (asked and len(asked[-1]) == 2):
                asked[-1][-1] += f"\n{words}"
            elif asked:
                asked[-1].append(words)
        exchanges = [pair for pair in asked if len(pair) == 2]
        source = f"{place}#{number}"
        if exchanges:
            told.append(sft(*exchanges[-1], source, history=exchanges[:-1]))
        else:
            told.append(("one_sided", {"id": source}))
    return told


MIRRORED: list[tuple[str, str, str, Teller]] = [
    ("shennong_tcm", "sft", "ChatMed_TCM-v0.2.json", tell_pairs("query", "response")),
    ("chatmed_consult", "sft", "ChatMed_Consult-v0.3.json", tell_pairs("query", "response")),
    ("huatuo_encyclopedia_qa", "sft", "train_datasets.jsonl", tell_nested),
    ("huatuo_knowledge_graph_qa", "sft", "train_datasets.jsonl", tell_flat),
    ("huatuo_consultation_qa", "sft", "train_datasets.jsonl", tell_flat),
    ("huatuo26m_lite", "sft", "format_data.jsonl", tell_pairs("question", "answer")),
    ("huatuo26m_testdatasets", "eval", "test_datasets.jsonl", tell_items),
    ("huatuogpt_sft_v1", "sft", "HuatuoGPT_sft_data_v1.jsonl", tell_turns),
    ("shibing624_medical", "pt", "pretrain/train_encyclopedia.json", tell_documents),
    ("shibing624_medical", "sft", "finetune/train_zh_0.json", tell_triples),
    ("shibing624_medical", "en", "finetune/train_en_1.json", tell_constant),
    (
        "shibing624_medical",
        "rw",
        "reward/train.json",
        tell_preferences("question", "response_chosen", "response_rejected"),
    ),
    (
        "shibing624_medical",
        "held_rw",
        "reward/test.json",
        tell_preferences("question", "response_chosen", "response_rejected"),
    ),
    ("healthcaremagic_100k", "sft", "HealthCareMagic-100k.json", tell_constant),
    ("icliniq_10k", "sft", "iCliniq.json", tell_pairs("input", "answer_icliniq")),
    ("icliniq_10k", "rw", "iCliniq.json", tell_preferences("input", "answer_icliniq", "answer_chatdoctor")),
]
"""Corpus, output, the upstream file its sample lies in, and what its rows become."""

INVENTED = [case for case in MIRRORED if case[0] != "shibing624_medical"]
"""Of these there are also rows made up in the layout that others describe."""

SKIPPED = {
    "huatuo_encyclopedia_qa": {"held"},
    "huatuo_knowledge_graph_qa": {"held"},
    "huatuo_consultation_qa": {"held"},
    "shibing624_medical": {"held_pt", "held", "held_en"},
}
"""Outputs whose files the samples lack."""

CORPORA = sorted({corpus for corpus, *_ in MIRRORED})
KEYS = [f"{corpus}.{output}" for corpus, output, *_ in MIRRORED]


def place_in(mirror: Path, corpus: str) -> Path:
    """Where a mirror has the files of a corpus."""
    scheme, _, place = registry.load(corpus).source.partition(":")
    return mirror / scheme / place.partition("@")[0]


@pytest.fixture(scope="module")
def mirrored(samples: Path, run_mirror: Callable[..., Any]) -> Any:
    return run_mirror(CORPORA, samples / "mirror", ["icliniq_10k.rw"])


@pytest.fixture(scope="module")
def invented_mirror(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mirror of the invented files, and of the rows of shibing624_medical that the samples hold under another key."""
    mirror = tmp_path_factory.mktemp("mirror")
    sources = {(corpus, path): samples / f"invented/{corpus}/{path}" for corpus, _, path, _ in INVENTED}
    rekeyed = samples / "samples/shibing624_medical/rekeyed/finetune/train_zh_0.sample120.json"
    for split in ("train", "test"):
        sources["shibing624_medical", f"finetune/{split}_zh_0.json"] = rekeyed
    for (corpus, path), source in sources.items():
        target = place_in(mirror, corpus) / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    return mirror


@pytest.fixture(scope="module")
def invented(invented_mirror: Path, run_mirror: Callable[..., Any]) -> Any:
    return run_mirror(CORPORA, invented_mirror, ["icliniq_10k.rw"])


@pytest.mark.parametrize(("corpus", "output", "path", "tell"), MIRRORED, ids=KEYS)
def test_an_output_is_what_plain_python_makes_of_the_sample(
    corpus: str, output: str, path: str, tell: Teller, samples: Path, mirrored: Any
) -> None:
    rows = values_of(place_in(samples / "mirror", corpus) / path)
    mirrored.compare(corpus, output, tell(rows, f"{corpus}/{output}/{path}"))


@pytest.mark.parametrize(("corpus", "output", "path", "tell"), INVENTED, ids=[f"{c}.{o}" for c, o, *_ in INVENTED])
def test_an_output_is_what_plain_python_makes_of_invented_rows(
    corpus: str, output: str, path: str, tell: Teller, invented_mirror: Path, invented: Any
) -> None:
    rows = values_of(place_in(invented_mirror, corpus) / path)
    assert len(rows) >= 3
    invented.compare(corpus, output, tell(rows, f"{corpus}/{output}/{path}"))


def test_rows_of_the_merged_corpus_in_its_training_and_test_files(invented_mirror: Path, invented: Any) -> None:
    for output, path in (("sft", "finetune/train_zh_0.json"), ("held", "finetune/test_zh_0.json")):
        rows = values_of(place_in(invented_mirror, "shibing624_medical") / path)
        assert len(rows) == 120
        invented.compare("shibing624_medical", output, tell_triples(rows, f"shibing624_medical/{output}/{path}"))


def test_counts_of_the_samples(mirrored: Any, invented: Any) -> None:
    """Rows read, records, and rows dropped by reason, as counted by hand when the entries were written."""
    assert (mirrored.failures, invented.failures) == ({}, {})

    def counted(run: Any) -> dict[str, tuple[int, int, dict[str, int]]]:
        outputs = [(c, o, counts) for c, manifest in run.manifests.items() for o, counts in manifest.counts.items()]
        return {f"{c}.{o}": (counts["read"], counts["kept"], counts["dropped"]) for c, o, counts in outputs}

    assert counted(mirrored) == {
        "shennong_tcm.sft": (1, 1, {}),
        "chatmed_consult.sft": (120, 120, {}),
        "huatuo_encyclopedia_qa.sft": (1, 1, {}),
        "huatuo_knowledge_graph_qa.sft": (1, 1, {}),
        "huatuo_consultation_qa.sft": (1, 0, {"url_only": 1}),
        "huatuo26m_lite.sft": (1, 1, {}),
        "huatuo26m_testdatasets.eval": (150, 150, {}),
        "huatuogpt_sft_v1.sft": (1, 1, {}),
        "shibing624_medical.pt": (1, 1, {}),
        "shibing624_medical.sft": (2, 2, {}),
        "shibing624_medical.en": (1, 1, {}),
        "shibing624_medical.rw": (1, 1, {}),
        "shibing624_medical.held_rw": (100, 100, {}),
        "healthcaremagic_100k.sft": (2, 2, {}),
        "icliniq_10k.sft": (1, 1, {}),
        "icliniq_10k.rw": (1, 1, {}),
    }
    assert counted(invented) == {
        "shennong_tcm.sft": (3, 2, {"blank_output": 1}),
        "chatmed_consult.sft": (3, 3, {}),
        "huatuo_encyclopedia_qa.sft": (3, 3, {}),
        "huatuo_knowledge_graph_qa.sft": (3, 3, {}),
        "huatuo_consultation_qa.sft": (3, 0, {"url_only": 3}),
        "huatuo26m_lite.sft": (3, 3, {}),
        "huatuo26m_testdatasets.eval": (3, 3, {}),
        "huatuogpt_sft_v1.sft": (5, 5, {}),
        "shibing624_medical.sft": (120, 120, {}),
        "shibing624_medical.held": (120, 120, {}),
        "healthcaremagic_100k.sft": (3, 2, {"blank_instruction": 1}),
        "icliniq_10k.sft": (3, 2, {"blank_output": 1}),
        "icliniq_10k.rw": (3, 2, {"blank_output": 1}),
    }
    turns = [dict(run.manifests["huatuogpt_sft_v1"].counts["sft"]["turns"]) for run in (mirrored, invented)]
    assert turns == [{"read": 2, "kept": 2}, {"read": 16, "kept": 14, "joined": 1, "trailing_question": 1}]


def test_what_the_samples_lack_is_skipped_and_nothing_counts_as_upstreams_own(mirrored: Any) -> None:
    assert set(mirrored.manifests) == set(CORPORA)
    for corpus, manifest in mirrored.manifests.items():
        assert manifest.verified is False, corpus
        assert set(manifest.skipped) == SKIPPED.get(corpus, set()), corpus
        assert manifest.warnings == []  # `expect` counts whole files


def test_the_samples_hold_the_oddities_they_were_kept_for(samples: Path) -> None:
    hub = samples / "mirror/hub"
    asked = values_of(hub / "michaelwzhu/ChatMed_Consult_Dataset/ChatMed_Consult-v0.3.json")
    assert sum(row["query"].startswith("<s>问：\n") and row["query"].endswith("\n答：\n") for row in asked) == 120
    items = values_of(hub / "FreedomIntelligence/huatuo26M-testdatasets/test_datasets.jsonl")
    again = Counter(row["questions"] for row in items)
    assert sorted(count for count in again.values() if count > 1) == [2, 2, 3]
    assert len({(row["questions"], row["answers"]) for row in items}) == 150
    assert min(len(row["answers"]) for row in items) == 2
    assert sum("问题分析：" in row["answers"] or "病情分析：" in row["answers"] for row in items) == 25
    pairs = values_of(hub / "shibing624/medical/reward/test.json")
    assert sum(row["response_chosen"] != row["response_chosen"].strip() for row in pairs) == 2
    lengths = sorted(len(row["response_chosen"]) for row in pairs)
    assert (lengths[0], lengths[-1]) == (1, 9968)


# Cleaning


def test_prompts_around_real_questions_are_taken_off(samples: Path, run_mirror: Callable[..., Any]) -> None:
    cleaned = run_mirror(["chatmed_consult"], samples / "mirror", stage="clean")
    path = place_in(samples / "mirror", "chatmed_consult") / "ChatMed_Consult-v0.3.json"
    inside = [row["query"].removeprefix("<s>问：\n").removesuffix("\n答：\n").strip() for row in values_of(path)]
    made = [row["instruction"] for row in cleaned.records("chatmed_consult", "sft")]
    assert cleaned.manifests["chatmed_consult"].counts["sft"]["changed"]["changed_prompt_template"] == 120
    assert [text for text in made if "<s>" in text or "问：" in text or "答：" in text] == []
    dropped = cleaned.manifests["chatmed_consult"].counts["sft"]["dropped"]
    assert len(made) + sum(dropped.values()) == len(inside)
    assert set(dropped) == {"refusal"}
    assert len(set(made) & set(inside)) >= 97  # other steps change some


# Deduplication


def test_of_rows_a_merged_corpus_took_from_others_those_keep_theirs(
    samples: Path, run_mirror: Callable[..., Any]
) -> None:
    """Its English rows have the question under `input`, like those they are from, so that the two meet."""
    names = ["shibing624_medical", "genmedgpt_5k", "huatuo_encyclopedia_qa"]
    counts = {corpus: m.counts for corpus, m in run_mirror(names, samples / "mirror", stage="dedupe").manifests.items()}
    assert counts["shibing624_medical"]["en"]["dropped"] == {"exact_duplicate": 1}
    assert counts["shibing624_medical"]["sft"]["dropped"] == {"exact_duplicate": 1}
    assert counts["shibing624_medical"]["sft"]["kept"] == 1
    assert [counts[corpus]["sft"]["dropped"] for corpus in names[1:]] == [{}, {}]


# Layouts


def written(rows: list[Row], layout: str) -> bytes:
    values = [json.dumps(row, ensure_ascii=False) for row in rows]
    text = {
        "array": "[\n  " + ",\n  ".join(values) + "\n]\n",
        "lines": "".join(f"{value}\n" for value in values),
        "lines, CRLF and commas": "".join(f"{value},\r\n" for value in values),
        "lines, byte order mark": "\ufeff" + "\n".join(values),
    }[layout]
    return text.encode("utf-8")


@pytest.mark.parametrize("layout", ["array", "lines", "lines, CRLF and commas", "lines, byte order mark"])
@pytest.mark.parametrize("corpus", ["shennong_tcm", "healthcaremagic_100k", "huatuogpt_sft_v1"])
def test_the_layout_of_a_file_is_read_from_its_bytes(
    corpus: str, layout: str, samples: Path, run_mirror: Callable[..., Any], tmp_path: Path
) -> None:
    _, output, path, tell = next(case for case in INVENTED if case[0] == corpus)
    rows = values_of(samples / f"invented/{corpus}/{path}")
    target = place_in(tmp_path, corpus) / path
    target.parent.mkdir(parents=True)
    target.write_bytes(written(rows, layout))
    run_mirror([corpus], tmp_path).compare(corpus, output, tell(rows, f"{corpus}/{output}/{path}"))


UNREAD = ("_datasets.jsonl", "3 of 3 rows cannot be read", "row 1", "byte 0")
MISFITS = [
    ("huatuo_encyclopedia_qa", "huatuo_knowledge_graph_qa", [*UNREAD, "'questions' is no list"]),
    ("huatuo_knowledge_graph_qa", "huatuo_encyclopedia_qa", [*UNREAD, "'questions' is no text"]),
    ("huatuo_knowledge_graph_qa", "huatuo26m_testdatasets", [*UNREAD, "'questions' is no list"]),
    ("huatuo26m_testdatasets", "huatuo_knowledge_graph_qa", [*UNREAD, "'questions' is no text"]),
    ("huatuo26m_lite", "huatuo26m_testdatasets", ["no column 'question'", "answers, questions"]),
]
"""A corpus, the one whose rows stand in its file, and what its error says."""


@pytest.mark.parametrize(("corpus", "other", "said"), MISFITS, ids=[f"{c}-{o}" for c, o, _ in MISFITS])
def test_rows_of_a_sister_set_are_refused(
    corpus: str, other: str, said: list[str], samples: Path, run_mirror: Callable[..., Any], tmp_path: Path
) -> None:
    (path,) = {path for name, _, path, _ in INVENTED if name == corpus}
    (source,) = {path for name, _, path, _ in INVENTED if name == other}
    target = place_in(tmp_path, corpus) / path
    target.parent.mkdir(parents=True)
    shutil.copyfile(samples / f"invented/{other}/{source}", target)
    failures = run_mirror([corpus], tmp_path).failures
    assert set(failures) == {corpus}
    assert [words for words in [*said, corpus] if words not in failures[corpus]] == [], failures[corpus]


# The entries


def test_no_training_output_reads_a_file_of_a_benchmark() -> None:
    seen = 0
    for corpus in CORPORA:
        entry = registry.load(corpus)
        paths: dict[str, set[str]] = {"train": set(), "benchmark": set()}
        for output in entry.outputs.values():
            paths[output.role] |= set(expand_braces(entry.files[output.rows].path))
        assert not paths["train"] & paths["benchmark"]
        assert [path for path in paths["train"] if re.search("valid|test|dev", path)] == []
        seen += len(paths["benchmark"])
    assert seen == 3 * 2 + 1 + 8


def test_the_sets_of_huatuo_run_under_one_name() -> None:
    assert registry.groups()["huatuo26m"] == [name for name in CORPORA if re.match("huatuo(26m)?_", name)]
