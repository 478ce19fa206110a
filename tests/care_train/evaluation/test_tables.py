"""The table in a terminal."""

from care_train.evaluation.tables import format_table, show_results

COUNT = {
    "items": 1200,
    "correct": 300,
    "accuracy": 0.25,
    "low": 0.226,
    "high": 0.275,
    "unreadable": 7,
    "too_long": 1,
    "chance": 0.2,
}
DATA = {"d": {"training_data": False}}


def test_columns_stand_below_one_another_whatever_the_script():
    assert list(format_table(("题", "n"), [("内科", "1"), ("a", "10")])) == ["题     n", "内科   1", "a     10"]


def test_choices_with_their_parts():
    part = {**COUNT, "jaccard": {"value": 0.5, "low": 0.4, "high": 0.6}}
    choices = {"overall": COUNT, "subjects": {"内科": COUNT, "护理": COUNT}, "mean_of_subjects": 0.25}
    results = {"choices": {**choices, "parts": {"one_answer": COUNT, "several_answers": part}}, "data": DATA}
    lines = list(show_results(results))
    assert lines[1].split() == [
        "内科",
        "1,200",
        "300",
        "25.0%",
        "22.6%",
        "–",
        "27.5%",
        "20.0%",
        "7",
        "(0.6%)",
        "1",
        "(0.1%)",
    ]
    assert lines[5].split()[:4] == ["several", "answers", "1,200", "300"]
    assert lines[6].split() == ["in", "part", "(Jaccard)", "50.0%", "40.0%", "–", "60.0%"]
    assert lines[7] == "mean of subjects 25.0%"


def test_the_second_model_stands_below_the_first():
    difference = {"value": -0.1, "low": -0.2, "high": 0.05}
    compared = {"both": 1, "only_first": 2, "only_second": 3, "neither": 4, "difference": difference, "p": 0.0625}
    results = {
        "model": {"name": "mine"},
        "choices": {"overall": COUNT, "subjects": {}, "parts": {}},
        "against": {"model": {"name": "theirs"}, "choices": {"overall": {**COUNT, "accuracy": 0.35}}},
        "comparison": {"choices": compared},
        "data": DATA,
    }
    lines = list(show_results(results))
    assert "mine against theirs" in lines
    assert [line.split()[3] for line in lines if line.startswith(("mine  ", "theirs  "))] == ["25.0%", "35.0%"]
    told = next(line for line in lines if line.startswith("choices ") and "-10.0%" in line)
    assert told.split() == ["choices", "1", "2", "3", "4", "-10.0%", "-20.0%", "–", "+5.0%", "0.0625"]
