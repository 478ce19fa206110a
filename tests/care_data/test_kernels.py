import subprocess
import sys

from care_data.kernels import kernel

SEARCH = """
import sys
import numpy as np
from care_data.fingerprints.bands import Plan, pair
pair(np.zeros((3, 2), np.uint8), Plan(2, 1, 1, 0.0), 1)
print(*(name for name in sys.modules if name in ("numba.np.linalg", "numba.np.arraymath", "numba.typed.dictimpl")))
"""


def test_a_kernel_is_kept_on_disk_where_there_is_a_place_and_works_where_there_is_none():
    named: dict[str, object] = {}
    exec("def add(one, two):\n    return one + two\n", named)  # noqa: S102 - of no file, so of no folder
    add = kernel(named["add"])
    assert add(1, 2) == 3
    assert type(add._cache).__name__ == "NullCache"
    assert type(kernel(kept)._cache).__name__ == "KernelCache"


def kept(one: int) -> int:
    return one


def test_kept_code_is_loaded_without_what_compiling_needs():
    for _ in range(2):  # the first one may compile
        done = subprocess.run([sys.executable, "-c", SEARCH], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
