"""The Modelfile: what Ollama makes of a conversation is what the chat template makes of it."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from care_train.exporting.chat_templates import TALKS, Joints, list_messages, write_jinja, writes_bos
from care_train.exporting.modelfiles import write_go, write_modelfile
from care_train.templates import TEMPLATES

RENDER = """package main

import (
	"encoding/json"
	"os"
	"strings"
	"text/template"
)

type Message struct{ Role, Content string }

func main() {
	var cases []struct {
		Template string
		Messages []*Message
	}
	if err := json.NewDecoder(os.Stdin).Decode(&cases); err != nil {
		panic(err)
	}
	written := []string{}
	for _, one := range cases {
		var systems []string
		for _, message := range one.Messages {
			if message.Role == "system" {
				systems = append(systems, message.Content)
			}
		}
		var text strings.Builder
		values := map[string]any{"System": strings.Join(systems, "\\n\\n"), "Messages": one.Messages}
		if err := template.Must(template.New("").Parse(one.Template)).Execute(&text, values); err != nil {
			panic(err)
		}
		written = append(written, text.String())
	}
	json.NewEncoder(os.Stdout).Encode(written)
}
"""
"""What Ollama gives a template: all system messages as .System, all messages as .Messages."""


@pytest.mark.skipif(not shutil.which("go"), reason="needs Go")
def test_go_writes_the_text_that_jinja_writes(tokenizer: Any, tmp_path: Path) -> None:
    cases, texts = [], []
    for template in TEMPLATES.values():
        for joints in (Joints(), Joints(" ", " ", " ")) if not template.own else ():
            go = write_go(tokenizer, template, joints)
            jinja = write_jinja(template, "", joints, bos=writes_bos(tokenizer, template))
            for talk in (talk for talk in TALKS if talk.system != ""):
                messages = [{name.title(): text for name, text in one.items()} for one in list_messages(talk)]
                cases.append({"Template": go, "Messages": messages})
                told = {"chat_template": jinja, "tokenize": False, "add_generation_prompt": True}
                texts.append(tokenizer.apply_chat_template(list_messages(talk), **told))
    (tmp_path / "main.go").write_text(RENDER)
    environment = {"PATH": "/usr/bin:/bin:/usr/local/go/bin", "HOME": str(tmp_path), "GOFLAGS": "-mod=mod"}
    done = subprocess.run(
        ["go", "run", "main.go"], cwd=tmp_path, input=json.dumps(cases).encode(), env=environment, capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()
    assert len(cases) > 300
    assert json.loads(done.stdout) == texts


def test_the_file_in_full(tokenizer: Any) -> None:
    text = write_modelfile(tokenizer, TEMPLATES["plain"], Joints(), "Be brief.", ["</s>", "\nQuestion:"], 1 << 20)
    assert text.endswith(
        'FROM .\nTEMPLATE """{{ $turns := "" }}{{ range $i, $_ := .Messages }}'
        "{{ $last := eq (len (slice $.Messages $i)) 1 }}"
        '{{ if eq .Role "user" }}{{ $turns = printf "%s." $turns }}{{ if eq (len $turns) 1 }}'
        "<s>{{ if $.System }}{{ $.System }}\n{{ end }}Question: {{ .Content }}\nAnswer: "
        "{{ else }}Question: {{ .Content }}\nAnswer: {{ end }}"
        '{{ else if eq .Role "assistant" }}{{ .Content }}{{ if not $last }}</s>\n{{ end }}{{ end }}{{ end }}"""\n'
        'SYSTEM """Be brief."""\nPARAMETER stop """</s>"""\nPARAMETER stop """\nQuestion:"""\nPARAMETER num_ctx 8192\n'
    )


def test_no_template_is_better_than_a_wrong_one(tokenizer: Any) -> None:
    text = write_modelfile(tokenizer, None, Joints(), "", ["</s>"], 2048)
    assert 'TEMPLATE "' not in text
    assert "SYSTEM" not in text
    assert text.endswith('PARAMETER stop """</s>"""\nPARAMETER num_ctx 2048\n')


def test_a_bos_that_ollama_writes_itself_is_left_to_it(tokenizer: Any) -> None:
    class Adding:
        """A tokenizer that begins every text with its bos."""

        def __getattr__(self, name: str) -> Any:
            return getattr(tokenizer, name)

        def __call__(self, text: str) -> dict[str, list[int]]:
            return {"input_ids": [tokenizer.bos_token_id, *tokenizer(text)["input_ids"]]}

    assert "1 }}<s>[INST] " in write_go(tokenizer, TEMPLATES["llama2"], Joints())
    written = write_go(Adding(), TEMPLATES["llama2"], Joints())
    assert "1 }}[INST] " in written
    assert "{{ else }}<s>[INST] " in written
