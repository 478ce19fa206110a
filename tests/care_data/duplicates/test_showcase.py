from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from care_data.duplicates.inputs import Input, Rules
from care_data.duplicates.search import search
from care_data.duplicates.showcase import show_clusters

LONG = "高血压病人平时饮食要清淡少盐，按时吃药，每周量两次血压并记录下来，头晕时先坐下休息。"
OTHER = "孩子发热时先量体温，多喝温水，超过三十八度五再考虑退烧药，精神不好就去医院看看。"
THIRD = "手腕扭伤头两天冷敷，抬高患处，不要揉，肿得厉害或者不能动就拍片看看有没有骨折。"


def show(texts, known=None):
    inputs = [Input(lambda: iter([pl.DataFrame({"group0": texts[:3]}), pl.DataFrame({"group0": texts[3:]})]), "一")]
    with TemporaryDirectory() as scratch:
        verdicts = search(inputs, 1, Rules(), Path(scratch), 1)
    return show_clusters(inputs, verdicts, 1, known)


def test_the_largest_comes_first_then_those_that_hang_together_the_least():
    copies = [LONG + end for end in ("好", "嗯", "好的", "！")]
    texts = [OTHER + "多休息别出门", OTHER, LONG, *copies, THIRD, THIRD + "谢谢您", "别的一句话，和谁都不像。"]
    first, second, third = show(texts)
    assert (first.size, second.size, third.size) == (5, 2, 2)
    assert first.members[0].id == "一#6"
    assert first.members[0].texts == (LONG + "好的",)
    assert {member.reason for member in first.members[1:]} == {"near_duplicate"}
    assert [member.id for member in second.members] == ["一#1", "一#2"]
    assert second.members[1].jaccard < third.members[1].jaccard < 1
    assert [member.id for member in third.members] == ["一#9", "一#8"]


def test_exact_copies_alone_are_nothing_to_look_at():
    assert show([LONG, LONG + "。", OTHER]) == []


def test_rows_of_an_index_have_their_own_ids():
    assert show([LONG, LONG + "嗯"], pl.Series(["corpus/sft/a.csv#7"]))[0].members[1].id == "corpus/sft/a.csv#7"
