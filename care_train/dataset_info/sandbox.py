"""A program of its own: runs one dataset script with as little around it as the system allows.

    python -I -B sandbox.py '{"script": …, "sha256": …, "folder": …, "subset": …, "split": …, "work": …, "seconds": …}'

The folder of the dataset may be read, and Python's own; `work` may be written; nothing else may be opened. There is no
network, no other process, no environment, and an end to time, memory and bytes written. The kernel holds this where it
can (a network namespace, Landlock), and Python's audit hook in any case; the hook alone would not stop a program that
means harm. What was held by what is told on stdout before the script begins; the examples are lines of
examples.jsonl in `work`, each an object.
"""

import ctypes
import hashlib
import inspect
import json
import os
import resource
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

MEMORY, WRITTEN = 32 << 30, 64 << 30
"""Bytes of address space, and of one file."""
CLOSED = ("socket.", "subprocess.", "ctypes.", "os.exec", "os.posix_spawn", "os.spawn", "pty.", "shutil.chown")
CLOSED_NAMES = {"os.system", "os.fork", "os.forkpty", "os.kill", "os.killpg", "os.chmod", "os.chown", "os.link"}
WRITING = {"os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink", "os.truncate", "os.utime", "os.setxattr"}
READING = {"os.listdir", "os.scandir", "os.chdir"}
NEW_USER, NEW_NETWORK = 0x10000000, 0x40000000
CREATE_RULESET, ADD_RULE, RESTRICT_SELF, NO_NEW_PRIVILEGES = 444, 445, 446, 38
EXECUTE, WRITE_FILE, READ_FILE, READ_FOLDER = 1, 2, 4, 8
ALL_RIGHTS = (1 << 13) - 1  # those of Landlock's first version: every kind of reading, writing and making
WORKING = READ_FILE | READ_FOLDER | WRITE_FILE | 1 << 4 | 1 << 5 | 1 << 7 | 1 << 8  # remove and make files and folders


def close_network(libc: Any) -> str:
    """Move into a network namespace without any device."""
    for flags in (NEW_NETWORK, NEW_USER | NEW_NETWORK):
        if libc.unshare(flags) == 0:
            return "kernel"
    return "interpreter"


def close_files(libc: Any, readable: list[str], writable: str) -> str:
    """Let the kernel refuse every path but these."""
    rights = (ctypes.c_uint64 * 1)(ALL_RIGHTS)
    ruleset = libc.syscall(CREATE_RULESET, rights, ctypes.sizeof(rights), 0)
    if ruleset < 0:
        return "interpreter"
    allowed = [(path, EXECUTE | READ_FILE | READ_FOLDER) for path in readable] + [(writable, WORKING)]
    for path, access in [*allowed, ("/dev/null", READ_FILE | WRITE_FILE), ("/dev/urandom", READ_FILE)]:
        try:
            place = os.open(path, os.O_PATH)
        except OSError:
            continue
        access &= ALL_RIGHTS if os.path.isdir(path) else EXECUTE | READ_FILE | WRITE_FILE
        rule = access.to_bytes(8, sys.byteorder) + place.to_bytes(4, sys.byteorder, signed=True)
        libc.syscall(ADD_RULE, ruleset, 1, rule, 0)
        os.close(place)
    libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    return "kernel" if libc.syscall(RESTRICT_SELF, ruleset, 0) == 0 else "interpreter"


def make_guard(readable: list[str], writable: str) -> Callable[[str, tuple[Any, ...]], None]:
    """An audit hook that refuses the network, other processes, foreign code, and all paths but these."""

    def check(path: Any, roots: list[str], event: str) -> None:
        if path is None or isinstance(path, int):
            return
        real = os.path.realpath(os.fsdecode(path))
        if real != os.devnull and not any(real == root or real.startswith(root + os.sep) for root in roots):
            raise PermissionError(f"{event} of {real} is closed to a dataset script")

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event.startswith(CLOSED) or event in CLOSED_NAMES:
            raise PermissionError(f"{event} is closed to a dataset script")
        if event == "open":
            writes = any(mark in (args[1] or "") for mark in "wax+") or args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            check(args[0], [writable] if writes else [*readable, writable], event)
        elif event in WRITING:
            for path in (value for value in args if isinstance(value, str | bytes)):
                check(path, [writable], event)
        elif event in READING:
            check(args[0], [*readable, writable], event)

    return hook


class LocalFiles:
    """What a script knows as its download manager: files that lie beside it, and nothing from elsewhere."""

    is_streaming = False

    def __init__(self, base: Path) -> None:
        self.base = base
        self.manual_dir = str(base)

    def download(self, asked: Any) -> Any:
        """The paths of files named by path or URL, in the shape in which they were asked for."""
        if isinstance(asked, dict):
            return {key: self.download(value) for key, value in asked.items()}
        if isinstance(asked, list | tuple):
            return [self.download(value) for value in asked]
        name = str(asked)
        path = self.base / (name.split("?")[0].rsplit("/", 1)[-1] if "://" in name else name)
        if not path.exists():
            raise FileNotFoundError(f"it asks for {name}; put {path.name} beside it")
        return str(path)

    def extract(self, paths: Any) -> Any:
        """The paths as they are: archives are to be unpacked beforehand."""
        return self.download(paths)

    download_and_extract = download

    def iter_files(self, paths: Any) -> Iterator[str]:
        """Every file below the paths."""
        for path in map(Path, [paths] if isinstance(paths, str) else paths):
            yield from sorted(map(str, (p for p in path.rglob("*") if p.is_file()))) if path.is_dir() else [str(path)]


def generate(asked: dict[str, Any], code: bytes) -> Iterator[dict[str, Any]]:
    """The examples of the script's builder for a split; ValueError where there is no such builder or split."""
    import datasets

    script = Path(asked["script"])
    module = ModuleType(script.stem)
    module.__file__ = str(script)
    sys.modules[script.stem] = module
    exec(compile(code, str(script), "exec"), vars(module))  # noqa: S102  what the person asked for
    made = [one for one in vars(module).values() if inspect.isclass(one) and one.__module__ == module.__name__]
    builders: list[Any] = [one for one in made if issubclass(one, datasets.GeneratorBasedBuilder)]
    if len(builders) != 1:
        raise ValueError(f"it defines {len(builders)} builders of examples, not one")
    builder = builders[0](cache_dir=asked["work"], config_name=asked["subset"], base_path=str(script.parent))
    splits = {str(one.name): one.gen_kwargs for one in builder._split_generators(LocalFiles(script.parent))}
    if asked["split"] not in splits:
        raise ValueError(f"it has no split {asked['split']}, but {', '.join(splits)}")
    for _, example in builder._generate_examples(**splits[asked["split"]]):
        yield example


def main() -> None:
    """Close everything, run the script, write what it gives; what goes wrong is said in one line of error.txt."""
    asked = json.loads(sys.argv[1])
    work = os.path.realpath(asked["work"])
    limits = {"CPU": asked["seconds"], "AS": MEMORY, "FSIZE": WRITTEN, "CORE": 0}
    for name, most in limits.items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (most, most))
    try:
        import datasets  # noqa: F401  before all is closed: it looks around where it is imported

        code = Path(asked["script"]).read_bytes()
        if hashlib.sha256(code).hexdigest() != asked["sha256"]:
            raise ValueError("the script changed while it was read")
        own = [os.path.realpath(path) for path in (sys.prefix, sys.base_prefix, os.path.dirname(os.__file__))]
        system = [
            path for path in ("/usr/lib", "/usr/share/zoneinfo", "/lib", "/lib64", "/etc/ssl") if Path(path).is_dir()
        ]
        readable = [os.path.realpath(asked["folder"]), *own, *map(os.path.realpath, system)]
        libc = ctypes.CDLL(None, use_errno=True)
        held = {"network": close_network(libc), "files": close_files(libc, readable, work)}
        sys.addaudithook(make_guard(readable, work))
        os.write(1, json.dumps(held).encode())
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the script is not to speak for us
        with open(os.path.join(work, "examples.jsonl"), "w", encoding="utf-8") as sink:
            for example in generate(asked, code):
                sink.write(json.dumps(example, ensure_ascii=False) + "\n")
    except BaseException as error:
        said = f"{type(error).__name__}: {error}".replace("\n", " ")
        with open(os.path.join(work, "error.txt"), "w", encoding="utf-8") as sink:
            sink.write(said[:1000])
        sys.exit(1)


if __name__ == "__main__":
    main()
