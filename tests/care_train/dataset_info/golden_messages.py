"""What LLaMA-Factory's own converters make of its demo files, as digests; writes golden_messages.json beside this.

    python golden_messages.py FOLDER

FOLDER holds the package's dataset_info.json and demo files. Only its converter is run, out of the published wheel;
of a record marked good or bad (kto_tag) the mark is left out, as it is for fine-tuning here.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

VERSION = "0.9.5"
DEMOS = ("identity", "alpaca_en_demo", "alpaca_zh_demo", "glaive_toolcall_zh_demo", "dpo_en_demo", "dpo_zh_demo",
         "kto_en_demo", "wiki_demo", "c4_demo")  # fmt: skip


def digest(messages: list[dict[str, str]], answers: list[dict[str, str]], system: str, tools: str) -> str:
    """Of one record: what is said before, the answers, the system prompt, the tools."""
    whole = json.dumps([messages, answers, system, tools], ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(whole.encode()).hexdigest()[:16]


def read_package(folder: Path) -> tuple[Any, Any]:
    """The modules parser and converter of the wheel, alone."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "-q", "-d", folder, f"llamafactory=={VERSION}"]
    subprocess.run(command, check=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(folder)
    from enum import StrEnum

    roles = ("user", "assistant", "system", "function", "observation")
    stubs = {
        "lf": {"__path__": []}, "lf.data": {"__path__": []}, "lf.extras": {"__path__": []},
        "lf.data.data_utils": {"Role": StrEnum("Role", {name.upper(): name for name in roles})},
        "lf.extras.logging": {"get_logger": lambda name: SimpleNamespace(warning_rank0=print)},
        "lf.extras.constants": {"DATA_CONFIG": "dataset_info.json"},
        "lf.extras.misc": {"use_modelscope": lambda: False, "use_openmind": lambda: False},
    }  # fmt: skip
    for name, content in stubs.items():
        sys.modules[name] = ModuleType(name)
        vars(sys.modules[name]).update(content)
    sys.modules["lf.extras"].logging = sys.modules["lf.extras.logging"]  # type: ignore[attr-defined]
    made = []
    for name in ("parser", "converter"):
        module = ModuleType(f"lf.data.{name}")
        module.__package__ = "lf.data"
        sys.modules[module.__name__] = module
        exec((folder / f"llamafactory/data/{name}.py").read_text(), vars(module))  # noqa: S102
        made.append(module)
    return made[0], made[1]


def read_rows(folder: Path, name: str) -> list[dict[str, Any]]:
    """The records of a file as the `datasets` library gives them."""
    text = (folder / name).read_text(encoding="utf-8")
    if name.endswith(".txt"):
        return [{"text": line} for line in text.splitlines()]
    return json.loads(text) if name.endswith(".json") else [json.loads(line) for line in text.splitlines()]


def main() -> None:
    """Write the digests of every record of every demo."""
    given = Path(sys.argv[1])
    golden: dict[str, Any] = {"made by": f"golden_messages.py of llamafactory {VERSION}", "demos": {}}
    with tempfile.TemporaryDirectory() as work:
        parser, converter = read_package(Path(work))
    for name in DEMOS:
        (attributes,) = parser.get_dataset_list([name], str(given))
        attributes.kto_tag = None
        convert = converter.get_dataset_converter(attributes.formatting, attributes, SimpleNamespace(media_dir=""))
        made = [convert(row) for row in read_rows(given, attributes.dataset_name)]
        golden["demos"][name] = [
            digest(one["_prompt"], one["_response"], one["_system"] or "", one["_tools"] or "") for one in made
        ]
    path = Path(__file__).with_name("golden_messages.json")
    path.write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
