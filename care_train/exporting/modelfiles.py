"""The Modelfile of an export: what Ollama is told of a model, its template in Go's template language.

Ollama gives a template .System, all system messages in one, and .Messages with .Role and .Content; where it begins
a prompt with the tokenizer's bos by itself, the template is not to write it again. The space of SentencePiece after a
token is put there by llama.cpp, so that joints' `mark` is left out.
"""

from typing import Any

from care_train.exporting.chat_templates import MARKS, Joints, writes_bos
from care_train.templates import Template

CONTEXT = 8192
"""num_ctx at most: Ollama sets that much memory aside, and models state far longer windows."""
HEAD = """# For Ollama, in this folder:   ollama create NAME -f Modelfile
# From a GGUF file made of it:  put the file's name in the place of the dot.
FROM .
"""
UNTOLD = """# No TEMPLATE: what this model was trained with cannot be written for Ollama; there it would answer worse.
"""


def write_modelfile(
    tokenizer: Any, template: Template | None, joints: Joints, system: str, stops: list[str], window: int
) -> str:
    """The Modelfile as text. template: one of ours, None where there is no equal one; stops: what ends an answer."""
    parts = [HEAD]
    parts.append(f"TEMPLATE {_quote(write_go(tokenizer, template, joints))}\n" if template else UNTOLD)
    if system:
        parts.append(f"SYSTEM {_quote(system)}\n")
    parts += [f"PARAMETER stop {_quote(stop)}\n" for stop in stops]
    return "".join([*parts, f"PARAMETER num_ctx {min(window, CONTEXT)}\n"])


def write_go(tokenizer: Any, template: Template, joints: Joints) -> str:
    """The template in Go's template language."""
    bos = tokenizer.bos_token if writes_bos(tokenizer, template) else ""
    known: dict[str, str] = {
        "{bos}": bos,
        "{eos}": tokenizer.eos_token,
        "{cut}": joints.cut,
        "{question}": "{{ .Content }}",
        "{answer}": "{{ .Content }}",
        "{round}": "{{ len $turns }}",
    }

    def express(layout: str, shown: str = "") -> str:
        return "".join({**known, "{system}": shown}.get(part, part) for part in MARKS.split(layout))

    system = "{{ if $.System }}" + express(template.system, "{{ $.System }}") + "{{ end }}"
    asked = []
    for role, user in (("user", template.user), ("tool", template.observation)):
        if user:
            first, later = template.prefix + user, template.between + user.replace("{system}", "")
            opening = express(first, system)
            if bos and adds_bos(tokenizer):
                opening = opening.removeprefix(bos)
            asked.append(
                f'if eq .Role "{role}" }}}}{{{{ $turns = printf "%s." $turns }}}}'
                f"{{{{ if eq (len $turns) 1 }}}}{opening}"
                f"{{{{ else }}}}{joints.turn}{express(later)}{{{{ end }}}}"
            )
    before, _, after = template.assistant.partition("{answer}")
    answer = joints.answer + express(before) + "{{ .Content }}{{ if not $last }}" + express(after) + "{{ end }}"
    return (
        '{{ $turns := "" }}{{ range $i, $_ := .Messages }}{{ $last := eq (len (slice $.Messages $i)) 1 }}{{ '
        + "{{ else ".join([*asked, f'if eq .Role "assistant" }}}}{answer}'])
        + "{{ end }}{{ end }}"
    )


def adds_bos(tokenizer: Any) -> bool:
    """Whether the tokenizer begins every text with its bos token."""
    return bool(tokenizer("a")["input_ids"][:1] == [tokenizer.bos_token_id])


def _quote(text: str) -> str:
    return f'"""{text}"""'
