"""Citations: every line of the registry as the work it is, the same work once, nothing that breaks a BibTeX file."""

import re

import pytest

from care_data import registry
from care_data.citations import cite_release, cite_source, link_source, list_sources, parse_citation, write_entry

WORKS = {
    "billgpt_dialogue": ("misc", "Toyhom", "Chinese medical dialogue data", "2019", {"howpublished": "GitHub"}),
    "carellama": (
        "misc",
        "Wang and others",
        "CareLlama: Medical LLM, Open Source Driven for a Healthy Future",
        "2023",
        {"howpublished": "GitHub", "url": "https://github.com/WangRongsheng/CareLlama"},
    ),
    "chatmed_consult": (
        "misc",
        "Zhu and Wang",
        "ChatMed: A Chinese Medical Large Language Model",
        "2023",
        {"howpublished": "GitHub", "url": "https://github.com/michael-wzhu/ChatMed"},
    ),
    "chip_mdcfnpc": (
        "inproceedings",
        "Zhang and others",
        "CBLUE: A Chinese Biomedical Language Understanding Evaluation Benchmark",
        "2022",
        {"booktitle": "ACL 2022", "note": "CHIP 2021, task 1"},
    ),
    "cmb": (
        "inproceedings",
        "Wang and others",
        "CMB: A Comprehensive Medical Benchmark in Chinese",
        "2024",
        {"booktitle": "NAACL 2024", "eprint": "2308.08833", "archiveprefix": "arXiv"},
    ),
    "cmcqa": (
        "inproceedings",
        "Xia and others",
        "MedConQA: Medical Conversational Question Answering System based on Knowledge Graphs",
        "2022",
        {"booktitle": "EMNLP 2022: System Demonstrations", "pages": "148-158"},
    ),
    "cmedqa2": (
        "article",
        "Zhang and others",
        "Multi-Scale Attentive Interaction Networks for Chinese Medical Question Answer Selection",
        "2018",
        {"journal": "IEEE Access", "volume": "6", "doi": "10.1109/ACCESS.2018.2883637"},
    ),
    "comparison_gpt4": (
        "misc",
        "Peng and others",
        "Instruction Tuning with GPT-4",
        "2023",
        {"eprint": "2304.03277", "archiveprefix": "arXiv", "url": "https://arxiv.org/abs/2304.03277"},
    ),
    "genmedgpt_5k": (
        "article",
        "Li and others",
        "ChatDoctor: A Medical Chat Model Fine-Tuned on LLaMA Using Medical Domain Knowledge",
        "2023",
        {"journal": "Cureus", "eprint": "2303.14070", "archiveprefix": "arXiv"},
    ),
    "huatuo26m_lite": (
        "misc",
        "Li and others",
        "Huatuo-26M, a Large-scale Chinese Medical QA Dataset",
        "2023",
        {"eprint": "2305.01526", "archiveprefix": "arXiv", "url": "https://arxiv.org/abs/2305.01526"},
    ),
    "huatuogpt_sft_v1": (
        "inproceedings",
        "Zhang and others",
        "HuatuoGPT, Towards Taming Language Models To Be a Doctor",
        "2023",
        {"booktitle": "Findings of EMNLP 2023", "eprint": "2305.15075", "archiveprefix": "arXiv"},
    ),
    "imcs_v2": (
        "article",
        "Chen and others",
        "A Benchmark for Automatic Medical Consultation System: Frameworks, Tasks and Datasets",
        "2022",
        {"journal": "Bioinformatics", "doi": "10.1093/bioinformatics/btac817"},
    ),
    "llm_pretrain_finetune_pt": (
        "misc",
        "X-jun-0130",
        "LLM-Pretrain-FineTune",
        "2023",
        {"howpublished": "GitHub", "url": "https://github.com/X-jun-0130/LLM-Pretrain-FineTune"},
    ),
    "llm_pretrain_finetune_sft": (
        "misc",
        "X-jun-0130 and NLPxiaoxu",
        "LLM-Pretrain-FineTune",
        "2023",
        {"howpublished": "GitHub", "url": "https://github.com/X-jun-0130/LLM-Pretrain-FineTune"},
    ),
    "med_chatglm": (
        "misc",
        "Wang and others",
        "HuaTuo: Tuning LLaMA Model with Chinese Medical Knowledge",
        "2023",
        {"eprint": "2304.06975", "archiveprefix": "arXiv", "url": "https://arxiv.org/abs/2304.06975"},
    ),
    "medalpaca_cord19": (
        "misc",
        "Han and others",
        "MedAlpaca: An Open-Source Collection of Medical Conversational AI Models and Training Data",
        "2023",
        {"eprint": "2304.08247", "archiveprefix": "arXiv", "url": "https://arxiv.org/abs/2304.08247"},
    ),
    "meddg": (
        "inproceedings",
        "Liu and others",
        "MedDG: An Entity-Centric Medical Consultation Dataset for Entity-Aware Medical Dialogue Generation",
        "2022",
        {"booktitle": "NLPCC 2022", "eprint": "2010.07497", "archiveprefix": "arXiv"},
    ),
    "medical_dialog": (
        "misc",
        "Chen and others",
        "MedDialog: A Large-scale Medical Dialogue Dataset",
        "2020",
        {"eprint": "2004.03329", "archiveprefix": "arXiv", "url": "https://arxiv.org/abs/2004.03329"},
    ),
    "medicalgpt_pt": (
        "misc",
        "Ming Xu",
        "MedicalGPT: Training Medical GPT Model",
        "2023",
        {"howpublished": "GitHub", "url": "https://github.com/shibing624/MedicalGPT"},
    ),
    "pubmedqa": (
        "inproceedings",
        "Jin and others",
        "PubMedQA: A Dataset for Biomedical Research Question Answering",
        "2019",
        {"booktitle": "EMNLP-IJCNLP 2019", "pages": "2567-2577"},
    ),
    "qizhengpt": (
        "misc",
        "CMKRG",
        "QiZhenGPT: An Open Source Chinese Medical Large Language Model",
        "2023",
        {"howpublished": "GitHub", "url": "https://github.com/CMKRG/QiZhenGPT"},
    ),
    "shennong_tcm": (
        "misc",
        "Zhu and Yue and Wang",
        "ShenNong-TCM: A Traditional Chinese Medicine Large Language Model",
        "2023",
        {"howpublished": "GitHub", "url": "https://github.com/michael-wzhu/ShenNong-TCM-LLM"},
    ),
    "toyhom_dialogue": (
        "misc",
        "Toyhom",
        "Chinese medical dialogue data",
        "2019",
        {"howpublished": "GitHub", "url": "https://github.com/Toyhom/Chinese-medical-dialogue-data"},
    ),
    "webmedqa": (
        "article",
        "He and Fu and Tu",
        "Applying deep matching networks to Chinese medical question answering: a study and a dataset",
        "2019",
        {
            "journal": "BMC Medical Informatics and Decision Making",
            "volume": "19",
            "number": "2",
            "pages": "52",
            "doi": "10.1186/s12911-019-0761-8",
        },
    ),
    "zhongjing_rw": (
        "inproceedings",
        "Yang and others",
        "Zhongjing: Enhancing the Chinese Medical Capabilities of Large Language Model through Expert Feedback and "
        "Real-world Multi-turn Dialogue",
        "2024",
        {"booktitle": "AAAI 2024", "eprint": "2308.03549", "archiveprefix": "arXiv"},
    ),
}
SAME = {
    "healthcaremagic_100k": "genmedgpt_5k",
    "icliniq_10k": "genmedgpt_5k",
    "medical_dialogue_system": "medical_dialog",
    "medicalgpt_rw": "medicalgpt_pt",
    "medicalgpt_sft": "medicalgpt_pt",
    "shibing624_medical": "medicalgpt_pt",
    "zhongjing_sft": "zhongjing_rw",
}
WHOLE = {"demo_consult", "demo_dialogue", "demo_preference", "zysj"}
"""Those whose line is no author, title and venue."""


@pytest.fixture(scope="module")
def sources():
    entries = registry.select(registry.names(), {})
    return {e.name: {"title": e.title, "from": e.source, "citation": e.citation} for e in entries}


@pytest.mark.parametrize("corpus", WORKS)
def test_a_citation_is_told_apart(corpus, sources):
    kind, author, title, year, more = WORKS[corpus]
    key, found_kind, fields = cite_source(corpus, sources[corpus])
    assert (key, found_kind) == (corpus, kind)
    assert fields == {"author": author, "title": title, "year": year, **more}


def test_every_corpus_of_the_registry_cites_one_of_these(sources):
    keys, _ = list_sources(sources)
    for corpus, key in keys.items():
        if corpus.startswith("medalpaca_"):
            assert key == "medalpaca_cord19"
        elif corpus.startswith("huatuo") and corpus != "huatuogpt_sft_v1":
            assert key == "huatuo26m_lite"
        elif corpus not in WHOLE:
            assert key == SAME.get(corpus, corpus)
            assert key in WORKS
    assert len(keys) == 49
    assert len(set(keys.values())) == len(WORKS) + len(WHOLE)


@pytest.mark.parametrize("corpus", sorted(WHOLE))
def test_what_cannot_be_told_apart_is_kept_whole(corpus, sources):
    _, kind, fields = cite_source(corpus, sources[corpus])
    assert kind == "misc"
    assert fields["title"] == sources[corpus]["title"]
    assert fields["note"] == sources[corpus]["citation"]
    assert "author" not in fields
    assert fields.get("url") == ("https://www.zysj.com.cn" if corpus == "zysj" else None)


def test_every_entry_of_the_registry_is_sound_bibtex(sources):
    keys, written = list_sources(sources)
    entries = re.findall(r"^@\w+\{([\w:.-]+),\n((?:  \w+ += \{.*\},\n)+)\}$", written, re.MULTILINE)
    assert [key for key, _ in entries] == sorted(set(keys.values()))
    assert sum(len(key) for key, _ in entries) > 100
    assert balanced(written)


def balanced(text):
    depth = 0
    for letter in text:
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if depth < 0:
            return False
    return depth == 0


def test_an_entry_looks_like_this(sources):
    assert write_entry(*cite_source("webmedqa", sources["webmedqa"])) == (
        "@article{webmedqa,\n"
        "  author        = {He and Fu and Tu},\n"
        "  title         = {{Applying deep matching networks to Chinese medical question answering: a study and a "
        "dataset}},\n"
        "  journal       = {BMC Medical Informatics and Decision Making},\n"
        "  volume        = {19},\n"
        "  number        = {2},\n"
        "  pages         = {52},\n"
        "  year          = {2019},\n"
        "  doi           = {10.1186/s12911-019-0761-8},\n"
        "}\n"
    )
    assert "  pages         = {148--158},\n" in write_entry(*cite_source("cmcqa", sources["cmcqa"]))


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("50% of A&B_C #1 $2", r"50\% of A\&B\_C \#1 \$2"),
        ("} } @misc{evil,", r"\textbraceright{} \textbraceright{} @misc\textbraceleft{}evil,"),
        (r"\input{/etc/passwd}", r"\textbackslash{}input\textbraceleft{}/etc/passwd\textbraceright{}"),
        ("a~b^c", r"a\textasciitilde{}b\textasciicircum{}c"),
        ("two\nlines\t and\r\nmore", "two lines and more"),
        ("头痛：问与答", "头痛：问与答"),
    ],
)
def test_text_is_escaped_for_latex(text, written):
    entry = write_entry("k", "misc", {"title": text, "note": text})
    assert f"  title         = {{{{{written}}}}},\n  note          = {{{written}}},\n" in entry
    assert balanced(entry)


def test_a_key_is_plain_whatever_the_name():
    keys, written = list_sources({"}, --- : {}\n<x>": {"title": "T", "from": "package:demo", "citation": "some line"}})
    assert list(keys.values()) == ["-------------x-"]
    assert written.startswith("@misc{-------------x-,\n")
    assert balanced(written)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("doi:10.1234/abc.5.", {"doi": "10.1234/abc.5"}),
        ("See arXiv:2301.00001, then ask.", {"eprint": "2301.00001", "archiveprefix": "arXiv"}),
        ("Read https://test.invalid/a_b.html.", {"url": "https://test.invalid/a_b.html"}),
    ],
)
def test_a_place_is_found_in_a_line_of_another_form(line, found):
    _, kind, fields = cite_source("x", {"title": "T", "from": "package:demo", "citation": line})
    url = {"url": "https://arxiv.org/abs/2301.00001"} if "eprint" in found else {}
    assert (kind, fields) == ("misc", {"title": "T", "key": "x", "note": line, **found, **url})


def test_half_a_form_is_not_guessed_at():
    assert parse_citation("Wang et al. A title. Part two. 2020") == {}
    assert parse_citation("Wang et al. A title") == {}
    assert parse_citation("") == {}


def test_works_of_the_same_citation_are_one_entry_but_not_of_other_titles():
    one = {"title": "A", "from": "github:o/a@1", "citation": "Wu. Work. ACL 2020"}
    keys, written = list_sources({"b": one, "a": {**one, "title": "B"}, "c": {**one, "citation": "some line"}})
    assert keys == {"a": "a", "b": "a", "c": "c"}
    assert written.count("@") == 2


@pytest.mark.parametrize(
    ("source", "url"),
    [
        ("github:o/r@abc", "https://github.com/o/r"),
        ("hub:o/n@main", "https://huggingface.co/datasets/o/n"),
        ("manual:https://test.invalid/data/5", "https://test.invalid/data/5"),
        ("drive:1aB-_c", "https://drive.google.com/open?id=1aB-_c"),
        ("web:test.invalid/", "https://test.invalid"),
        ("package:demo", ""),
        ("web:x) [y](javascript:alert(1)", ""),
        ("nothing", ""),
    ],
)
def test_a_source_is_linked_to_where_a_person_looks(source, url):
    assert link_source(source) == url


def test_a_release_is_cited_by_what_made_it():
    assert cite_release("mine_1", "0.1.0", "ab" * 32) == (
        "@misc{mine_1,\n"
        "  title         = {{mine\\_1}},\n"
        "  version       = {abababababab},\n"
        "  note          = {Written by care-data 0.1.0},\n"
        "  key           = {mine\\_1},\n"
        "}\n"
    )
