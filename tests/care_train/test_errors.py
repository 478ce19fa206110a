"""The one line of an error."""

from care_train.errors import CareError, Exit


def test_an_error_is_one_line_of_where_what_and_fix() -> None:
    assert str(CareError("is gone", where="a.json", fix="Fetch it.")) == "a.json: is gone. Fetch it."
    assert str(CareError("two\nlines\r", fix="x")) == "two\\nlines\\r. x"
    assert str(CareError("bare")) == "bare."
    assert (CareError("bare").code, int(Exit.POLICY), int(Exit.BUG)) == (Exit.DATA, 7, 70)
