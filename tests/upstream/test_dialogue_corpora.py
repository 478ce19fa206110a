"""Consultations and old books against samples of upstream's bytes; skipped where the samples are absent.

What is expected is worked out here from the bytes by plain Python alone, and nothing of upstream's text is kept.
"""

import csv
import io
import json
import pickle
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

Row = dict[str, Any]
Told = list[tuple[str | None, Row]]
Turn = tuple[str, str]

RAW_ZH, RAW_EN = "drive/1r09_i8nJ9c1nliXVGXwSqRYqklcHd9e2", "drive/1g29ssimdZ6JzTST6Y8g6h-ogUNReBtJD"
PROCESSED = "drive/11sglwm6-cY7gjeqlZaMxL_MDKDMLdhym"
CHUNYU, CMCQA = "drive/109WnXlNhmqttxYwb4EEscYGcA_-eq8Eg", "drive/1LgljQk91VeNGn3lCyUZ6Szm3ur-VVqwt"


# Dialogues by hand


def exchanges(turns: list[Turn], source: str) -> tuple[str | None, Row]:
    """The record of ("u" or "a", text) turns: neighbours joined, a leading answer and a trailing question gone."""
    runs: list[list[str]] = []
    for who, said in turns:
        if not said.strip():
            continue
        if runs and runs[-1][0] == who:
            runs[-1][1] += "\n" + said
        else:
            runs.append([who, said])
    if runs and runs[0][0] == "a":
        del runs[0]
    if runs and runs[-1][0] == "u":
        del runs[-1]
    texts = [said for _, said in runs]
    history = [texts[at : at + 2] for at in range(0, len(texts), 2)]
    last = history.pop() if history else ["", ""]
    record = {"instruction": last[0], "input": "", "output": last[1], "history": history, "id": source}
    return (None if texts else "one_sided"), record


FORM = """
患病多久 怀孕情况 已就诊医院及科室 曾经治疗情况和效果 用药情况 过敏史 既往病史 预约医生 报到来源 目前是否仍在住院
住院时是否做了手术 出院日期 复诊时间 复查时间 本次就诊时间 是否有出院带药 是否开了检查 是否拿到检查结果 是否开药
医生给的诊疗建议 资料照片
"""
LABELS = {
    "病情描述": "complaint",
    "希望获得的帮助": "help",
    "想得到怎样的帮助": "help",
    "疾病": "disease",
    "疾病/症状": "disease",
    "疾病名称": "disease",
} | dict.fromkeys(FORM.split(), "form")


def label_of(line: str) -> tuple[str, str] | None:
    """(label, rest) where a line of the form begins with a label, maybe with a remark in brackets."""
    for label in LABELS:
        rest = line.removeprefix(label)
        if rest == line:
            continue
        if rest.startswith("（") and "）：" in rest:
            rest = rest[rest.index("）：") + 1 :]
        if rest.startswith("："):
            return label, rest[1:]
    return None


def form_of(lines: list[str]) -> dict[str, str]:
    """The fields of a description; what is not filled in is left out."""
    held: dict[str, list[str]] = {}
    field = ""
    for line in lines:
        if found := label_of(line):
            field = LABELS[found[0]]
            line = found[1]
        held.setdefault(field, []).append(line)
    texts = {name: "\n".join(part).strip() for name, part in held.items()}
    return {name: text for name, text in texts.items() if text not in ("", "未填写")}


def chinese_visits(text: str) -> Iterator[list[Turn]]:
    """The turns of every visit of a raw Chinese file, the form's answers first."""
    blocks: list[list[str]] = []
    for line in text.split("\n"):
        if line.startswith("id=") and line[3:].strip().isdigit():
            blocks.append([])
        elif blocks:
            blocks[-1].append(line)
    for block in blocks:
        starts = [at for at, line in enumerate(block) if line.strip() == "Description"]
        for start, end in zip(starts, [*starts[1:], len(block)], strict=True):
            yield chinese_turns(block[start + 1 : end])
        assert starts, "no sample has a row without a description"


def chinese_turns(lines: list[str]) -> list[Turn]:
    ends = [at for at, line in enumerate(lines) if line.strip() in ("Dialogue", "Diagnosis and suggestions")]
    end = ends[0] if ends else len(lines)
    form = form_of(lines[:end])
    asked = [form.get("complaint") or form.get("disease"), form.get("help")]
    turns: list[list[str]] = []
    talking = False
    for line in lines[end:]:
        if line.strip() == "Dialogue":
            talking = True
        elif line.strip() == "Diagnosis and suggestions":
            talking = False
        elif line.strip() in ("病人：", "医生："):
            turns.append(["u" if line.startswith("病") else "a", ""])
            talking = True
        elif is_form_again(line):
            talking = False
        elif talking and turns:
            turns[-1][1] += line + "\n"
    said = [(who, words.strip()) for who, words in turns]
    said = [(who, "" if words in ("真情寄语：", "未填写") else words) for who, words in said]
    return [("u", "\n".join(part for part in asked if part)), *said]


def is_form_again(line: str) -> bool:
    """Whether the site printed a line of its form between the turns."""
    dated = line.startswith(("过敏史：", "既往病史：")) and line.rstrip().endswith("填写）")
    return dated or line.startswith(("预约医生： ", "疾病诊断： ", "药品： "))


def english_turns(block: str) -> list[Turn]:
    head, _, talk = block.partition("\nDialogue\n")
    described = head.partition("\nDescription\n")[2].strip()
    pieces = re.split(r"(?:^|\n)(Patient|Doctor):\n", talk)
    said = zip(pieces[1::2], pieces[2::2], strict=True)
    return [("u", described), *(("u" if who == "Patient" else "a", words.strip()) for who, words in said)]


def raw_chinese(text: str, place: str) -> Told:
    return [exchanges(turns, f"{place}#{number}") for number, turns in enumerate(chinese_visits(text), 1)]


def raw_english(text: str, place: str) -> Told:
    blocks = re.split(r"(?m)^id=\d+\s*\n", text)[1:]
    return [exchanges(english_turns("\n" + block), f"{place}#{number}") for number, block in enumerate(blocks, 1)]


def prefixed(rows: list[list[str]], place: str) -> Told:
    """Rows of strings that begin with who speaks."""
    told = []
    for number, row in enumerate(rows, 1):
        assert all(said[:3] in ("病人：", "医生：") for said in row)
        told.append(exchanges([("u" if s[0] == "病" else "a", s[3:].strip()) for s in row], f"{place}#{number}"))
    return told


def text_of(path: Path) -> str:
    return path.read_bytes().decode("utf-8")


def zipped(path: Path) -> list[tuple[str, str]]:
    with zipfile.ZipFile(path) as archive:
        return [(name, archive.read(name).decode("utf-8")) for name in sorted(archive.namelist())]


# MedDialog


def test_raw_dialogues_of_both_chinese_layouts_and_of_english(samples: Path, run_mirror: Callable[..., Any]) -> None:
    run = run_mirror(["medical_dialogue_system", "medical_dialog"], samples / "mirror", ["medical_dialog.raw"])
    assert run.failures == {}
    for output, source, read in (("sft", RAW_ZH, raw_chinese), ("en", RAW_EN, raw_english)):
        paths = sorted((samples / "mirror" / source).rglob("*.txt"))
        told = [
            each
            for path in paths
            for each in read(
                text_of(path),
                f"medical_dialogue_system/{output}/{path.relative_to(samples / 'mirror' / source).as_posix()}",
            )
        ]
        run.compare("medical_dialogue_system", output, told)
    hub = samples / "mirror/hub/UCSD26/medical_dialog/data"
    for output, name, read in (("raw", "Chinese", raw_chinese), ("en", "English", raw_english)):
        place = f"medical_dialog/{output}/data/Medical-Dialogue-Dataset-{name}.zip"
        members = zipped(hub / f"Medical-Dialogue-Dataset-{name}.zip")
        run.compare("medical_dialog", output, [each for m, text in members for each in read(text, f"{place}!{m}")])
    ((member, text),) = zipped(hub / "processed-chinese.zip")
    told = prefixed(json.loads(text), f"medical_dialog/sft/data/processed-chinese.zip!{member}")
    run.compare("medical_dialog", "sft", told)
    counts = {corpus: manifest.counts for corpus, manifest in run.manifests.items()}
    assert {name: part["read"] for name, part in counts["medical_dialogue_system"].items()} == {"sft": 18, "en": 38}
    assert counts["medical_dialogue_system"]["sft"]["dropped"] == {"one_sided": 2}
    assert {name: part["read"] for name, part in counts["medical_dialog"].items()} == {"sft": 40, "raw": 18, "en": 38}
    skipped = run.manifests["medical_dialog"].skipped
    assert set(skipped) == {"valid", "test", "covid", "covid_valid", "covid_test"}
    assert "It holds processed-chinese/train_data.json" in skipped["valid"]


@pytest.fixture(scope="module")
def sibling(samples: Path, tmp_path_factory: pytest.TempPathFactory, run_mirror: Callable[..., Any]) -> Any:
    """A run over the sibling corpus of the same authors, whose files have the same layouts and odder rows."""
    folder, mirror = samples / "samples/medical_dialogue_system/sibling_COVID-Dialogue", tmp_path_factory.mktemp("m")
    for place, name in ((RAW_ZH, "*Chinese.txt"), (RAW_EN, "*English.txt"), (PROCESSED, "train_data.json")):
        (mirror / place).mkdir(parents=True)
        (path,) = folder.glob(name)
        shutil.copy(path, mirror / place)
    return folder, run_mirror(["medical_dialogue_system"], mirror, ["medical_dialogue_system.processed"])


def test_several_visits_false_dialogues_and_forms_between_the_turns(sibling: Any) -> None:
    folder, run = sibling
    assert run.failures == {}
    text = text_of(folder / "COVID-Dialogue-Dataset-Chinese.txt")
    told = raw_chinese(text, "medical_dialogue_system/sft/COVID-Dialogue-Dataset-Chinese.txt")
    assert len(told) == text.count("\nDescription\n") == 28
    run.compare("medical_dialogue_system", "sft", told)
    # The oddities are there: more visits than ids, talk that opens twice, rows without any.
    ids = len(re.findall(r"(?m)^id=\d+$", text))
    assert (ids, text.count("\nDialogue\n")) == (20, 33)
    reasons = [reason for reason, _ in told]
    assert (reasons.count(None), reasons.count("one_sided")) == (24, 4)
    records = run.records("medical_dialogue_system", "sft")
    words = "\n".join(str(row) for row in records)
    assert "预约医生" not in words
    assert not re.search("药品： |疾病诊断： ", words)
    assert not re.search(r"(过敏史|既往病史)：.{0,20}（\d{4}-\d\d-\d\d填写", words)
    assert "【慢性疾病】" in words  # what the patient answers there is part of the question


def test_english_rows_with_one_id_and_bare_carriage_returns(sibling: Any) -> None:
    folder, run = sibling
    text = text_of(folder / "COVID-Dialogue-Dataset-English.txt")
    assert len(re.findall("(?m)^id=18$", text)) == 2
    told = raw_english(text, "medical_dialogue_system/en/COVID-Dialogue-Dataset-English.txt")
    assert len(told) == 23
    assert any("\r" in row["output"] for _, row in told)
    run.compare("medical_dialogue_system", "en", told)


def test_the_published_split_has_the_talk_of_the_raw_dialogues(sibling: Any) -> None:
    folder, run = sibling
    rows = json.loads(text_of(folder / "train_data.json"))
    run.compare(
        "medical_dialogue_system", "processed", prefixed(rows, "medical_dialogue_system/processed/train_data.json")
    )

    def answers(record: Row) -> str:
        talk = [*(pair[1] for pair in record["history"]), record["output"]]
        return re.sub(r"\W", "", "".join(talk))  # upstream closes each line with a full stop

    ours = {answers(row) for row in run.records("medical_dialogue_system", "sft")}
    theirs = [answers(row) for row in run.records("medical_dialogue_system", "processed")]
    assert sum(each in ours for each in theirs) >= 10  # upstream's own parser made these from the same rows


def test_turns_are_accounted_for(sibling: Any) -> None:
    for output in ("sft", "en", "processed"):
        turns = dict(sibling[1].manifests["medical_dialogue_system"].counts[output]["turns"])
        assert turns.pop("read") == sum(turns.values()) > 40


# Consultations in JSON, pickles and text


def speakers(rows: list[list[Row]], text: str, who: str, place: str) -> Told:
    told = []
    for number, row in enumerate(rows, 1):
        assert {turn[who] for turn in row} <= {"患者", "医生", "Patient", "Patients", "Doctor", "dis", "doc"}
        turns = [("a" if turn[who] in ("医生", "Doctor", "doc") else "u", turn[text]) for turn in row]
        turns = [(role, "" if said == "图片因隐私问题无法显示" else said) for role, said in turns]
        told.append(exchanges(turns, f"{place}#{number}"))
    return told


def test_consultations_with_clinical_findings(samples: Path, run_mirror: Callable[..., Any]) -> None:
    run = run_mirror(["chip_mdcfnpc"], samples / "mirror")
    path = "CHIP-MDCFNPC/CHIP-MDCFNPC_train.jsonl"
    lines = text_of(samples / "mirror/manual/tianchi.aliyun.com/dataset/95414" / path).splitlines()
    rows = [json.loads(line)["dialog_info"] for line in lines]
    assert (len(rows), sum(map(len, rows))) == (9, 207)
    hidden = sum(turn["text"] == "图片因隐私问题无法显示" for row in rows for turn in row)
    run.compare("chip_mdcfnpc", "sft", speakers(rows, "text", "sender", f"chip_mdcfnpc/sft/{path}"))
    turns = run.manifests["chip_mdcfnpc"].counts["sft"]["turns"]
    assert (turns["read"], turns["blank"], hidden) == (207, 3, 3)
    assert all(any(a["sender"] == b["sender"] for a, b in pairwise(row)) for row in rows)
    assert set(run.manifests["chip_mdcfnpc"].skipped) == {"held"}


def test_three_layouts_of_one_set_of_dialogues(samples: Path, tmp_path: Path, run_mirror: Callable[..., Any]) -> None:
    shutil.copytree(samples / "mirror/manual/tianchi.aliyun.com", tmp_path / "manual/tianchi.aliyun.com")
    shutil.copytree(samples / "mirror/github/lwgkzl", tmp_path / "github/lwgkzl")
    shutil.copytree(samples / "samples/meddg_reconstructed/MedDG", tmp_path / CHUNYU / "MedDG")
    run = run_mirror(["meddg"], tmp_path)
    assert run.failures == {}
    rows = json.loads(text_of(tmp_path / "manual/tianchi.aliyun.com/dataset/95414/MedDG/MedDG_train.json"))
    run.compare("meddg", "sft", speakers(rows, "Sentence", "id", "meddg/sft/MedDG/MedDG_train.json"))
    text = text_of(tmp_path / CHUNYU / "MedDG/data/read/train.txt")
    blocks = [part.split("\n")[1:] for part in ("\n" + text).split("\ndialog ")[1:]]
    read = [[json.loads(line) for line in block if line.strip()] for block in blocks]
    run.compare("meddg", "text", speakers(read, "Sentence", "id", "meddg/text/MedDG/data/read/train.txt"))
    data = (tmp_path / "github/lwgkzl/MedDG/MedDG/data/0831/dev.pk").read_bytes()
    held = pickle.loads(data)  # noqa: S301  the sample beside the project, not a download
    run.compare("meddg", "old", speakers(held, "sentence", "id", "meddg/old/MedDG/data/0831/dev.pk"))
    assert (len(held), len(held[0])) == (1, 49)
    assert run.manifests["meddg"].counts["old"]["turns"]["read"] == 49
    tags = [{turn["id"] for dialogue in part for turn in dialogue} for part in (rows, read, held)]
    assert tags == [{"Patient", "Doctor"}, {"Patients", "Doctor"}, {"dis", "doc"}]
    assert set(run.manifests["meddg"].skipped) == {"dev", "test", "text_held"}


def test_a_table_without_header_or_quotes(samples: Path, run_mirror: Callable[..., Any]) -> None:
    run = run_mirror(["webmedqa"], samples / "mirror", ["webmedqa.rw"])
    ((member, text),) = zipped(samples / "mirror/github/hejunqing/webMedQA/train.zip")
    rows = [line.split("\t", 4) for line in text.removesuffix("\n").split("\n")]
    place = f"train.zip!{member}"
    told: Told = []
    paired: Told = []
    for number, (_, label, key, question, answer) in enumerate(rows, 1):
        other = next((row[4] for row in rows if row[2] == key and row[1] == "0"), None)
        shown: Row = {"instruction": question, "input": "", "history": []}
        left = "where" if label != "1" else None
        told.append((left, {**shown, "output": answer, "id": f"webmedqa/sft/{place}#{number}"}))
        both = {"output": [answer, other], "chosen": answer, "rejected": other}
        paired.append(
            (left or (None if other else "no_other"), {**shown, **both, "id": f"webmedqa/rw/{place}#{number}"})
        )
    run.compare("webmedqa", "sft", told)
    run.compare("webmedqa", "rw", paired)
    assert run.manifests["webmedqa"].counts["sft"]["dropped"] == {"where": 4}
    assert run.manifests["webmedqa"].counts["rw"]["dropped"] == {"where": 4, "no_other": 1}
    assert set(run.manifests["webmedqa"].skipped) == {"held"}


def test_a_pointer_in_place_of_a_zip_is_refused(samples: Path, tmp_path: Path, run_mirror: Callable[..., Any]) -> None:
    folder = tmp_path / "github/hejunqing/webMedQA"
    folder.mkdir(parents=True)
    shutil.copy(samples / "samples/webmedqa/train.zip", folder)
    run = run_mirror(["webmedqa"], tmp_path)
    assert set(run.manifests) == set()
    assert "pointer" in run.failures["webmedqa"]
    assert "train.zip" in run.failures["webmedqa"]


# Books


def chapters(text: str) -> list[tuple[str, str, str]]:
    """(title, text before 属性： or 内容：, text after) of each <篇名>, and of what stands before the first."""
    found = [["", [], [], False]]
    for line in text.split("\n"):
        line = line.removesuffix("\r")
        if line.strip().startswith("<篇名>"):
            found.append([line.strip().removeprefix("<篇名>"), [], [], False])
        elif re.match("书名：|<目录>", line):
            found[-1][3] = True  # a header, or the path of the next chapter, to the end or to 属性：
        elif match := re.match("(属性|内容)：", line):
            found[-1][2].append(line[match.end() :])
            found[-1][3] = None
        elif found[-1][3] is not True:
            found[-1][2 if found[-1][3] is None else 1].append(line)
    return [(title, "\n".join(before).strip(), "\n".join(body).strip()) for title, before, body, _ in found]


def test_books_in_gb18030(samples: Path, run_mirror: Callable[..., Any]) -> None:
    run = run_mirror(["zysj"], samples / "mirror")
    assert run.failures == {}
    told: dict[str, Told] = {"pt": [], "plain": []}
    paths = sorted((samples / "mirror/github/xiaopangxia/TCM-Ancient-Books").glob("*.txt"))
    for path in paths:
        text = path.read_bytes().decode("gb18030")
        marks = re.findall(r"(?m)^\s*(<篇名>|<目录>)", text)
        found = chapters(text)
        # What stands before the first title is a row where it is not blank: a path alone, or a whole book.
        found = found if marks[:1] != ["<篇名>"] else found[1:]
        for number, (title, before, body) in enumerate(found, 1):
            for output, part in (("pt", body), ("plain", before)):
                record = {"text": "\n".join(filter(None, [title.strip(), part]))}
                told[output].append((None if part else "where", record | {"id": f"zysj/{output}/{path.name}#{number}"}))
    run.compare("zysj", "pt", told["pt"])
    run.compare("zysj", "plain", told["plain"])
    assert len(paths) == 9
    kept = {name: part["kept"] for name, part in run.manifests["zysj"].counts.items()}
    assert kept == {"pt": 297, "plain": 1}
    assert set(run.manifests["zysj"].skipped) == {"pages"}
    records = run.records("zysj", "pt")
    assert not any(re.search("<篇名>|<目录>|^(属性|内容)：", row["text"], re.MULTILINE) for row in records)
    assert any("\\x" in row["text"] for row in records)  # left to the cleaning


def test_books_are_cleaned_of_wraps_and_marks(samples: Path, run_mirror: Callable[..., Any]) -> None:
    run = run_mirror(["zysj"], samples / "mirror", stage="clean")
    records = run.records("zysj", "pt") + run.records("zysj", "plain")
    assert len(records) == 298
    assert not any("\\x" in row["text"] for row in records)
    counts = run.manifests["zysj"].counts["pt"]
    lines = [line for row in records for line in row["text"].split("\n")]
    open_lines = [line for line in lines if len(line) >= 20 and re.search(r"[\u4e00-\u9fff，、]$", line)]
    assert len(open_lines) < len(lines) / 10, counts


class Sections(HTMLParser):
    """Title and paragraphs of each section, by Python's own parser."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[list[str], list[str]]] = []
        self._into: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if ("class", "section") in attrs:
            self.found.append(([], []))
        if tag in ("h1", "h2", "h3", "p") and self.found:
            self._into = self.found[-1][0 if tag != "p" else 1]
            self._into.append("")

    def handle_endtag(self, tag: str) -> None:
        self._into = None if tag in ("h1", "h2", "h3", "p") else self._into

    def handle_data(self, data: str) -> None:
        if self._into is not None:
            self._into[-1] += data


def test_pages_of_the_site_as_described(samples: Path, tmp_path: Path, run_mirror: Callable[..., Any]) -> None:
    shutil.copytree(samples / "invented/zysj/lilunshuji", tmp_path / "web/www.zysj.com.cn/lilunshuji")
    run = run_mirror(["zysj"], tmp_path)
    (path,) = tmp_path.rglob("quanben.html")
    parser = Sections()
    parser.feed(text_of(path))
    told: Told = []
    for number, (title, paragraphs) in enumerate(parser.found, 1):
        source = f"zysj/pages/lilunshuji/ceshiyishu/quanben.html#{number}"
        told.append((None if paragraphs else "where", {"text": "\n".join([*title, *paragraphs]), "id": source}))
    run.compare("zysj", "pages", told)
    assert [reason for reason, _ in told] == ["where", "where", None, None]


# Layouts that nobody has described for certain


def test_a_record_in_each_file_of_a_zip(samples: Path, tmp_path: Path, run_mirror: Callable[..., Any]) -> None:
    folder = tmp_path / "hub/BillGPT/Chinese-medical-dialogue-data"
    folder.mkdir(parents=True)
    shutil.copy(samples / "invented/billgpt_dialogue/外科.zip", folder)
    run = run_mirror(["billgpt_dialogue"], tmp_path)
    with zipfile.ZipFile(folder / "外科.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.startswith("外科/"))
        texts = [json.loads(archive.read(name))["input"] for name in names]
    told: Told = []
    for name, text in zip(names, texts, strict=True):
        asked, answered = re.fullmatch("患者:(.*) 医生:(.*)", text, re.DOTALL).groups()
        told.append(exchanges([("u", asked), ("a", answered)], f"billgpt_dialogue/sft/外科.zip!{name}#1"))
    run.compare("billgpt_dialogue", "sft", told)
    assert len(told) == 3
    assert "外科/0.json" in run.manifests["billgpt_dialogue"].skipped["table"]


def test_a_table_as_its_kin_has_it(samples: Path, tmp_path: Path, run_mirror: Callable[..., Any]) -> None:
    path = samples / "samples/related/bianque/data/cMedialog_example.csv"
    (tmp_path / CMCQA).mkdir(parents=True)
    with zipfile.ZipFile(tmp_path / CMCQA / "CMCQA.zip", "w") as archive:
        archive.write(path, "CMCQA/train.csv")
        archive.writestr("CMCQA/readme.txt", "-")
    run = run_mirror(["cmcqa"], tmp_path)
    told: Told = []
    for number, row in enumerate(csv.DictReader(io.StringIO(text_of(path), newline="")), 1):
        match = re.fullmatch(r"病人：(.*?)\\n医生：", row["input"], re.DOTALL)
        asked = match[1] if match and match[1].strip() != "无" else ""
        answer = "" if row["target"].strip() == "无" else row["target"]
        blank = "blank_output" if not answer.strip() else None
        reason = "blank_instruction" if match and not asked.strip() else blank
        record = {"instruction": asked, "input": "", "output": answer, "history": []}
        told.append((reason if match else "no_match", record | {"id": f"cmcqa/sft/CMCQA.zip!CMCQA/train.csv#{number}"}))
    assert len(told) == 128
    run.compare("cmcqa", "sft", told)
    assert set(run.manifests["cmcqa"].skipped) == {"turns"}


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("CMCQA/data.txt", "问 答", ["no member of CMCQA.zip fits '**/*.csv'", "It holds CMCQA/data.txt"]),
        ("CMCQA/a.csv", "问,答\n一,二\n", ["no column '", "The file has: 答, 问"]),
        ("CMCQA/a.json", '[{"问": "一", "答": "二"}]', ["'_value' is no list"]),
    ],
)
def test_a_layout_that_is_none_of_those_is_refused(
    name: str, text: str, told: list[str], tmp_path: Path, run_mirror: Callable[..., Any]
) -> None:
    (tmp_path / CMCQA).mkdir(parents=True)
    with zipfile.ZipFile(tmp_path / CMCQA / "CMCQA.zip", "w") as archive:
        archive.writestr(name, text)
    run = run_mirror(["cmcqa"], tmp_path)
    assert set(run.manifests) == set()
    assert [part for part in told if part not in run.failures["cmcqa"]] == [], run.failures
