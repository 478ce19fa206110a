"""Pieces of Markdown show any text."""

from care_data.cards.markdown import code, escape, flatten, table


def test_pieces_of_markdown():
    assert flatten("a\n\tb\u202e\x00 c ") == "a b c"
    assert escape("a|b*c_d`e<f>&$#[x]") == r"a\|b\*c\_d\`e&lt;f&gt;&amp;\$\#\[x\]"
    assert code("a`b|c\n") == r"`a'b\|c`"
    assert code("") == ""
    assert table(["a", "b"], [["x", 1_000], ["y", "–"]]) == "| a | b |\n| --- | ---: |\n| x | 1,000 |\n| y | – |"
