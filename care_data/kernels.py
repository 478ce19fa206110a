"""Compiled loops: a decorator for functions over arrays."""

from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any

from numba import njit
from numba.core.caching import FunctionCache
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target
from numba.core.runtime import rtsys


class KernelCache(FunctionCache):
    """numba's own cache, read without what only compiling needs.

    numba loads every function that it knows before it looks whether machine code is on the disk, for a seventh of a
    second. The code calls nothing of them but the allocator; where a kernel is compiled the compiler loads them itself.
    """

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """What was compiled for these types, or None."""
        rtsys.initialize(target_context)
        with self._guard_against_spurious_io_errors():
            return self._load_overload(sig, target_context)


def kernel(function: Callable[..., Any]) -> Any:
    """The function compiled on its first call, without the interpreter's lock, and kept on disk for later processes.

    Where neither the package's folder nor the user's cache can be written, it is compiled in every process. A kernel
    calls kernels of its own file only: what is kept on disk is renewed when that file changes, and no other.
    """
    compiled = njit(nogil=True)(function)
    with suppress(RuntimeError):  # numba found no place to keep it
        compiled._cache = KernelCache(function)
    return compiled


def load_kernels() -> None:
    """What numba makes and looks for before the first kernel runs; beside a thread that waits it costs nothing."""
    for name in ("numpy.ma", "numba.np.arrayobj"):  # where it looks with its first array, and with its first kept code
        import_module(name)
    with global_compiler_lock:  # as numba holds it itself where another thread's first kernel makes the same
        rtsys.initialize(cpu_target.target_context)
