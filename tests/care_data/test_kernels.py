from care_data.kernels import kernel


def test_a_kernel_is_kept_on_disk_where_there_is_a_place_and_works_where_there_is_none():
    named: dict[str, object] = {}
    exec("def add(one, two):\n    return one + two\n", named)  # noqa: S102 - of no file, so of no folder
    add = kernel(named["add"])
    assert add(1, 2) == 3
    assert type(add._cache).__name__ == "NullCache"
    assert type(kernel(kept)._cache).__name__ == "FunctionCache"


def kept(one: int) -> int:
    return one
