"""Tables at upstream's size: csv of six departments, csv that is badly quoted, tsv and csv in zips, parquet."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import polars as pl
from phrases import ANSWERS, ASK, QUESTIONS
from plants import PERIOD, Case, Expected, Odd, at, draw, expect, odd, plant, scaled, zipped

TOYHOM = "github/Toyhom/Chinese-medical-dialogue-data/Data_数据"
DEPARTMENTS = {
    "Andriatria_男科/男科5-13000.csv": 94_596,
    "IM_内科/内科5000-33000.csv": 220_606,
    "OAGD_妇产科/妇产科6-28000.csv": 183_751,
    "Oncology_肿瘤科/肿瘤科5-10000.csv": 75_553,
    "Pediatric_儿科/儿科5-14000.csv": 101_602,
    "Surgical_外科/外科5-14000.csv": 115_991,
}


def make_toyhom(mirror: Path, scale: float) -> Expected:
    """Six CSVs in GB18030; one row in eight quoted for its commas, some over many lines, some with a bare quote."""
    seen: Counter[str] = Counter()
    odds = [each for each in _department_odds("gb18030") if len(each.outcomes) == 1]  # so that rows are as stated
    for path, rows in DEPARTMENTS.items():
        with at(mirror, f"{TOYHOM}/{path}").open("wb") as stream:
            stream.write("department,title,ask,answer\n".encode("gb18030"))
            seen += plant(stream, scaled(rows, scale), _department_rows("gb18030"), odds)
    return {"sft": expect(seen)}


def make_broken(mirror: Path, scale: float) -> Expected:
    """A million rows of which a quarter have quotes of all kinds, and one in 250 cannot be read."""
    odds = _department_odds("utf-8")
    good = [each.data for each in odds if not any(each.outcomes)] * 40 + _department_rows("utf-8", quoted_every=5)
    with at(mirror, "manual/example.com/bench_broken_csv/rows.csv").open("wb") as stream:
        stream.write(b"department,title,ask,answer\n")
        bad = [each for each in odds if any(each.outcomes)]
        return {"sft": expect(plant(stream, scaled(1_000_000, scale), good, bad * 2))}


def _department_rows(encoding: str, quoted_every: int = 8) -> list[bytes]:
    rows = []
    for number, (title, ask, answer) in enumerate(
        zip(draw(ASK, PERIOD, 1), draw(QUESTIONS, PERIOD, 2, 2), draw(ANSWERS, PERIOD, 3, 3), strict=True)
    ):
        text = f"{answer} \u3000"
        if number % quoted_every == 0:
            text = f'"{text.replace("，", ",")}"'
        rows.append(f"内科,{title},{ask},{text}\n".encode(encoding))
    return rows


def _department_odds(encoding: str) -> list[Odd]:
    lines = "\n".join(f"{number}.每天散步半小时,别着凉。" for number in range(1, 36))
    told = [
        ("内科,饭后胃胀怎么缓解？,无,饭后慢走十分钟。\n", ""),
        ('内科,报告写着"小结节要紧吗？,报告说肺上有"小结节,半年后复查一次。\n', ""),
        (f'内科,怎样养胃？,"早上,还是晚上？","{lines}"\n', ""),
        ('内科,标签上写什么？,"写着""外用"",能吃吗？","不能,""外用""的只能涂。"\n', ""),
        ("内科,起疹子了怎么办？,痒得厉害,\n", "blank_output"),
        ("内科,少了一格,只有三格\n", "ragged"),
        ("内科,多了一格,问,答,再答\n", "ragged"),
        ('内科,引号没有关,"这一格从不结束,多休息。\n', "open_quote"),
    ]
    odds = [odd(text, *([reason] if reason else []), encoding=encoding) for text, reason in told]
    closed = '内科,"引号开在这里,痒得厉害,别抓。\n内科,到下一行才又有引号,肿了一圈,先冷敷"\n'
    odds.append(odd(closed, "open_quote", "", encoding=encoding))
    broken = "内科,坏字节,这里有".encode(encoding) + b"\xff" + ",多休息。\n".encode(encoding)
    return [*odds, odd(broken, "bad_encoding")]


def make_webmedqa(mirror: Path, scale: float) -> Expected:
    """Five rows a question, the first one adopted; no header, quotes and tabs are text."""
    folder = "github/hejunqing/webMedQA"
    expected: Expected = {}
    for output, sets in {"sft": {"train": 50_610}, "held": {"valid": 6_337, "test": 6_337}}.items():
        seen: Counter[str] = Counter()
        for name, questions in sets.items():
            with zipped(at(mirror, f"{folder}/{name}.zip"), f"{name}.txt") as stream:
                seen += plant(stream, scaled(questions, scale), *_adopted_rows())
        expected[output] = expect(_five_rows(seen))
    return expected


def _adopted_rows() -> tuple[list[bytes], list[Odd]]:
    asked, said = draw(QUESTIONS, PERIOD, 4, 2), draw(ANSWERS, PERIOD * 5, 5, 3)
    good = []
    for number, question in enumerate(asked):
        answers = said[number * 5 : number * 5 + 5]
        rows = [f'内科\t{int(not place)}\t@N@\t{question}说是"轻伤\t{text}\n' for place, text in enumerate(answers)]
        good.append("".join(rows).encode())
    lost = b"".join(good[0].splitlines(keepends=True)) + "内科\t1\t@N@\t耳鸣怎么办？\n".encode()
    tabbed = good[1].replace("内科\t1".encode(), "外科\t1".encode()).replace(b"\n", "\t两天后热敷。\n".encode(), 1)
    return good, [Odd(lost, ("lost",)), Odd(tabbed)]


def _five_rows(seen: Counter[str]) -> Counter[str]:
    """Outcomes of rows, from those of questions."""
    questions = seen.total()
    return Counter({"": questions, "where": 4 * questions, "ragged": seen["lost"]})


def make_cmedqa2(mirror: Path, scale: float) -> Expected:
    """Questions and answers by id; each positive stands once for each of 50 negatives, and 5 answers are lost."""
    folder = "github/zhangsheng93/cMedQA2"
    questions, answers, held = scaled(120_000, scale), scaled(226_266, scale), scaled(4_000, scale)
    trained, pairs, negatives, lost = scaled(100_000, scale), scaled(188_490, scale), 50, 5
    with zipped(at(mirror, f"{folder}/question.zip"), "question.csv") as stream:
        stream.write(b"question_id,content\n")
        plant(stream, questions, _id_rows("@N@"), [])
    with zipped(at(mirror, f"{folder}/answer.zip"), "answer.csv") as stream:
        stream.write(b"ans_id,question_id,content\n")
        plant(stream, answers, _id_rows("@N@,@N@"), [])
    triples = (
        f"{pair % trained},{pair if pair >= lost else answers + pair},{(pair * 7 + wrong) % answers}\n".encode()
        for pair in range(pairs)
        for wrong in range(negatives)
    )
    with zipped(at(mirror, f"{folder}/train_candidates.zip"), "train_candidates.txt") as stream:
        stream.write(b"question_id,pos_ans_id,neg_ans_id\n")
        stream.writelines(triples)
    positives = 0
    for name, first, total in (("dev", 0, scaled(7_527, scale)), ("test", held, scaled(7_552, scale))):
        with zipped(at(mirror, f"{folder}/{name}_candidates.zip"), f"{name}_candidates.txt") as stream:
            stream.write(b"question_id,ans_id,cnt,label\n")
            stream.writelines(_ranked(first, held, total - held, answers - 1))
        positives += total
    return {
        "sft": expect(Counter({"": pairs - lost, "no_answer": lost, "unique": pairs * (negatives - 1)})),
        "held": expect(Counter({"": positives, "where": held * 200 - positives})),
    }


def _id_rows(ids: str) -> list[bytes]:
    texts = draw(ANSWERS, PERIOD, 6, 2)
    texts[::40] = [f'"{text}\n说明书上写着""外用"",先问医生。"' for text in texts[::40]]
    return [f"{ids},{text}\n".encode() for text in texts]


def _ranked(first: int, questions: int, with_two: int, answers: int) -> Iterator[bytes]:
    """100 candidates for each question, those that are right in front: one, or two for so many questions."""
    for question in range(questions):
        right = 2 if question < with_two else 1
        for place in range(100):
            answer = (first + question) * 100 % answers + place
            yield b"%d,%d,%d,%d\n" % (first + question, answer, place, place < right)


def make_cmcqa(mirror: Path, scale: float) -> Expected:
    """Sessions in a CSV in a zip, all cells quoted and of two lines; the question is cut out of a longer text."""
    asked, said = draw(QUESTIONS, PERIOD, 7, 3), draw(ANSWERS, PERIOD, 8, 4)
    good = [
        f'"病人：{question}\n要紧吗\\n医生：","{answer}","[]","medical_qa"\n'.encode()
        for question, answer in zip(asked, said, strict=True)
    ]
    odds = [
        odd('"病人：无\\n医生：","多运动。","[]","medical_qa"\n', "blank_instruction"),
        odd('"患者：打呼噜","侧着睡。","[]","medical_qa"\n', "no_match"),
        odd('"病人：打呼噜\\n医生：","","[]","medical_qa"\n', "blank_output"),
    ]
    with zipped(at(mirror, "drive/1LgljQk91VeNGn3lCyUZ6Szm3ur-VVqwt/cmcqa.zip"), "cmcqa.csv") as stream:
        stream.write(b'"input","target","answer_choice","type"\n')
        return {"sft": expect(plant(stream, scaled(1_300_000, scale), good, odds))}


def make_parquet(mirror: Path, scale: float) -> Expected:
    """A million rows of two text columns and two others."""
    rows = scaled(1_000_000, scale)
    said = [*draw(ANSWERS, PERIOD - 1, 9, 3), " "]
    number = pl.int_range(rows, eager=True)
    picked = number % PERIOD
    asked = pl.Series(draw(QUESTIONS, PERIOD, 10, 2)).gather(picked)
    frame = pl.DataFrame(
        {"id": number, "question": asked, "score": number / 7, "answer": pl.Series(said).gather(picked)}
    )
    frame = frame.with_columns(  # no two rows alike, as a dictionary would store them once
        pl.format("{}（{}）", "question", "id").alias("question"),
        pl.when(pl.col("answer") != " ")
        .then(pl.format("{}（{}）", "answer", "id"))
        .otherwise("answer")
        .alias("answer"),
    )
    frame.write_parquet(at(mirror, "manual/example.com/bench_parquet/rows.parquet"))
    blank = int((picked == PERIOD - 1).sum())
    return {"sft": expect(Counter({"": rows - blank, "blank_output": blank}))}


CASES = {
    "toyhom_dialogue": Case("csv in GB18030", make_toyhom),
    "bench_broken_csv": Case("csv, badly quoted", make_broken, "csv"),
    "webmedqa": Case("tsv in zips", make_webmedqa),
    "cmedqa2": Case("csv in zips, joined", make_cmedqa2),
    "cmcqa": Case("csv in a zip, parsed", make_cmcqa),
    "bench_parquet": Case("parquet", make_parquet, "parquet"),
}
