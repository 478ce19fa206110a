"""Tasks on the machines of a Ray cluster, or on a small one of this machine's own.

A task is run again where its node was lost or its process died, and so is one whose result was lost with a node, once
something asks for that. So tasks give the same result each time, and what they write, they write whole (store.writing).
"""

import os
import socket
from collections.abc import Callable, Sequence
from typing import Any

from care_data.errors import CareError, Exit
from care_data.store import code_digest

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_IGNORE_UNHANDLED_ERRORS": "1",  # they are raised here
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}

ANSWER = 10.0
"""Seconds a cluster has to answer."""

RETRIES = 5
"""How often a task or a lost result is made again. A task that itself ends its process, by memory, ends the run."""

OnDone = Callable[[int], None]


def run_ray(
    function: Callable[[Any], Any],
    tasks: Sequence[Any],
    workers: int | None,
    on_done: OnDone | None,
    address: str | None = None,
) -> list[Any]:
    """Results in the order of the tasks; for `workers` and `address` see connect().

    What tasks read and write has to lie in a folder that all nodes share. The first error of a task ends the run, as
    the same error; an interrupt stops the tasks.
    """
    if not tasks:
        return []
    connect(workers, address)
    return collect([submit(function, task) for task in tasks], on_done)


def connect(workers: int | None = None, address: str | None = None) -> int:
    """Be part of the cluster at `address` ("host:6379", or "auto" on one of its nodes); the number of its cores.

    Without an address a cluster of this machine alone is started, of `workers` cores (by default all), which ends with
    this process; `workers` says nothing of a cluster that is there. A connection that stands is used again. CareError
    (2) without ray, (6) where no cluster answers. Nothing is sent to Ray's makers, and Ray prints nothing.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError as error:
        fix = "Install it: pip install 'care-llm[ray]'."
        raise CareError("ray is not installed", fix=fix, code=Exit.USAGE) from error
    if not ray.is_initialized():
        try:
            _join(workers, address)
        except (OSError, RuntimeError, ValueError) as error:
            what = f"no Ray cluster could be joined: {str(error).strip().splitlines()[0].rstrip('.')}"
            fix = "See `ray status` there; versions of Python and Ray are to be the same on all machines."
            raise CareError(what, where=address or "this machine", fix=fix, code=Exit.NETWORK) from error
    return max(1, int(ray.cluster_resources().get("CPU", 1)))


def _join(workers: int | None, address: str | None) -> None:
    import ray
    import ray._private.worker as messages

    # What it says of lost nodes and workers would go to our standard output, and there is no option for that.
    messages._worker_logs_enabled = False
    settings: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if not address:
        ray.init(address="local", num_cpus=workers, include_dashboard=False, **settings)
        return
    host, _, port = address.rpartition(":")
    if host and port.isdecimal() and "/" not in host:
        # Ray would try for minutes, and then end this process.
        socket.create_connection((host, int(port)), timeout=ANSWER).close()
    ray.init(address=address, **settings)


def submit(function: Callable[..., Any], *arguments: Any) -> Any:
    """The result to come of function(*arguments); results to come among the arguments are filled in."""
    return _remote(function, 1).remote(code_digest(), function, *arguments)


def scatter(count: int, function: Callable[..., Sequence[Any]], *arguments: Any) -> list[Any]:
    """The `count` results to come of a function that returns as many, each to be asked for by itself."""
    if count == 1:
        return [submit(_only, function, *arguments)]
    return _remote(function, count).remote(code_digest(), function, *arguments)


def share(value: Any) -> Any:
    """The value as an argument of many tasks, sent once to each node."""
    import ray

    return ray.put(value)


def collect(results: Sequence[Any], on_done: OnDone | None = None) -> list[Any]:
    """The results, in order, once all are there; on_done is told how many are. The first error cancels the others."""
    import ray

    _wait(results, on_done, fetch=True)
    return ray.get(list(results))


def wait(results: Sequence[Any], on_done: OnDone | None = None) -> None:
    """Wait until all are there, and leave them where they are; an error shows in what is made of them."""
    _wait(results, on_done, fetch=False)


def _wait(results: Sequence[Any], on_done: OnDone | None, *, fetch: bool) -> None:
    import ray
    from ray.exceptions import RayError, RayTaskError

    waiting, done = list(results), 0
    try:
        while waiting:
            ready, waiting = ray.wait(waiting, num_returns=1, fetch_local=fetch)
            if fetch:
                ray.get(ready)
            done += 1
            if on_done:
                on_done(done)
    except RayTaskError as error:
        _cancel(waiting)
        raise _tell_apart(error) from None
    except RayError as error:
        _cancel(waiting)
        what = f"a task was lost {RETRIES + 1} times ({type(error).__name__}), most often for want of memory"
        fix = "Give the nodes more memory, or cut the work into smaller files."
        raise CareError(what, fix=fix, code=Exit.LIMIT) from error
    except BaseException:
        _cancel(waiting)
        raise


def _cancel(results: Sequence[Any]) -> None:
    import ray

    for result in results:
        ray.cancel(result, force=True)


def _tell_apart(error: Any) -> BaseException:
    """The error that a task raised, as it raised it."""
    if isinstance(error.cause, ModuleNotFoundError):
        fix = "Install care-llm, the same version, on every node."
        return CareError(f"a node of the cluster has no module {error.cause.name}", fix=fix, code=Exit.USAGE)
    return error.cause if isinstance(error.cause, Exception) else error


def _remote(function: Callable[..., Any], returns: int) -> Any:
    import ray

    name = getattr(function, "__name__", "task")
    return ray.remote(_call).options(num_returns=returns, max_retries=RETRIES, name=name)


def _call(digest: str, function: Callable[..., Any], *arguments: Any) -> Any:
    if code_digest() != digest:
        fix = "Install care-llm, the same version, on every node."
        raise CareError("a node of the cluster has another version of care_data", fix=fix, code=Exit.USAGE)
    return function(*arguments)


def _only(function: Callable[..., Sequence[Any]], *arguments: Any) -> Any:
    (result,) = function(*arguments)
    return result
