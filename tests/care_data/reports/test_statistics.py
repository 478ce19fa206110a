"""The numbers of a report."""

from care_data.reports.statistics import _quantiles, shown_source, source_of


def test_numbers_of_a_whole_run(two, run, numbers):
    run("write", name="first")
    told = numbers()
    assert [(line["stage"], line["reason"], line["records"], line["outputs"]) for line in told["reasons"]] == [
        ("clean", "answer_equals_question", 1, {"alpha/sft": 1}),
        ("clean", "no_words", 1, {"alpha/sft": 1}),
        ("decontaminate", "exact_benchmark", 1, {"alpha/sft": 1}),
        ("dedupe", "exact_duplicate", 1, {"alpha/sft": 1}),
    ]
    assert [(line["type"], line["values"]) for line in told["privacy"] if line["values"]] == [("phone", 1)]
    assert {"step": "markup", "records": 1, "corpora": {"alpha": 1}} in told["changes"]
    assert told["languages"] == [{"language": "zh", "records": 14, "outputs": 3}]
    assert [(line["license"], line["redistribute"], line["corpora"]) for line in told["licenses"]] == [
        ("MIT", True, {"alpha": 7, "beta": 7})
    ]
    assert told["duplicates"]["reasons"] == {"exact_duplicate": 1}
    assert told["duplicates"]["overlaps"] == {"alpha": {"beta": 1}, "beta": {"alpha": 1}}
    assert told["duplicates"]["reads"] == {"alpha": 9, "beta": 5}
    assert told["benchmarks"] == {
        "run": True,
        "checked": [{"benchmark": "beta", "corpora": 2, "found": 1, "in": {"alpha": 1}}],
        "missing": [],
    }


def test_numbers_of_what_is_only_converted(two, run, numbers):
    run("convert")
    told = numbers()
    assert (told["changes"], told["privacy"], told["release"]) == ([], [], None)
    assert told["duplicates"]["run"] is told["benchmarks"]["run"] is False
    assert {line["stage"]: line["missing"] for line in told["stages"]} == {
        "fetch": [],
        "convert": [],
        "clean": ["alpha", "beta"],
        "dedupe": ["alpha", "beta"],
        "decontaminate": ["alpha", "beta"],
    }


def test_a_benchmark_that_is_not_at_hand_is_named(two, run, numbers):
    run("decontaminate", "alpha")
    assert numbers()["benchmarks"] == {"run": True, "checked": [], "missing": ["beta"]}


def test_lengths_are_of_the_last_stage(two, run, numbers):
    run("clean")
    lengths = {(line["output"], line["field"]): line for line in numbers("beta")["lengths"]}
    assert sorted(lengths) == [("sft", "answer"), ("sft", "question"), ("test", "answer"), ("test", "question")]
    assert lengths["sft", "question"] == {
        "corpus": "beta",
        "output": "sft",
        "field": "question",
        **dict.fromkeys(("min", "median", "p95", "max"), 25),
        "records": 5,
        "bins": [0, 0, 0, 0, 0, 5],
    }


def test_lengths_count_histories(shelf, run, numbers):
    shelf.add("one", [("甲" * 3, "乙" * 30)])
    entry = shelf.registry / "one.toml"
    text = entry.read_text(encoding="utf-8").replace(
        "fields =", 'fields = { instruction = "{q}{q}" , output = "{a}" } #'
    )
    entry.write_text(
        text.replace('records.sft = [{ instruction = "甲？"', 'records.sft = [{ instruction = "甲？甲？"'), "utf-8"
    )
    run("convert")
    assert [(line["field"], line["max"]) for line in numbers()["lengths"]] == [("question", 6), ("answer", 30)]


def test_quantiles_are_values_that_occur():
    assert _quantiles([(1, 50), (2, 45), (9, 5)]) == {"records": 100, "min": 1, "median": 1, "p95": 2, "max": 9}
    assert _quantiles([(1, 49), (2, 45), (9, 6)]) == {"records": 100, "min": 1, "median": 2, "p95": 9, "max": 9}
    assert _quantiles([(7, 1)]) == {"records": 1, "min": 7, "median": 7, "p95": 7, "max": 7}


def test_a_benchmark_file_is_named_without_its_folder():
    sources = {"cmb": 1, shown_source("/home/someone/private/exam.jsonl:question"): 1}
    assert list(sources) == ["cmb", "exam.jsonl:question"]
    assert source_of("cmb/clin/a.json#3", sources) == "cmb"
    assert source_of("exam.jsonl#3", sources) == "exam.jsonl:question"
