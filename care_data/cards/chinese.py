"""The card's section in Chinese: summary, licences, limits, privacy."""

from collections.abc import Sequence

from care_data.cards.body import count_masked, count_records
from care_data.cards.markdown import bullets, code, escape, table
from care_data.cards.settings import list_benchmarks, list_values, name_privacy, tell_modes
from care_data.configs import Config
from care_data.store import Manifest

USE = {"commercial": "可商用", "research": "限研究", "unclear": "不明"}
FORMATS = {"pt": "预训练文本", "sft": "问答", "rw": "偏好对比", "eval": "评测题"}
PRIVATE = {
    "url": "链接", "email": "电子邮箱", "phone": "手机号", "landline": "座机", "id_card": "身份证号",
    "wechat": "微信号", "qq": "QQ 号", "record_number": "病历号等", "address": "地址", "doctor": "医生姓名",
}  # fmt: skip


def write_chinese(manifest: Manifest, configs: Sequence[Config]) -> str:
    """The Markdown of the section."""
    rows = sum(config.rows for config in configs)
    corpora = count_records(configs)
    held = {config.care["format"] for config in configs}
    formats = "、".join(word for each, word in FORMATS.items() if each in held)
    lead = (
        f"用于训练和评测语言模型的医疗文本，共 {rows:,} 条记录（{formats}），来自 {len(corpora)} 个公开语料，"
        f"经 `care-data` {escape(manifest.version)} 清洗、去重，每一条都有账可查："
        "读入 = 保留 + 按原因删去。各阶段的数目与设置见上文英文部分及 `manifest.json`。\n\n"
        "**不构成医疗建议**：文中内容未经医学审核。"
    )
    parts = {
        "语料与许可": _show_corpora(manifest, corpora),
        "已知局限": bullets(_tell_limits(manifest)),
        "个人信息": bullets(_tell_privacy(manifest)),
    }
    return f"## 中文说明\n\n{lead}\n" + "".join(f"\n### {title}\n\n{text}\n" for title, text in parts.items())


def _show_corpora(manifest: Manifest, corpora: dict[str, int]) -> str:
    rows: list[list[str | int]] = []
    for corpus, records in corpora.items():
        terms = manifest.sources.get(corpus, {}).get("license", {})
        told = "；".join(escape(text) for text in (terms.get("id", ""), terms.get("terms", "")) if text)
        passed = ("可以" if terms["redistribute"] else "**不可**") if terms else ""
        rows.append([code(corpus), records, told, USE[terms["use"]] if terms else "", passed])
    note = "各语料保留各自的许可，每条记录的 `license` 一栏都有注明。“不明”指没有任何有权许可的人表示过许可。"
    return f"{table(['语料', '记录数', '许可', '用途', '可否再发布'], rows)}\n\n{note}"


def _tell_limits(manifest: Manifest) -> list[str]:
    missing = sorted({name for names in list_values(manifest, "decontaminate", "missing") for name in names})
    checked = list_benchmarks(manifest)
    unclear = [name for name, source in sorted(manifest.sources.items()) if source["license"]["use"] == "unclear"]
    return [
        "回答未经核实，可能有误、过时甚至有害；部分语料由语言模型生成。",
        "过滤只看形式（空白、截断、重复、广告），不辨真伪。",
        "去重比较的是字符而非含义，改写和翻译不会被发现。",
        (
            f"去污染只能发现原样或大段引用的评测题，已对照：{'、'.join(map(code, checked))}。"
            if checked
            else "**手头没有任何评测集**，因此未做比对。"
        ),
        f"已知但手头没有、因而未比对的评测集：{'、'.join(map(code, missing))}。" if missing else "",
        "许可与条款依 `care-data` 登记表的理解，不是法律意见"
        + (f"；其中 {'、'.join(map(code, unclear))} 的许可用途不明。" if unclear else "。"),
        "" if manifest.verified else "**并非所有原始文件都与登记的校验和相符。**",
    ]


def _tell_privacy(manifest: Manifest) -> list[str]:
    done = {
        "mask": "个人信息已换为类别标签（如 `[PHONE]`）",
        "drop": "含个人信息的记录已整条删去（原因 `private`）",
        "keep": "**个人信息保持上游原样，未作处理**",
    }
    modes = name_privacy(manifest)
    lines = tell_modes(modes, done, ("：", "、", "。"))
    for label, counts in (("已遮盖", count_masked(manifest)), ("发布前再次检索时发现", manifest.private)):
        told = "、".join(f"{PRIVATE.get(kind, code(kind))} {count:,} 处" for kind, count in sorted(counts.items()))
        lines += [f"{label}：{told}。"] if told else []
    people = "患者与亲属姓名" if "names" in modes else "人名（包括医生姓名）"
    return [
        *lines,
        f"未查找：{people}、日期、年龄、职业、医院与地点，以及不提姓名也能认出本人的病史；写法特殊的号码可能遗漏。",
        "请勿试图辨认文中的人；如认出某人，请告知该语料的作者。",
    ]
