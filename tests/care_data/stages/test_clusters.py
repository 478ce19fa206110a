"""Some clusters with their texts, from what the dedupe stage left."""

from care_data.stages.clusters import read_clusters
from care_data.store import Store

QUESTION = "这几天总是头晕乏力，早上起床的时候最厉害，吃了早饭会好一点，血压量过是正常的，需要去医院查什么项目呢"
ANSWER = "先查血常规和空腹血糖，再看看睡眠够不够，如果还是头晕就到神经内科做进一步检查，平时起床动作要慢一些"


def clusters_of(shelf, up_to, count=3):
    return read_clusters(list(up_to("dedupe").values()), Store(shelf.data), count)


def test_the_largest_then_those_that_hang_together_the_least(shelf, up_to, distinct):
    def question(number):
        return f"第{number}位来问的人说：" + distinct("questions", 9)[number][0] + QUESTION[number:]

    copies = [(question(0) + "谢" * at, ANSWER) for at in range(4)]
    far = [(question(1), ANSWER), (question(1) + "多谢多谢您了", ANSWER)]
    near = [(question(2), ANSWER), (question(2) + "谢", ANSWER), (question(2), ANSWER)]
    shelf.add("one", [*copies, *far, *near, *distinct("rows", 5), (question(3), ANSWER), (question(3), ANSWER)])
    found = clusters_of(shelf, up_to)
    assert [cluster.size for cluster in found] == [4, 2, 3]
    assert found[0].members[0].id == "one/sft/0.jsonl#4"
    assert found[0].members[0].texts == (copies[3][0], ANSWER)
    assert [member.reason for member in found[0].members] == ["kept", *["near_duplicate"] * 3]
    shares = [member.jaccard for member in found[0].members[1:]]
    assert shares == sorted(shares)
    assert [member.id for member in found[1].members] == ["one/sft/0.jsonl#6", "one/sft/0.jsonl#5"]
    assert 0.8 <= found[1].members[1].jaccard < found[2].members[1].jaccard < 1
    assert [len(cluster.members) for cluster in clusters_of(shelf, up_to, count=1)] == [4]


def test_a_keeper_in_another_corpus_is_shown(shelf, up_to):
    shelf.add("aaa", [(QUESTION + "谢谢您", ANSWER)], priority=40)
    shelf.add("bbb", [(QUESTION, ANSWER)], priority=60)
    (cluster,) = clusters_of(shelf, up_to)
    assert [(member.id, member.texts) for member in cluster.members] == [
        ("bbb/sft/0.jsonl#1", (QUESTION, ANSWER)),
        ("aaa/sft/0.jsonl#1", (QUESTION + "谢谢您", ANSWER)),
    ]


def test_nothing_to_show(shelf, up_to, distinct):
    rows = distinct("rows", 4)
    shelf.add("one", rows)
    assert clusters_of(shelf, up_to) == []
    shelf.add("two", rows)  # exact copies only
    assert clusters_of(shelf, up_to) == []
