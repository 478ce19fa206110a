"""Word files: every paragraph once and in order, a table row a line, and nothing of what is not the text."""

import io
import zipfile
from typing import Any

import pytest

from care_data.errors import CareError, Exit

SPACES = (
    'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" '
    'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math" '
    'xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape" '
    'xmlns:v="urn:schemas-microsoft-com:vml"'
)


def pack(body: str, name: str = "word/document.xml", head: str = '<?xml version="1.0" encoding="UTF-8"?>') -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr(name, f"{head}<w:document {SPACES}><w:body>{body}</w:body></w:document>")
    return packed.getvalue()


def p(*parts: str) -> str:
    return (
        "<w:p>"
        + "".join(part if part.startswith("<") else f"<w:r><w:t>{part}</w:t></w:r>" for part in parts)
        + "</w:p>"
    )


def row(*cells: str) -> str:
    return "<w:tr>" + "".join(f"<w:tc>{cell}</w:tc>" for cell in cells) + "</w:tr>"


@pytest.fixture
def text_of(read_bytes: Any) -> Any:
    return lambda body: read_bytes(pack(body), "docx", "text").rows[0]["text"]


def test_a_document_is_a_row_with_its_title(read_bytes: Any) -> None:
    found = read_bytes(pack(p(" ") + p("  发热指南 ") + p("一、概述") + p()), "docx", "title", "text")
    assert found.rows == [{"title": "发热指南", "text": " \n  发热指南 \n一、概述\n"}]
    assert found.numbers == [1]
    assert found.names == {"title", "text"}


def test_a_document_without_text_is_a_row_without(read_bytes: Any) -> None:
    assert read_bytes(pack(p()), "docx", "title", "text").rows == [{"title": None, "text": ""}]


def test_runs_join_and_signs_stay(text_of: Any) -> None:
    body = p(
        "服药",
        "三",
        "<w:r><w:tab/><w:t>次</w:t><w:br/><w:t xml:space='preserve'> 饭后 </w:t></w:r>",
        "&lt;38℃ &amp; 无汗",
    )
    assert text_of(body) == "服药三\t次\n 饭后 <38℃ & 无汗"
    assert text_of(p("<w:r><w:t>β</w:t><w:noBreakHyphen/><w:t>受体</w:t></w:r>")) == "β-受体"
    assert text_of(p("剂量", "<m:oMath><m:r><m:t>5x</m:t></m:r></m:oMath>", "毫克")) == "剂量5x毫克"


def test_what_only_says_how_it_looks_is_no_text(text_of: Any) -> None:
    looks = "<w:pPr><w:tabs><w:tab w:val='left' w:pos='720'/><w:tab w:val='left' w:pos='1440'/></w:tabs></w:pPr>"
    assert text_of(f"<w:p>{looks}<w:r><w:t>总则</w:t><w:tab/><w:t>1</w:t></w:r></w:p>") == "总则\t1"


def test_changes_are_taken_as_made(text_of: Any) -> None:
    gone = "<w:del><w:r><w:delText>停药。</w:delText></w:r></w:del>"
    come = "<w:ins><w:r><w:t>减量。</w:t></w:r></w:ins>"
    moved = "<w:moveFrom><w:r><w:t>两周后复查。</w:t></w:r></w:moveFrom>"
    assert text_of(p("好转后", gone, come, moved) + p("<w:moveTo><w:r><w:t>两周后复查。</w:t></w:r></w:moveTo>")) == (
        "好转后减量。\n两周后复查。"
    )


def test_a_field_is_its_result(text_of: Any) -> None:
    field = "<w:r><w:instrText>PAGEREF _Toc1</w:instrText></w:r><w:hyperlink><w:r><w:t>附录</w:t></w:r></w:hyperlink>"
    assert text_of(p("见", field)) == "见附录"


def test_a_text_box_stands_once_after_its_paragraph(text_of: Any) -> None:
    box = p("框内一") + p("框内二")
    both = (
        f"<w:r><mc:AlternateContent><mc:Choice><wps:txbx><w:txbxContent>{box}</w:txbxContent></wps:txbx></mc:Choice>"
        f"<mc:Fallback><v:textbox><w:txbxContent>{box}</w:txbxContent></v:textbox></mc:Fallback></mc:AlternateContent></w:r>"
    )
    assert text_of(p("前半，", both, "后半。") + p("下一段")) == "前半，后半。\n框内一\n框内二\n下一段"


def test_a_table_row_is_a_line(text_of: Any) -> None:
    table = (
        "<w:tbl>" + row(p("药名"), p("剂量"), p()) + row(p(), p("5"), p("早") + p("晚")) + row(p(), p()) + "</w:tbl>"
    )
    assert text_of(p("表1") + table + p("注")) == "表1\n药名 | 剂量\n | 5 | 早 晚\n\n注"


def test_tables_in_tables_and_controls_lose_nothing(text_of: Any) -> None:
    inner = "<w:tbl>" + row(p("甲"), p("乙")) + row(p("丙"), p("丁")) + "</w:tbl>"
    controlled = (
        f"<w:tr><w:sdt><w:sdtContent><w:tc>{p('一')}</w:tc></w:sdtContent></w:sdt><w:tc>{p('二')}</w:tc></w:tr>"
    )
    assert text_of(f"<w:tbl>{row(inner + p(), p('右'))}{controlled}</w:tbl>") == "甲 | 乙 丙 | 丁 | 右\n一 | 二"
    assert text_of(f"<w:sdt><w:sdtContent>{p('控件里的段落')}</w:sdtContent></w:sdt>") == "控件里的段落"


def test_footnotes_and_headers_are_other_members(read_bytes: Any) -> None:
    data = io.BytesIO(pack(p("正文")))
    with zipfile.ZipFile(data, "a") as archive:
        archive.writestr("word/header1.xml", f"<w:hdr {SPACES}>{p('页眉')}</w:hdr>")
    assert read_bytes(data.getvalue(), "docx", "text").rows == [{"text": "正文"}]


def broken_deflate() -> bytes:
    data = bytearray(pack(p("正文" * 5000)))
    at = data.index(b"word/document.xml") + 40
    data[at : at + 8] = b"\xff" * 8
    return bytes(data)


DOCTYPE = '<?xml version="1.0"?><!DOCTYPE w [<!ENTITY a "发热"><!ENTITY b "&a;&a;">]>'


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\n", "no whole docx"),  # upstream had such files for a day
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "no whole docx"),  # the format before docx
        (pack(p("正文"))[:-40], "no whole docx"),
        (broken_deflate(), "no whole docx"),
        (pack(p("正文"), name="xl/workbook.xml"), "no whole docx"),
        (pack("<w:p>"), "its XML is broken"),
        (pack(p("&b;"), head=DOCTYPE), "declares a DTD"),
        (pack(p("&b;"), head=DOCTYPE.replace("<!D", " " * 5000 + "<!D")), "declares a DTD"),
        (pack("<w:p><w:r>" * 3000 + "</w:r></w:p>" * 3000), "nested too deeply"),
    ],
    ids=["newline", "doc", "cut", "damaged", "xlsx", "open tag", "dtd", "late dtd", "deep"],
)
def test_what_is_no_document_is_refused(data: bytes, says: str, read_bytes: Any) -> None:
    with pytest.raises(CareError, match=says) as caught:
        read_bytes(data, "docx", "text")
    assert caught.value.code == Exit.INTEGRITY


def test_a_document_in_utf_16_is_refused(read_bytes: Any) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        xml = f'<?xml version="1.0" encoding="UTF-16"?><w:document {SPACES}>{p("正文")}</w:document>'
        archive.writestr("word/document.xml", xml.encode("utf-16"))
    with pytest.raises(CareError, match="DTD"):
        read_bytes(packed.getvalue(), "docx", "text")


def test_a_bomb_is_refused_unread(read_bytes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("care_data.readers.documents.MAX_XML", 1000)
    with pytest.raises(CareError, match="too large") as caught:
        read_bytes(pack(p("发" * 2000)), "docx", "text")
    assert caught.value.code == Exit.LIMIT
