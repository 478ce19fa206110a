import pytest
from hypothesis import given
from hypothesis import strategies as st

from care_data.errors import CareError, Exit
from care_data.sources.places import Place, check_path, expand_braces, match_paths, parse_source, shown


@pytest.mark.parametrize(
    ("source", "place", "folder"),
    [
        ("github:o/r@fab6250c", Place("github", "o/r", "fab6250c"), "github/o/r@fab6250c"),
        ("hub:pubmed_qa@607a", Place("hub", "pubmed_qa", "607a"), "hub/pubmed_qa@607a"),
        ("hub:o/n", Place("hub", "o/n", ""), "hub/o/n"),
        ("drive:1Ab_c-D", Place("drive", "1Ab_c-D", ""), "drive/1Ab_c-D"),
        ("manual:https://a.example/data/9/", Place("manual", "a.example/data/9", ""), "manual/a.example/data/9"),
        ("web:http://a.example/@me", Place("web", "a.example/@me", ""), "web/a.example/@me"),
        ("package:demo", Place("package", "demo", ""), "package/demo"),
    ],
)
def test_a_source_is_a_place_with_a_folder(source, place, folder):
    assert parse_source(source) == place
    assert place.folder == folder


@pytest.mark.parametrize("source", ["", "github", "github:", ":a/b", "GitHub:a/b", "github:a/b@c/d"])
def test_what_is_no_source_is_refused(source):
    with pytest.raises(CareError) as caught:
        parse_source(source)
    assert caught.value.code == Exit.DATA


@pytest.mark.parametrize("source", ["github:../b@1", "github:a/../../b", "hub:/etc/x", "drive:..", "github:a/b@..\\c"])
def test_a_source_stays_in_its_folder(source):
    with pytest.raises(CareError) as caught:
        parse_source(source)
    assert caught.value.code == Exit.INTEGRITY


@pytest.mark.parametrize(
    "path",
    [
        *("../x", "/etc/x", "C:\\x", "C:x", "a\\..\\b", "a/../b", "..", ".", "a/./b", "a//b", "a/", "", "a\0b"),
        *("\udcff.csv", "x" * 300, "名" * 86),
    ],
)
def test_a_path_that_leaves_is_refused_by_name(path):
    with pytest.raises(CareError) as caught:
        check_path(path)
    assert caught.value.code == Exit.INTEGRITY
    assert f"'{shown(path)}'" in str(caught.value)


@pytest.mark.parametrize(
    "path", ["a", "a/b.csv", "名字 空格.txt", "..a", "a..", ".hidden", "CON", "Data_数据/*/*.csv", "名" * 85]
)
def test_an_ordinary_path_is_left_as_it_is(path):
    assert check_path(path) == path


@given(st.text(alphabet="ab./\\:\0C~", max_size=12))
def test_what_passes_stays_below_any_root(path):
    import os.path

    try:
        check_path(path)
    except CareError:
        return
    assert os.path.normpath(f"/folder/{path}") == f"/folder/{path}"


def test_shown_escapes_what_a_terminal_would_act_on():
    assert shown("a\x1b[31m\u202eb\nc 名.txt") == "a\\x1b[31m\\u202eb\\nc 名.txt"


@pytest.mark.parametrize(
    ("pattern", "paths"),
    [
        ("a.csv", ["a.csv"]),
        ("{dev,test}.zip", ["dev.zip", "test.zip"]),
        ("d/{a,b}/{x,y}", ["d/a/x", "d/a/y", "d/b/x", "d/b/y"]),
        ("{a,b{c,d}}e", ["ae", "bce", "bde"]),
        ("q{a,u,}", ["qa", "qu", "q"]),
        ("{a,a}", ["a"]),
        ("{书籍,指南}/*.docx", ["书籍/*.docx", "指南/*.docx"]),
        ("a{b", ["a{b"]),
        ("a}b{c,d}", ["a}bc", "a}bd"]),
        ("{a{b,c}", ["{ab", "{ac"]),
    ],
)
def test_braces(pattern, paths):
    assert expand_braces(pattern) == paths


PATHS = ["b.csv", "a.csv", ".a.csv", "a/a.csv", "a/b/a.csv", "a/.b/a.csv", "a/b/.a.csv", "a[1]?.csv", "aXcsv"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("a.csv", ["a.csv"]),
        ("c.csv", []),
        ("*.csv", ["a.csv", "a[1]?.csv", "b.csv"]),
        ("a*.csv", ["a.csv", "a[1]?.csv"]),
        ("a[1]?*", ["a[1]?.csv"]),
        ("*/*.csv", ["a/a.csv"]),
        ("**/a.csv", ["a.csv", "a/a.csv", "a/b/a.csv"]),
        ("a/**/a.csv", ["a/a.csv", "a/b/a.csv"]),
        ("a/**", ["a/a.csv", "a/b/a.csv"]),
        (".*.csv", [".a.csv"]),
        ("a/.b/*", ["a/.b/a.csv"]),
    ],
)
def test_stars(pattern, found):
    assert match_paths(pattern, PATHS) == found
