"""Texts at upstream's size: transcripts and old books in blocks, pages, Word files, lines."""

import gzip
import html
import random
import zipfile
from collections import Counter
from pathlib import Path

from phrases import ACT, ANSWERS, ASK, QUESTIONS
from plants import PERIOD, Case, Expected, Odd, at, draw, expect, odd, plant, scaled

YEARS = range(2010, 2021)


def make_meddialog(mirror: Path, scale: float) -> Expected:
    """Eleven years of transcripts, in the older and the newer layout; one in twenty has no dialogue."""
    seen: Counter[str] = Counter()
    silent = odd("id=@N@\nhttps://example.com/@N@\n\nDescription\n预约医生： 某某\n\n", "one_sided")
    odds = [*_transcript_odds(), *[silent] * 95]
    for year in YEARS:
        good = _transcripts(OLDER, year, 3, 11) if year < 2016 else _transcripts(NEWER, year, 6, 20)
        path = at(mirror, f"drive/1r09_i8nJ9c1nliXVGXwSqRYqklcHd9e2/Medical-Dialogue-Dataset-Chinese/{year}.txt")
        with path.open("wb") as stream:
            stream.write(b"\n")
            seen += plant(stream, scaled(1_921_127 // len(YEARS), scale), good, odds, first=1)
    return {"sft": expect(seen)}


OLDER = """id=@N@
https://www.example.com/wenda/@N@.htm

Doctor faculty
某市医院 骨科

Description
疾病：
落枕\N{SPACE}
病情描述（发病时间、主要症状、就诊医院等）：
{ill}
曾经治疗情况和效果：
{tried}
想得到怎样的帮助：
{help}

Dialogue
{turns}
"""

NEWER = """id=@N@
https://www.example.com/flow/@N@.htm

Description
疾病： 感冒
病情描述： {ill}
希望获得的帮助：\N{SPACE}
{help}
患病多久： 一周内
过敏史： 无（2020-03-01填写）

Dialogue
病人：
【慢性疾病】：鼻炎（2020-03-01填写）
既往病史： 无（2020-03-01填写）

Dialogue
{turns}
Diagnosis and suggestions
总结建议： {tried}

"""


def _transcripts(layout: str, seed: int, least: int, most: int) -> list[bytes]:
    """Dialogues in one of the layouts, of `least` to `most` turns."""
    ill, wish = draw(QUESTIONS, PERIOD, seed, 5), draw(ASK, PERIOD, seed + 1, 2)
    said, made = draw(ANSWERS, PERIOD * most, seed + 2, 2), []
    for number in range(PERIOD):
        turns = _spoken(said[number * most : number * most + least + number % (most - least + 1)])
        text = layout.format(ill=ill[number], help=wish[number], tried=said[number], turns=turns)
        made.append(text.encode())
    return made


def _spoken(texts: list[str]) -> str:
    return "".join(f"{('医生', '病人')[place % 2]}：\n{text}\n" for place, text in enumerate(texts))


def _transcript_odds() -> list[Odd]:
    head = "id=@N@\nhttps://example.com/@N@\n\nDescription\n疾病： 感冒\n病情描述： 流涕\n希望获得的帮助： 吃啥\n\n"
    again = "Description\n疾病： 感冒\n病情描述： 未填写\n希望获得的帮助： 还要复查吗\n\nDialogue\n医生：\n不用。\n\n"
    return [
        odd(f"{head}Dialogue\n医生：\n多休息。\n\nDialogue\n预约医生： 某某\n\n{again}", "", ""),  # a second visit
        odd(f"{head}Dialogue\n病人：\n在吗\n病人：\n真情寄语：\n\n", "one_sided"),
        odd(f"{head}Dialogue\n医生：\n坏字节".encode() + b"\xff\n\n", "bad_encoding"),
    ]


BOOKS, CHAPTERS, MODERN = range(1, 702), 223, {48, 80, 699, 700}


def make_zysj(mirror: Path, scale: float) -> Expected:
    """701 old books in GB18030, one in ten without marks, one with two bad bytes; and 800 books as pages of a site."""
    numbers = sorted({48, 203, *BOOKS[:: round(1 / scale)]})
    pt: Counter[str] = Counter()
    plain: Counter[str] = Counter()
    for number in numbers:
        path = at(mirror, f"github/xiaopangxia/TCM-Ancient-Books/{number:03}-试药录.txt")
        if number % 10 == 5:
            path.write_bytes(_wrapped(number, 60).encode("gb18030"))
            pt["where"] += 1
            plain["" if number not in MODERN else "unless"] += 1
            continue
        bad = 2 if number == 203 else 0
        head = "<篇名>试药录\n书名：试药录\n作者：某甲  \n朝代：\n年份：\n".encode("gb18030")
        chapters = [_chapter(number, place) for place in range(CHAPTERS)]
        chapters[:bad] = [text.replace("性".encode("gb18030"), b"\xff", 1) for text in chapters[:bad]]
        path.write_bytes(head + b"".join(chapters))
        pt += Counter({"bad_encoding": bad, "where": 1, "unless" if number in MODERN else "": CHAPTERS - bad})
        plain += Counter({"bad_encoding": bad, "where": 1 + CHAPTERS - bad})
    return {"pt": expect(pt), "plain": expect(plain), "pages": expect(_write_pages(mirror, scaled(800, scale)))}


def _chapter(book: int, place: int) -> bytes:
    mark = "属性" if place % 3 else "内容"
    head = f"\n\n\n<目录>卷{place // 20}\n\n<篇名>药{place}\n\n{mark}：\\x《某书》卷二\\x \n"
    return f"{head}味辛∶性凉。{_wrapped(book * 1_000 + place, 12)}".encode("gb18030")


def _wrapped(seed: int, sentences: int) -> str:
    """Text broken in mid-sentence as printed books were, each line with a space at its end."""
    text = "".join(random.Random(seed).choices(ANSWERS, k=sentences))  # noqa: S311 - no secret
    return "".join(f"{text[start : start + 40]} \n" for start in range(0, len(text), 40))


def _write_pages(mirror: Path, books: int) -> Counter[str]:
    sections = 60
    for book in range(books):
        texts = draw(ANSWERS, sections, book, 12)
        parts = [
            f'<div class="section"><h3 class="title">第{place}节 <b>总说</b></h3><p>{text[:150]}\n{text[150:]}</p>'
            f"<p>亦有<em>五味</em>。<br>各有所宜。</p></div>\n"
            for place, text in enumerate(texts)
        ]
        page = (
            '<html><head><title>试药录</title><script>var a = "<p>";</script></head><body><div id="menu">首页</div>'
            '<div id="content"><div class="section"><h1 class="title">试药录</h1></div>'
            f"{''.join(parts)}</div></body></html>"
        )
        at(mirror, f"web/www.zysj.com.cn/lilunshuji/shiyao{book}/quanben.html").write_text(page, encoding="utf-8")
    return Counter({"": sections * books, "where": books})


WORD = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?><w:document '
    'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"><w:body>{}</w:body></w:document>'
)


def make_docx(mirror: Path, scale: float) -> Expected:
    """117 guidelines and 29 textbooks as Word files, with tables, pictures, and text boxes that stand twice."""
    picture = random.Random(0).randbytes(400_000)  # noqa: S311 - no secret
    documents = [("指南", 300)] * scaled(117, scale) + [("书籍", 20_000)] * scaled(29, scale)
    for number, (folder, paragraphs) in enumerate(documents):
        path = at(mirror, f"github/X-jun-0130/LLM-Pretrain-FineTune/data_pretrain/{folder}/{number}.docx")
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as box:
            box.writestr("word/document.xml", WORD.format("".join(_paragraphs(number, paragraphs))))
            box.writestr("word/media/image1.png", picture)
    return {"pt": expect(Counter({"": len(documents)}))}


def _paragraphs(seed: int, count: int) -> list[str]:
    cell = "<w:tc><w:p><w:r><w:t>{}</w:t></w:r></w:p></w:tc>"
    twice = "<mc:Choice><w:p>{0}</w:p></mc:Choice><mc:Fallback><w:p>{0}</w:p></mc:Fallback>"
    box = f"<mc:AlternateContent>{twice}</mc:AlternateContent>"
    made = []
    for place, text in enumerate(draw(ANSWERS, count, seed, 2)):
        run = f"<w:r><w:t>{html.escape(text[:30])}</w:t></w:r><w:r><w:t> {text[30:]}</w:t></w:r>"
        if place % 50 == 1:
            made.append(f"<w:tbl><w:tr>{''.join(cell.format(act) for act in ACT[:4])}</w:tr></w:tbl>")
        elif place % 50 == 2:
            made.append(f"<w:p>{box.format(run)}</w:p>")
        else:
            made.append(f"<w:p><w:pPr><w:tabs/></w:pPr>{run}</w:p>")
    return made


def make_fever(mirror: Path, scale: float) -> Expected:
    """996 lines of a book, eleven of them blank."""
    lines = [f"　　{text}\n".encode() for text in draw(ANSWERS, 985, 31, 3)]
    rows, blank = scaled(996, scale), scaled(11, scale)
    with at(mirror, "github/shibing624/MedicalGPT/data/pretrain/fever.txt").open("wb") as stream:
        return {"pt": expect(plant(stream, rows, lines, [odd("\n", "blank_text")] * blank))}


def make_lines(mirror: Path, scale: float) -> Expected:
    """A million lines in a gzip file, some blank, some with a bad byte."""
    lines = [f"{text}\r\n".encode() for text in draw(ANSWERS, PERIOD, 32, 3)]
    odds = [odd("　\n", "blank_text"), odd("坏字节".encode() + b"\xff\n", "bad_encoding")]
    with gzip.open(at(mirror, "manual/example.com/bench_lines/rows.gz"), "wb", compresslevel=1) as stream:
        return {"pt": expect(plant(stream, scaled(1_000_000, scale), lines, odds))}


CASES = {
    "medical_dialogue_system": Case("blocks, transcripts", make_meddialog),
    "zysj": Case("blocks in GB18030; html", make_zysj),
    "llm_pretrain_finetune_pt": Case("docx", make_docx),
    "medicalgpt_pt": Case("lines", make_fever),
    "bench_lines": Case("lines in gzip", make_lines, "lines"),
}
