"""The section in Chinese: the same counts, licences, limits and masked values as above it."""

from dataclasses import replace


def read_section(read_body, folder):
    return read_body(folder).split("\n## 中文说明\n")[1]


def test_it_says_what_the_english_text_says(folder, read_body):
    section = read_section(read_body, folder)
    assert "共 31 条记录（预训练文本、问答、偏好对比、评测题），来自 2 个公开语料" in section
    assert "| `one` | 19 | MIT | 可商用 | 可以 |" in section
    assert section.count("| 不明 | **不可** |") == 1
    assert "其中 `---` 的许可用途不明。" in section
    assert "已对照：`---`、`own.jsonl:q`。" in section
    assert "因而未比对的评测集：`cmb`。" in section
    assert "- 个人信息已换为类别标签（如 `[PHONE]`）。" in section
    assert "- 已遮盖：电子邮箱 2 处、手机号 1,234 处。" in section
    assert "校验和" not in section


def test_what_is_not_known_to_be_so_is_not_said(make_release, manifest, read_body):
    bare = replace(manifest, parameters={}, sources={}, funnel={}, verified=False, private={"phone": 3})
    section = read_section(read_body, make_release(manifest=bare))
    assert "| `one` | 19 |  |  |  |" in section
    assert "**手头没有任何评测集**" in section
    assert "**并非所有原始文件都与登记的校验和相符。**" in section
    assert "- 发布前再次检索时发现：手机号 3 处。" in section
    assert "已遮盖" not in section
