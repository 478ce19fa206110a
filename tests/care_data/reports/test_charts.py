"""Drawings as SVG."""

import re
from xml.etree import ElementTree

from care_data.reports.charts import draw_bar, draw_figure, draw_funnel, draw_histogram, edges, short


def test_a_bin_holds_twice_the_lengths_of_the_one_before():
    assert [edges(number) for number in range(5)] == ["0", "1", "2–3", "4–7", "8–15"]
    assert edges(11) == "1,024–2,047"
    assert [short(2**power) for power in (3, 9, 12, 21)] == ["8", "512", "4k", "2M"]


def test_a_histogram_draws_what_there_is():
    drawing, width, height = draw_histogram([0, 3, 0, 30], 8)
    bars = re.findall(r'x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"><title>([^<]+)', drawing)
    assert bars == [("30.5", "67.0", "29.0", "7.0", "1: 3"), ("90.5", "4.0", "29.0", "70.0", "4–7: 30")]
    ElementTree.fromstring(draw_figure(1, "caption", drawing, width, height))  # noqa: S314 - our own
    assert "rect" not in draw_histogram([0, 0], 2)[0]


def test_a_funnel_tells_what_went_and_what_waits():
    counts = [{"records": 100, "dropped": 0, "waiting": 0}, {"records": 50, "dropped": 25, "waiting": 25}]
    drawing, height = draw_funnel([("read", counts[0]), ("clean", counts[1])])
    widths = re.findall(r'<rect class="(\w+)" x="[\d.]+" y="\d+" width="([\d.]+)"', drawing)
    assert widths == [("records", "418.0"), ("records", "209.0"), ("waiting", "104.5"), ("dropped", "104.5")]
    assert "−25" in drawing
    figure = ElementTree.fromstring(draw_figure(7, "caption", drawing, 720, height))  # noqa: S314
    assert figure.find("svg").get("aria-labelledby") == figure.find("figcaption").get("id") == "figure-7"
    assert draw_funnel([]) == ("", 4)


def test_a_bar_is_no_more_than_an_ornament():
    assert 'aria-hidden="true"' in draw_bar(0.25)
    assert 'class="records" width="25.0"' in draw_bar(0.25)
