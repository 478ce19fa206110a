"""Compiled loops: a decorator for functions over arrays."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from numba import njit
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target
from numba.np import linalg


def kernel(function: Callable[..., Any]) -> Any:
    """The function compiled on its first call, without the interpreter's lock, and kept on disk for later processes.

    Where neither the package's folder nor the user's cache can be written, it is compiled in every process. A kernel
    calls kernels of its own file only: what is kept on disk is renewed when that file changes, and no other.
    """
    try:
        return njit(cache=True, nogil=True)(function)
    except RuntimeError:  # numba found no place to keep it
        return njit(nogil=True)(function)


def load_kernels() -> None:
    """What numba loads before the first kernel runs; from a thread beside one that waits, a tenth of a second less."""
    with global_compiler_lock:  # as numba holds it itself where another thread's first kernel loads the same
        cpu_target.typing_context.refresh()


def _load_arrays() -> None:
    """Load numba's functions of arrays without scipy, which they look for as they load, for a sixth of a second.

    Whoever multiplies matrices in a kernel of their own has it looked for then.
    """
    with suppress(AttributeError, ImportError):
        look = linalg.ensure_blas
        linalg.ensure_blas = lambda: None
        try:
            from numba.np import arraymath

            arraymath.ensure_blas = look
        finally:
            linalg.ensure_blas = look


_load_arrays()
