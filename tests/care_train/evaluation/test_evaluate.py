"""The command `eval` as a person runs it: table, JSON, files, refusals, two models."""

import json
from pathlib import Path

import pytest

from care_train import cli

FEW = ["--max_new_tokens", "4", "--batch_size", "8"]


@pytest.fixture
def run(exams, tiny, capsys, tmp_path, monkeypatch):
    """Runs `eval` on the tiny base; gives exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str, model: bool = True):
        chosen = ["--model_name_or_path", str(tiny), "--template", "plain"] if model else []
        code = cli.run(["eval", *words, *chosen])
        seen = capsys.readouterr()
        return code, seen.out, seen.err

    return run


@pytest.fixture(scope="module")
def adapter(tiny, tmp_path_factory) -> Path:
    """An adapter on the tiny base that has learned nothing, with the note of a run on toy_sft_test."""
    from peft import LoraConfig, get_peft_model

    from care_train.config import ModelSettings
    from care_train.models import load_model

    folder = tmp_path_factory.mktemp("adapter")
    model = get_peft_model(
        load_model(ModelSettings(model_name_or_path=str(tiny))),
        LoraConfig(task_type="CAUSAL_LM", target_modules=["q_proj"]),
    )
    model.save_pretrained(folder)
    note = {"template": "llama2", "base": str(tiny), "datasets": {"toy_sft_test": 4}, "settings": {}}
    (folder / "care_train.json").write_text(json.dumps(note))
    return folder


def test_a_table_json_and_files_that_agree(run, exams, tmp_path):
    words = ["--dataset_dir", str(exams), "--dataset", "toy_eval,words_eval", "--output_dir", "out"]
    code, out, err = run(*words)
    assert (code, err.count("warning")) == (0, 0)
    lines = out.splitlines()
    assert lines[0].split()[:4] == ["choices", "items", "right", "accuracy"]
    results = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    told = [
        json.loads(line) for line in (tmp_path / "out" / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    overall = results["choices"]["overall"]
    assert overall["items"] == len(told) == 18
    assert overall["correct"] == sum(one["correct"] for one in told)
    assert set(results["choices"]["subjects"]) == {"内科", "护理", "words_eval"}
    assert (results["data"]["toy_eval"]["role"], results["model"]["template"]) == ("benchmark", "plain")
    line = next(line for line in lines if line.startswith("all "))
    assert line.split()[1:4] == ["18", str(overall["correct"]), f"{overall['accuracy']:.1%}"]
    assert lines[-3:] == [f"out/{name}" for name in ("results.json", "predictions.jsonl", "report.html")]
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert set(before) == {"results.json", "predictions.jsonl", "report.html"}
    assert run(*words)[0] == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    code, out, _ = run(*words, "--json")
    assert json.loads(out) == results


def test_every_kind_of_data_in_its_own_way(run, exams):
    given = ["--dataset_dir", str(exams)]
    code, out, _ = run(
        *given, "--dataset", "toy_*", "--by", "generation", "--shots", "1", "--max_samples", "3", *FEW, "--json"
    )
    found = json.loads(out)
    assert code == 0
    assert (found["choices"]["overall"]["items"], found["answers"]["overall"]["items"]) == (6, 3)
    assert 0 <= found["answers"]["overall"]["bleu-4"]["value"] <= 100
    code, out, _ = run(*given, "--dataset", "toy_pt_test", "--perplexity", "--window", "32", "--json")
    told = json.loads(out)["texts"]["overall"]
    assert (code, told["items"]) == (0, 6)
    assert told["perplexity"] > 1
    assert told["bytes"] == 3 * told["characters"]


def test_training_data_is_refused_unless_it_is_what_is_meant(run, exams, adapter):
    given = ["--dataset_dir", str(exams), *FEW]
    code, out, err = run(str(adapter), "--dataset", "toy_sft_test", *given, model=False)
    assert (code, out) == (7, "")
    assert "toy_sft_test: is what the model was trained on." in err
    code, out, _ = run(str(adapter), "--dataset", "toy_sft_test", "--on_training_data", *given, model=False)
    assert code == 0
    assert "what the model remembers, not what it can do" in out


def test_two_models_side_by_side_and_again_from_their_files(run, exams, adapter, tiny, tmp_path):
    given = ["--dataset_dir", str(exams), "--dataset", "toy_eval"]
    code, out, err = run(str(adapter), *given, "--against", str(tiny), "--output_dir", "both", model=False)
    assert code == 0, err
    found = json.loads((tmp_path / "both" / "results.json").read_text(encoding="utf-8"))
    # A fresh adapter changes nothing, and the base is asked in the adapter's template
    assert (found["model"]["template"], found["against"]["model"]["template"]) == ("llama2", "llama2")
    one = found["comparison"]["choices"]
    assert (one["only_first"], one["only_second"], one["p"]) == (0, 0, 1.0)
    assert one["both"] + one["neither"] == 12
    assert "p McNemar" in out
    code, out, err = run(*given, "--against", str(adapter), "--json")  # each in its own template
    second = json.loads(out)["against"]["model"]
    assert (code, second["template"], "warning" in err) == (0, "llama2", False)
    assert run(*given, "--output_dir", "alone")[0] == 0
    again = ["both/results.json", "--against", "alone/results.json"]
    code, out, _ = run(*again, "--json", model=False)
    assert code == 0
    counts = json.loads(out)["comparison"]["choices"]
    mine, theirs = (
        [
            json.loads(line)["correct"]
            for line in (tmp_path / name / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
        ]
        for name in ("both", "alone")
    )
    assert counts["only_first"] == sum(x and not y for x, y in zip(mine, theirs, strict=True))
    assert counts["only_second"] == sum(y and not x for x, y in zip(mine, theirs, strict=True))
    assert run(*given, "--shots", "1", "--output_dir", "shots")[0] == 0
    code, _, err = run("both/results.json", "--against", "shots/results.json", model=False)
    assert code == 2
    assert "the two were measured with --shots 0 and 1. Measure both in the same way." in err
    assert run(*given, "--language", "en", "--output_dir", "english")[0] == 0
    code, _, err = run("both/results.json", "--against", "english/results.json", model=False)
    assert code == 2
    assert "the two were measured with --language " in err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--dataset", "toy_eval"], 2, "nothing to measure. Name an adapter's folder"),
        (["x"], 2, "no data to measure with. Name it with --dataset or --file."),
        (["x", "--dataset", "a", "--file", "b"], 2, "--dataset and --file exclude each other."),
        (["x.json", "--against", "y.json", "--file", "b"], 2, "earlier results need no data."),
        (["x", "--file", "b", "--normalise", "token"], 2, "--normalise is for --score text."),
        (["x", "--file", "b", "--score", "text", "--by", "generation"], 2, "--score is for --by likelihood."),
        (["x", "--file", "b", "--overlap", "1"], 2, "--overlap 1.0 is no share of a window."),
        (["x", "--file", "b", "--perplexity", "--shots", "2"], 2, "--perplexity reads texts, not items."),
        (["x", "--file", "b", "--max_samples", "0"], 2, "--shots below 0 or --max_samples below 1."),
        (["x", "--file", "b", "--window", "1"], 2, "--window 1 foretells nothing."),
        (["x", "--file", "b", "--batch_size", "0"], 2, "--batch_size below 1"),
        (["x", "--file", "b", "--max_new_tokens", "0"], 2, "--max_new_tokens 0"),
        (["nowhere", "--file", "b"], 1, "nowhere: no adapter there."),
        (["nowhere.json"], 1, "nowhere.json: no results there (FileNotFoundError"),
    ],
)
def test_errors_are_one_line_and_have_their_code(run, words, code, said, tmp_path):
    found, out, err = run(*words, model=False)
    assert (found, out) == (code, "")
    assert err.splitlines()[-1].startswith(f"care-train: {said}")
    assert list(tmp_path.iterdir()) == []


def test_results_without_their_predictions_are_refused(run, exams, tmp_path):
    assert run("--dataset_dir", str(exams), "--dataset", "toy_val", "--output_dir", "out")[0] == 0
    path = tmp_path / "out" / "predictions.jsonl"
    path.write_text("".join(path.read_text(encoding="utf-8").splitlines(keepends=True)[:-1]), encoding="utf-8")
    code, _, err = run("out/results.json", model=False)
    assert code == 1
    assert "out/results.json: 5 predictions, but results of 6." in err
