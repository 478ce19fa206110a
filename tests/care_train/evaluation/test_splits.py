"""What may be measured with, and what may not."""

import json
from types import MappingProxyType

import pytest

from care_train.errors import CareError, Exit
from care_train.evaluation.splits import read_splits


@pytest.fixture
def read(exams, parse_eval):
    def read(*words: str, learned=MappingProxyType({})):
        settings = parse_eval(f"dataset_dir={exams}", *words)
        return read_splits(settings.items, settings.choice.several, settings.sampling.seed, learned)

    return read


def test_benchmarks_and_held_out_splits_by_pattern(read):
    splits = read("dataset=*")
    assert [(one.name, one.role, len(one.items)) for one in splits] == [
        ("toy_eval", "benchmark", 12),
        ("toy_val", "benchmark", 6),
        ("words_eval", "benchmark", 6),
        ("toy_sft_test", "test", 4),
    ]
    assert splits[0].items[0].right == ("A", "C")
    assert splits[2].items[0].labels == ("yes", "no", "maybe")
    asked = splits[3].items[1]
    assert (asked.question, asked.answer, asked.options, asked.subject) == (
        "咳嗽了怎么办？",
        "咳嗽要早些休息。",
        (),
        "toy",
    )


@pytest.mark.parametrize(
    ("name", "said", "code"),
    [
        (
            "toy_sft",
            "toy_sft: is for training. Name its validation or test split, or a benchmark; --on_training",
            Exit.POLICY,
        ),
        ("toy_rw", "toy_rw: holds rw records, not eval or sft.", Exit.DATA),
        ("toy_pt_test", "toy_pt_test: holds pt records, not eval or sft. Add --perplexity", Exit.DATA),
        ("toy_evl", "no dataset toy_evl. Did you mean toy_eval?", Exit.DATA),
        ("nothing_*", "no dataset is like nothing_*.", Exit.DATA),
        ("toy_rw*", "no dataset like toy_rw* is held out.", Exit.DATA),
    ],
)
def test_what_does_not_suit_is_refused(read, name, said, code):
    with pytest.raises(CareError) as caught:
        read(f"dataset={name}")
    assert str(caught.value).startswith(said)
    assert caught.value.code == code


def test_what_the_model_learned_is_refused_whatever_its_role(read):
    with pytest.raises(CareError) as caught:
        read("dataset=toy_sft_test", learned={"toy_sft_test": None})
    assert str(caught.value).startswith("toy_sft_test: is what the model was trained on. --on_training_data measures")
    assert caught.value.code == Exit.POLICY
    assert len(read("dataset=toy_sft_test", "--on_training_data", learned={"toy_sft_test": None})[0].items) == 4
    assert len(read("dataset=toy_sft", "--on_training_data")[0].items) == 6


def test_a_split_of_another_release_than_the_one_trained_on_is_doubted(read):
    assert read("dataset=toy_sft_test", learned={"toy_sft": None})[0].doubt == ""
    assert read("dataset=toy_sft_test", learned={"toy_sft": "0" * 64})[0].doubt == "other_release"
    assert read("dataset=toy_sft_test", learned={"other_sft": "0" * 64})[0].doubt == ""


def test_a_shard_of_a_training_set_is_refused_as_a_file_too(read, exams):
    path = exams / "toy_sft" / "test-00000-of-00001.jsonl"
    with pytest.raises(CareError) as caught:
        read(f"file={path}")
    assert str(caught.value).startswith(f"{path}: is part of toy_sft, for training.")
    assert caught.value.code == Exit.POLICY
    assert read(f"file={exams / 'toy_sft_test' / path.name}")[0].role == "test"


def test_texts_are_for_perplexity(read):
    assert [len(one.texts) for one in read("dataset=*", "--perplexity")] == [6]
    with pytest.raises(CareError, match="holds eval records, not pt"):
        read("dataset=toy_eval", "--perplexity")


def test_solved_items_come_from_the_other_split_or_from_where_one_says(read, exams):
    assert {item.dataset for item in read("dataset=toy_eval", "shots=2")[0].pool} == {"toy_val"}
    assert {item.dataset for item in read("dataset=words_eval", "shots=2")[0].pool} == {"words_eval"}
    named = read("dataset=toy_eval", "shots=2", "shots_from=toy_eval")[0].pool
    assert {item.dataset for item in named} == {"toy_eval"}
    path = exams / "words_eval" / "test-00000-of-00001.jsonl"
    assert len(read("dataset=toy_eval", "shots=1", f"shots_from={path}")[0].pool) == 6


def test_a_sample_is_drawn_by_the_seed_and_stays_in_order(read):
    first, again, other = (
        [item.id for item in read("dataset=toy_eval", "max_samples=5", f"seed={seed}")[0].items] for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other
    assert first == sorted(first, key=lambda name: int(name.partition("#")[2]))
    assert len(first) == 5


def test_files_by_their_columns(read, tmp_path):
    rows = [
        {"id": "twin", "question": "甲？", "answer": "多喝水。"},
        {"id": "twin", "question": "乙？", "answer": "多休息。"},
    ]
    path = tmp_path / "own.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    split = read(f"file={path}")[0]
    assert (split.name, split.role, [item.id for item in split.items]) == ("own", None, ["twin", "twin#2"])
    path.write_text(
        json.dumps({"instruction": "甲？", "input": "三天。", "output": "多喝水。", "history": [["您好", "请说"]]})
    )
    item = read(f"file={path}")[0].items[0]
    assert (item.question, item.history) == ("甲？\n三天。", (("您好", "请说"),))
    path.write_text(json.dumps({"title": "甲"}))
    with pytest.raises(CareError, match="its columns are title"):
        read(f"file={path}")
    with pytest.raises(CareError, match="no such file"):
        read(f"file={tmp_path / 'none.jsonl'}")
    path.write_text(json.dumps({"question": "甲？", "answer": " "}))
    with pytest.raises(CareError, match="own: nothing to measure with: 1 no_answer"):
        read(f"file={path}")
