"""The parts of the page that show numbers."""

import re

from care_data.reports import sections


def test_an_overlap_is_the_darker_the_more(numbers):
    told = {
        "duplicates": {
            "run": True,
            "reads": {"a": 100, "b": 10},
            "overlaps": {"a": {"b": 5}, "b": {"a": 7}},
        }
    }
    cells = re.findall(r"<td(?: class=\"(h\d)\" title=\"([^\"]+)\")?>([^<]*)</td>", sections.show_overlaps(told))
    assert cells == [("", "", ""), ("h1", "5 / 100", "5.0%"), ("h4", "7 / 10", "70.0%"), ("", "", "")]


def test_a_matrix_of_many_corpora_shows_the_largest_overlaps():
    names = [f"c{number:03d}" for number in range(60)]
    overlaps = {name: {other: number + 1 for other in names if other != name} for number, name in enumerate(names)}
    shown = sections.show_overlaps(
        {"duplicates": {"run": True, "reads": dict.fromkeys(names, 100), "overlaps": overlaps}}
    )
    lines = re.findall(r'<th scope="row">(c\d+)', shown)
    assert lines == names[20:]
    assert "20 <span" in shown


def test_a_half_done_folder_says_what_is_not_there(two, run, numbers):
    run("convert")
    told = numbers()
    for show in (sections.show_changes, sections.show_privacy, sections.show_overlaps, sections.show_benchmarks):
        assert "this stage has not been run" in show(told)
    assert re.findall("<dd>([^<]+)", sections.show_overview(told)) == ["2", "18", "18", "100.0%", "–", "–", "–"]
    assert "No release has been written yet" in sections.show_overview(told)
    assert "<code>alpha</code>, <code>beta</code>" in sections.show_overview(told)


def test_a_whole_run_is_shown(two, run, numbers):
    run("write", name="first")
    told = numbers()
    funnel = sections.show_funnel(told)
    line = next(line for line in funnel.split("\n") if "alpha/" in line)
    assert re.findall(r'"number">([^<]+)<', line) == ["11", "11", "9", "8", "7", "7", "4"]
    assert re.findall("<dd>([^<]+)", sections.show_overview(told)) == ["2", "18", "14", "77.8%", "1", "1", "1"]
    assert "<code>first</code>" in sections.show_overview(told)
    assert "<code>phone</code>" in sections.show_privacy(told)
    assert "<code>exact_benchmark</code>" in sections.show_reasons(told)
    assert "beta" in sections.show_benchmarks(told)
    assert sections.show_lengths(told).count("<svg") == 6
    told["warnings"] = [{"stage": "convert", "corpus": "alpha", "text": "sft: 3 rows where 4 are expected"}]
    assert "sft: 3 rows where 4 are expected" in sections.show_warnings(told)
