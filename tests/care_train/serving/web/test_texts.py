"""Both languages say the same things, and the browser's comes first."""

from string import Formatter

import pytest

from care_train.serving.web.texts import CHINESE, ENGLISH, choose_language


def test_both_languages_have_every_text_with_the_same_gaps() -> None:
    assert list(ENGLISH) == list(CHINESE)
    for name, text in ENGLISH.items():
        gaps = [{gap[1:3] for gap in Formatter().parse(one) if gap[1]} for one in (text, CHINESE[name])]
        assert gaps[0] == gaps[1], name


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-GB,en;q=0.9,zh;q=0.5", "en"),
        ("fr-FR, ZH-tw;q=0.7, en;q=0.3", "zh"),
        ("de", "en"),
        ("", "en"),
    ],
)
def test_the_browsers_language(accepted: str, language: str) -> None:
    assert choose_language(accepted) == language
