"""The command line: help, exit codes, what goes to stdout, and the launcher."""

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import care_train
from care_train import cli
from care_train.arguments import list_flags

ROOT = Path(care_train.__file__).parents[1]


def spawn(*command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_help_shows_every_flag_with_its_line(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([command, "--help"]) == 0
    shown = capsys.readouterr().out
    flags = list_flags(cli.COMMANDS[command][0])
    assert len(flags) > 10
    for name, flag in flags.items():
        assert f"  --{name} " in shown
        assert flag.field.metadata["help"].split()[0] in shown
    assert max(map(len, shown.splitlines())) <= 110


def test_overview_lists_the_commands_and_loads_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys; from care_train import cli; cli.run(['--help']); cli.run(['sft', '--help']);"
        "print(sorted({'torch', 'transformers', 'peft', 'pyarrow', 'numpy', 'matplotlib'} & set(sys.modules)))"
    )
    done = spawn("-c", code, folder=tmp_path)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "[]"
    assert re.search(r"  sft +Supervised fine-tuning", done.stdout)
    assert re.search(r"  chat +Talk with", done.stdout)


@pytest.mark.parametrize(
    ("line", "said", "code"),
    [
        ("sfft", "care-train: no command sfft. Did you mean sft?", 2),
        ("--dataset x", f"care-train: no command. There are: {', '.join(cli.COMMANDS)}.", 2),
        ("--stage ppo", f"care-train: stage ppo is not offered. There are: {', '.join(cli.STAGES)}.", 2),
        ("--stage=sft", "care-train: --model_name_or_path, --dataset, --template, --output_dir missing.", 2),
        ("sft words", "care-train: words is no recipe and no key=value.", 2),
        ("sft --lora_rnk 3", "care-train: --lora_rnk is unknown. Did you mean --lora_rank?", 2),
        ("chat a b", "care-train: b is one word too many.", 2),
        ("web x --port 99999", "care-train: --port 99999 is none. Give one up to 65535.", 2),
        ("web x --max_batch 0", "care-train: --max_batch 0 is too small. Give at least 1.", 2),
        ("chat x --question \t", "care-train: the question is empty.", 2),
        ("chat nowhere --question x", "care-train: nowhere: no adapter there.", 1),
        (
            "sft output_dir=o model_name_or_path=m dataset=d template=llama2 dataset_dir=nowhere",
            "care-train: nowhere: no dataset_info.json there, nor in a release under it.",
            1,
        ),
        (
            "sft output_dir=o model_name_or_path=m dataset=d template=lama2",
            "care-train: template lama2 is unknown. Did you mean llama2?",
            2,
        ),
    ],
)
def test_errors_are_one_line_and_have_their_code(
    line: str, said: str, code: int, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.run(line.split(" ")) == code
    seen = capsys.readouterr()
    assert seen.err.splitlines()[-1].startswith(said)
    assert seen.out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (OSError(28, "No space left on device"), 8, "No space left"),
        (FileNotFoundError(2, "No such file", "x"), 1, "No such file"),
        (MemoryError(), 8, "out of memory"),
        (ZeroDivisionError("division by zero"), 70, "our bug: ZeroDivisionError: division by zero"),
    ],
)
def test_what_nobody_foresaw(
    error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def act(argv: list[str]) -> None:
        raise error

    monkeypatch.setitem(cli.COMMANDS, "chat", (cli.COMMANDS["chat"][0], act))
    assert cli.run(["chat"]) == code
    seen = capsys.readouterr().err
    assert seen.count("\n") == 1
    assert said in seen
    assert cli.run(["chat", "--debug"]) == code
    assert "Traceback" in capsys.readouterr().err


def test_chat_answers_once_as_text_and_as_json(
    trained: tuple[Path, Any, list[str]], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    line = ["chat", str(trained[0]), "--max_new_tokens", "8"]
    assert cli.run([*line, "--question", "头痛了怎么办？"]) == 0
    seen = capsys.readouterr()
    assert seen.out.endswith("\n")
    assert len(seen.out.strip()) > 0
    assert "not a doctor's advice" in seen.err
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("头痛了怎么办？\n".encode())))
    assert cli.run([*line, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["question"] == "头痛了怎么办？"
    assert answer["answer"] == seen.out.strip()
    assert answer["template"] == "llama2"


def test_sft_prints_its_settings_and_one_json_object(
    tiny: Path, release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text(
        f'model_name_or_path = "{tiny}"\ndataset_dir = "{release}"\ndataset = "toy_*"\ntemplate = "llama2"\n'
        f'output_dir = "{tmp_path / "out"}"\nquantization_bit = 4\nmax_steps = 2\nlearning_rate = 1e-2\n'
        "per_device_train_batch_size = 24\n",
        encoding="utf-8",
    )
    assert cli.run(["sft", str(recipe), "--json", "lora_rank=2"]) == 0
    seen = capsys.readouterr()
    result = json.loads(seen.out)
    assert (result["steps"], result["adapter"]) == (2, str(tmp_path / "out"))
    assert result["loss_last"] < result["loss_first"]
    assert "lora      finetuning_type=lora  lora_target=all  lora_rank=2  lora_alpha=4" in seen.err


def test_the_seed_command_runs_verbatim_under_the_launcher(tiny: Path, release: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    (tmp_path / "Llama-2-7b-chat-hf").symlink_to(tiny)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mm.arrow").write_bytes((release / "toy_sft" / "train-00000-of-00002.arrow").read_bytes())
    (tmp_path / "data" / "dataset_info.json").write_text('{"mm": {"file_name": "mm.arrow"}}')
    command = """
        --stage sft --model_name_or_path ./Llama-2-7b-chat-hf --do_train --dataset mm --finetuning_type lora
        --quantization_bit 4 --overwrite_cache --output_dir output --per_device_train_batch_size 8
        --gradient_accumulation_steps 4 --lr_scheduler_type cosine --logging_steps 10 --save_steps 1000
        --learning_rate 5e-5 --num_train_epochs 2.0 --plot_loss --fp16 --template llama2 --lora_target q_proj,v_proj
    """
    done = spawn("-m", "accelerate.commands.launch", "-m", "care_train", *command.split(), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith("2 steps in ")
    for name in ("adapter_model.safetensors", "training_loss.png", "trainer_log.jsonl", "care_train.json"):
        assert (tmp_path / "output" / name).stat().st_size > 0
    note = json.loads((tmp_path / "output" / "care_train.json").read_text())
    assert (note["template"], note["base"], note["datasets"]) == ("llama2", "./Llama-2-7b-chat-hf", {"mm": 12})


def test_without_the_trainers_libraries_it_says_what_to_install(monkeypatch, capsys):
    from care_train import cli

    def act(rest):
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setitem(cli.COMMANDS, "sft", (cli.COMMANDS["sft"][0], act))
    assert cli.run(["sft"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("care-train: the library torch is not installed. Install torch by its pin first")


@pytest.mark.parametrize("setting", [["--max_new_tokens", "0"], ["--temperature", "-1"]])
def test_settings_that_make_no_answer_are_refused(setting, capsys):
    from care_train import cli

    assert cli.run(["chat", "nowhere", "--question", "头痛？", *setting]) == 2
    assert f"{setting[0]} {setting[1]} gives no answer" in capsys.readouterr().err


def test_a_question_that_is_not_utf8_is_refused(monkeypatch, capsys):
    from care_train import cli

    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"ab\xff")))
    assert cli.run(["chat", "nowhere"]) == 2
    assert "byte 2 of stdin is not UTF-8" in capsys.readouterr().err
