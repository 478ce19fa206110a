"""The numbers in short form."""

from care_data.reports.tables import short_tables


def test_tables_of_a_whole_run(two, run, numbers):
    run("write", name="first")
    tables = {header[0]: rows for header, rows, _ in short_tables(numbers())}
    assert list(tables) == ["output", "dropped as", "masked", "licence", "benchmark"]
    assert tables["output"][0] == ["alpha/sft", "11", "11", "9", "8", "7", "7"]
    assert tables["output"][2:] == [
        ["beta/test", "2", "2", "2", "–", "–", "2"],
        ["all 3", "18", "18", "16", "15", "14", "14"],
    ]
    assert tables["dropped as"][0] == ["answer_equals_question", "clean", "1"]
    assert tables["masked"] == [["phone", "1"]]
    assert tables["licence"] == [["MIT", "yes", "14"]]
    assert tables["benchmark"] == [["beta", "2 corpora", "1"]]


def test_what_is_not_there_yet_is_told(two, run, numbers):
    run("convert")
    tables = {header[0]: rows for header, rows, _ in short_tables(numbers())}
    assert tables["stage"][0] == ["clean", "0", "alpha, beta", "–"]
    assert list(tables) == ["stage", "output", "licence"]
    assert tables["output"][-1] == ["all 3", "18", "18", "–", "–", "–", "–"]
