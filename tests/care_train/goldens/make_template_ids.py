"""Ids of two conversations by other trainers: template_ids.json, which test_tokens.py compares with ours.

    python tests/care_train/goldens/vocabularies.py VOCABULARIES    # in our environment, with .[train,dev]
    pip download --no-deps llmtuner==0.7.1 llmtuner==0.1.7          # one by one, each unzipped into a folder
    python tests/care_train/goldens/make_template_ids.py VOCABULARIES LLMTUNER_0_7_1 LLMTUNER_0_1_7

The last runs in the environment that bench/llamafactory_loads.py makes (llamafactory 0.9.5). llmtuner is the name
under which LLaMA-Factory was published before: 0.7.1 is the last with the templates of 2023, 0.1.7 the one of
CareLlama. Of each, its module of templates alone is run.
"""

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

HERE = Path(__file__).parent
TALKS: dict[str, dict[str, Any]] = {
    "short": {"system": None, "exchanges": [["My head aches. What now?", "Rest, and drink some water."]]},
    "dialogue": {
        "system": "你是一位耐心的医生。",
        "exchanges": [["我头痛，两天了。", "量过体温吗？\n有没有发烧？"], ["37.2 度，不发烧。", "那就先休息 🙂。"]],
    },
}
"""No example is of a corpus; no text begins with a space or a line break."""
TODAY = {
    **{name: name for name in ("llama2", "llama3", "alpaca", "vicuna", "chatml", "qwen")},
    **{name: name for name in ("chatglm3", "glm4", "deepseek", "deepseek3")},
    "internlm2": "intern2",
}
LAST = {
    **{name: name for name in ("ziya", "baichuan", "baichuan2", "chatglm2")},
    "internlm": "intern",
}
"""Our names of templates to theirs."""


def ask_today(tokenizer: Any, name: str, talk: dict[str, Any]) -> list[Any]:
    from llamafactory.data.template import TEMPLATES

    template = TEMPLATES[name]
    template.fix_special_tokens(tokenizer)
    return [list(map(list, template.encode_multiturn(tokenizer, list_messages(talk), talk["system"] or "")))]


def ask_last(folder: str, tokenizer: Any, name: str, talk: dict[str, Any]) -> list[Any]:
    module = load_alone(folder, "llmtuner.data.template")
    template = module.templates[name]
    pairs = template.encode_multiturn(tokenizer, list_messages(talk), talk["system"] or "", "", 10_000, 1)
    return [list(map(list, pairs))]


def ask_2023(folder: str, tokenizer: Any, talk: dict[str, Any]) -> list[Any]:
    template = load_alone(folder, "llmtuner.extras.template").templates["llama2"]
    *history, (question, answer) = talk["exchanges"]
    return [list(map(list, template.encode_multiturn(tokenizer, question, answer, history, talk["system"])))]


def load_alone(folder: str, name: str) -> Any:
    """A module without the `__init__` of the packages it is in, which ask for more than is installed."""
    for known in [known for known in sys.modules if known.startswith("llmtuner")]:
        del sys.modules[known]
    parts = name.split(".")[:-1]
    for depth in range(len(parts)):
        package = ModuleType(".".join(parts[: depth + 1]))
        package.__path__ = [str(Path(folder, *parts[: depth + 1]))]
        sys.modules[package.__name__] = package
    return importlib.import_module(name)


def list_messages(talk: dict[str, Any]) -> list[dict[str, str]]:
    roles = ("user", "assistant")
    return [
        {"role": role, "content": text} for pair in talk["exchanges"] for role, text in zip(roles, pair, strict=True)
    ]


def main(vocabularies: str, last: str, earliest: str) -> None:
    from transformers import AutoTokenizer

    told: dict[str, Any] = {"talks": TALKS, "ids": {}}
    for vocabulary in sorted(path.name for path in Path(vocabularies).iterdir()):
        asked = {name: lambda t, talk, theirs=theirs: ask_today(t, theirs, talk) for name, theirs in TODAY.items()}
        asked |= {name: lambda t, talk, theirs=theirs: ask_last(last, t, theirs, talk) for name, theirs in LAST.items()}
        asked["llama2_care"] = lambda t, talk: ask_2023(earliest, t, talk)
        told["ids"][vocabulary] = {}
        for name, ask in asked.items():
            tokenizer = AutoTokenizer.from_pretrained(Path(vocabularies) / vocabulary)
            told["ids"][vocabulary][name] = {key: ask(tokenizer, talk)[0] for key, talk in TALKS.items()}
    text = json.dumps(told, ensure_ascii=False, separators=(",", ":")).replace('},"', '},\n"')
    (HERE / "template_ids.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:4])
