"""Dataset scripts: refused; or, when trusted, run shut off from everything but their own folder."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from care_train.dataset_info import scripts
from care_train.dataset_info.entries import Entry
from care_train.errors import CareError, Exit

pytest.importorskip("datasets")

SCRIPT = """
import json
import os
import datasets

class Toy(datasets.GeneratorBasedBuilder):
    BUILDER_CONFIGS = [datasets.BuilderConfig(name="zh"), datasets.BuilderConfig(name="en")]
    DEFAULT_CONFIG_NAME = "zh"

    def _info(self):
        return datasets.DatasetInfo(features=datasets.Features({"q": datasets.Value("string")}))

    def _split_generators(self, dl_manager):
        path = dl_manager.download_and_extract(PATH)
        return [datasets.SplitGenerator(name=datasets.Split.TRAIN, gen_kwargs={"path": path})]

    def _generate_examples(self, path):
        TROUBLE
        with open(path, encoding="utf-8") as source:
            for number, line in enumerate(source):
                yield number, {"q": line.strip() + self.config.name, "a": "答"}
"""
COLUMNS = {"prompt": "q", "response": "a"}


@pytest.fixture
def run(tmp_path: Path, write_info: Any, load: Any) -> Any:
    """A function that loads a folder `toy` with a script of this trouble."""

    def start(trouble: str = "pass", path: str = '"lines.txt"', trusted: bool = True, **keys: Any) -> Any:
        folder = tmp_path / "toy"
        folder.mkdir(exist_ok=True)
        (folder / "lines.txt").write_text("一\n二\n", encoding="utf-8")
        (folder / "toy.py").write_text(SCRIPT.replace("PATH", path).replace("TROUBLE", trouble), encoding="utf-8")
        entry = {"script_url": "toy", "columns": COLUMNS, **keys}
        return load(write_info(entry), "mm", "sft", trust_dataset_scripts=trusted)

    return start


def refuse(run: Any, **words: Any) -> CareError:
    with pytest.raises(CareError) as caught:
        run(**words)
    return caught.value


def test_a_script_is_refused_with_the_ways_out(run: Any) -> None:
    error = refuse(run, trusted=False)
    assert error.code == Exit.POLICY
    assert str(error) == (
        "mm: script_url is refused. Scripts are programs and are not run: convert the data with care-data or give "
        "file_name. If you have read the script and trust it, --trust_dataset_scripts runs it shut off from network "
        "and files."
    )


def test_a_trusted_script_gives_its_examples_and_what_ran_is_told(run: Any, tmp_path: Path) -> None:
    data = run()
    assert data.table["prompt"].to_pylist() == ["一zh", "二zh"]
    assert data.table["response"].to_pylist() == ["答", "答"]
    script = tmp_path / "toy/toy.py"
    digest = scripts.hash_file(script, "sha256")
    assert data.sources == {"mm": f"script:toy@{digest}"}
    (note,) = data.notes
    assert note.startswith(f"mm: ran {script} (sha256 {digest}) in ")
    assert "s, 2 examples; network shut by the " in note
    assert run(subset="en", script_url="toy/toy.py").table["prompt"].to_pylist() == ["一en", "二en"]


def test_a_url_is_looked_for_beside_the_script_and_never_fetched(run: Any) -> None:
    assert run(path='{"train": ["https://example.com/x/lines.txt?download=1"]}["train"][0]').rows == {"mm": 2}
    assert str(refuse(run, path='"https://example.com/x/data.zip"')) == (
        "mm: toy.py: the script failed (FileNotFoundError: it asks for https://example.com/x/data.zip; put data.zip "
        "beside it). Mend the script, or convert the data and give file_name."
    )


CLOSED = {
    "import socket; socket.create_connection(('127.0.0.1', 9))": "socket.",
    "import asyncio; asyncio.run(asyncio.open_connection('127.0.0.1', 9))": "socket.",
    "import subprocess; subprocess.run(['true'])": "subprocess.Popen",
    "os.system('true')": "os.system",
    "os.fork()": "os.fork",
    "import ctypes; ctypes.CDLL(None)": "ctypes.",
    "open('/etc/passwd')": "open of /etc/passwd",
    "open(os.path.join(os.path.dirname(path), 'left.txt'), 'w')": "open of ",
    "os.remove(path)": "os.remove of ",
    "os.symlink('/etc/passwd', os.path.join(os.path.dirname(path), 'x'))": "os.symlink of ",
    "os.listdir('/')": "os.listdir of /",
}
"""What a script might try, and the words of the refusal."""

TRY = """
        for number, attempt in enumerate(ATTEMPTS):
            try:
                exec(attempt, {"os": os, "path": path})
                yield -number, {"q": "done", "a": attempt}
            except PermissionError as error:
                yield -number, {"q": str(error), "a": attempt}
"""


def test_what_a_script_must_not_do_it_cannot(run: Any, tmp_path: Path) -> None:
    table = run(trouble=TRY.strip().replace("ATTEMPTS", repr(list(CLOSED)))).table
    told = dict(zip(table["response"].to_pylist(), table["prompt"].to_pylist(), strict=True))
    for attempt, said in CLOSED.items():
        assert told[attempt].startswith(said), attempt
        assert told[attempt].endswith(" is closed to a dataset script")
    assert sorted(path.name for path in (tmp_path / "toy").iterdir()) == ["lines.txt", "toy.py"]


def test_the_kernel_holds_what_the_interpreter_does_not_see(run: Any) -> None:
    """Arrow opens files without asking Python."""
    if "files shut by the kernel" not in run().notes[0]:
        pytest.skip("no Landlock here")
    error = refuse(run, trouble="import pyarrow; pyarrow.OSFile('/etc/passwd').read()")
    assert "the script failed (PermissionError: [Errno 13] Failed to open local file '/etc/passwd'" in str(error)


def test_a_script_sees_no_environment_and_may_write_only_its_own_temporary_folder(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    trouble = (
        "assert 'HF_TOKEN' not in os.environ, os.environ; import tempfile; "
        "open(os.path.join(tempfile.mkdtemp(), 'x'), 'w').close(); assert os.environ['HOME'] == os.getcwd()"
    )
    assert run(trouble=trouble).rows == {"mm": 2}


def test_a_script_that_does_not_end_is_stopped(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scripts, "SECONDS", 4)
    error = refuse(run, trouble="import time; time.sleep(60)")
    assert str(error).startswith("mm: toy.py: the script was stopped after 4 s.")
    assert error.code == Exit.LIMIT


def test_only_a_script_inside_the_dataset_folder_is_run(run: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "toy.py"
    outside.write_text("raise SystemExit")
    for stated, said in (
        (str(outside), "mm: script_url leads outside the dataset folder."),
        ("../x", "mm: script_url leads outside the dataset folder."),
        ("https://example.com/toy.py", "mm: script_url is no file here."),
        ("hub://toy", "mm: script_url is no file here."),
    ):
        error = refuse(run, script_url=stated)
        assert str(error).startswith(said)
        assert error.code == Exit.POLICY
    assert str(refuse(run, script_url="none")).startswith("mm: no script none in none. It names a folder NAME")


def test_a_link_out_of_the_folder_is_refused(run: Any, tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text(json.dumps([]))
    (tmp_path / "toy").mkdir()
    os.symlink(tmp_path / "secret.json", tmp_path / "toy/secret.json")
    assert "open of " in str(refuse(run, path='"secret.json"'))


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"split": "test"}, "ValueError: it has no split test, but train"),
        ({"subset": "fr"}, "ValueError: BuilderConfig 'fr' not found"),
        ({"trouble": "raise RuntimeError('kaputt')"}, "RuntimeError: kaputt"),
        ({"trouble": "import sys; sys.exit(3)"}, "SystemExit: 3"),
        ({"trouble": "os._exit(3)"}, "it ended with 3"),
    ],
)
def test_a_script_that_fails_says_why(run: Any, keys: dict[str, Any], said: str) -> None:
    assert str(refuse(run, **keys)).startswith(f"mm: toy.py: the script failed ({said}")


def test_a_script_that_changed_since_it_was_told_of_is_not_run(tmp_path: Path) -> None:
    script = tmp_path / "toy.py"
    script.write_text("import os; os._exit(9)")
    entry = Entry("mm", tmp_path, {"script_url": "toy.py"})
    with pytest.raises(CareError, match=r"the script failed \(ValueError: the script changed while it was read\)"):
        scripts._run(entry, script, "0" * 64, str(tmp_path))
