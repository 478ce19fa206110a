"""Tokens a second of the server at 1, 4 and 16 requests at a time, beside plain generation and LLaMA-Factory's server.

python bench/serve.py [--models smollm2,tiny] [--tokens 64] [--rounds 3] [--work FOLDER]

Every side has the same weights in 32 bits, the type their folder states, the same questions, and answers greedily; both
servers are asked over HTTP by threads of this script, whole answers, tokens counted by the servers. `model.generate` is
transformers' own, one question after the other, timed inside its process. The sides run by turns, each alone on the
machine. LLaMA-Factory is installed in an environment of its own (1.9 GB) below the folder, which is kept for the next
run. Exit code 1 where a ratio is missed with smollm2: at 16 requests against 1, and at 1 against `model.generate`.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
TOGETHER = (1, 4, 16)
GROWTH, PLAIN = 4.0, 0.9
"""The least that 16 requests get of what one gets, and one of what plain generation gets."""
TEMPLATES = {"smollm2": ("auto", "smollm2"), "tiny": ("alpaca", "alpaca")}
"""The template of each model, ours and theirs; both end in the model's own end of text."""
QUESTIONS = {
    "smollm2": [
        "What is a fever, and when should I see a doctor?",
        "Name three foods that are rich in iron and say how to cook them.",
        "Why does my back hurt after a day at a desk?",
        "Explain what blood pressure is to a child.",
    ],
    "tiny": ["晚饭后胃胀怎么缓解？", "血压一般什么时候量？", "最近总睡不好，怎么办？", "感冒后多久能运动？"],
}
PATIENCE = 300
"""Seconds that a server may take to start, or to answer."""

Row = dict[str, Any]


# One side each


def generate_plainly(asked: argparse.Namespace) -> None:
    """Tokens and seconds of transformers' own greedy generation, as JSON on stdout."""
    import torch

    from care_train.config import LoadSettings
    from care_train.generation import Talk, fit_prompt, load_chatbot

    load = LoadSettings(model_name_or_path=asked.side, template=asked.template)
    bot = load_chatbot(load, lambda line: None)
    prompts = [fit_prompt(bot, Talk(None, [], question), 0).ids for question in QUESTIONS[asked.models]]

    def answer(ids: list[int]) -> int:
        given = torch.tensor([ids])
        with torch.inference_mode():
            made = bot.model.generate(
                given,
                attention_mask=torch.ones_like(given),
                max_new_tokens=asked.tokens,
                do_sample=False,
                eos_token_id=list(bot.ends),
                pad_token_id=bot.tokenizer.pad_token_id,
            )
        return made.shape[1] - given.shape[1]

    answer(prompts[0])
    started = time.perf_counter()
    said = sum(answer(ids) for ids in prompts)
    print(json.dumps({"tokens": said, "seconds": time.perf_counter() - started}))


@contextmanager
def start(command: list[str], environment: dict[str, str], port: int, health: str) -> Iterator[None]:
    """A server on `port`, from its first good answer at `health` on; RuntimeError with its words where it ends."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **environment})
        try:
            since = time.monotonic()
            while True:
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}{health}", timeout=5)
                    break
                except (urllib.error.URLError, ConnectionError, TimeoutError):
                    if process.poll() is not None or time.monotonic() - since > PATIENCE:
                        log.seek(0)
                        last = log.read().decode(errors="replace")[-2000:]
                        raise RuntimeError(f"{' '.join(command)} does not answer: {last}") from None
                    time.sleep(0.5)
            yield
        finally:
            process.terminate()
            process.wait(60)


def ask(port: int, model: str, question: str, tokens: int) -> int:
    """Tokens of one answer."""
    body = {
        "model": model,
        "messages": [{"role": "user", "content": question}],
        "max_tokens": tokens,
        "temperature": 0,
    }
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310
        return int(json.load(answer)["usage"]["completion_tokens"])


def load_server(port: int, model: str, name: str, together: int, tokens: int) -> float:
    """Tokens a second of so many requests at a time: as many as there are questions each, at least one."""
    questions = QUESTIONS[name] * max(1, together // len(QUESTIONS[name]))
    with ThreadPoolExecutor(together) as pool:
        started = time.perf_counter()
        said = sum(pool.map(lambda question: ask(port, model, question, tokens), questions))
        return said / (time.perf_counter() - started)


# The comparison


def measure(asked: argparse.Namespace, name: str, folder: Path, theirs: Path) -> dict[str, list[dict[int, float]]]:
    """Tokens a second of each side in each round, by the number of requests at a time."""
    rates: dict[str, list[dict[int, float]]] = {"care": [], "model.generate": [], "LLaMA-Factory": []}
    ours, other = TEMPLATES[name]
    environment = {"PYTHONPATH": str(HERE.parent), "HF_HUB_OFFLINE": "1"}
    for _ in range(asked.rounds):
        port = find_port()
        command = [sys.executable, "-m", "care_train", "serve", "--model_name_or_path", str(folder)]
        command += ["--template", ours, "--port", str(port)]
        with start(command, environment, port, "/health"):
            ask(port, folder.name, QUESTIONS[name][0], 4)
            rates["care"].append({n: load_server(port, folder.name, name, n, asked.tokens) for n in TOGETHER})
        words = ["--side", str(folder), "--models", name, "--template", ours, "--tokens", str(asked.tokens)]
        done = subprocess.run(
            [sys.executable, __file__, *words],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=True,
        )
        told = json.loads(done.stdout)
        rates["model.generate"].append({1: told["tokens"] / told["seconds"]})
        port = find_port()
        command = [str(theirs.with_name("llamafactory-cli")), "api", "--model_name_or_path", str(folder)]
        command += ["--template", other]
        with start(command, {**environment, "API_HOST": "127.0.0.1", "API_PORT": str(port)}, port, "/v1/models"):
            ask(port, folder.name, QUESTIONS[name][0], 4)
            rates["LLaMA-Factory"].append({n: load_server(port, folder.name, name, n, asked.tokens) for n in TOGETHER})
    return rates


def find_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def make_model(name: str, folder: Path) -> Path:
    """The folder of a model in 32 bits: the real small one of a package, or a toy that has read invented texts."""
    if name == "smollm2":
        from transformers import AutoModelForCausalLM, AutoTokenizer

        from care_train.smollm2 import locate

        found = locate(name)
        AutoTokenizer.from_pretrained(found).save_pretrained(folder / name)
        AutoModelForCausalLM.from_pretrained(found, dtype="float32").save_pretrained(folder / name)
        return folder / name
    from phrases import ANSWERS, QUESTIONS

    from care_train.tiny import build_tiny

    return Path(build_tiny([*QUESTIONS, *ANSWERS], folder / "tiny", 0, lambda line: None))


def parse() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="smollm2,tiny", help="which, with commas between")
    parser.add_argument("--tokens", type=int, default=64, help="longest answer")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each side")
    parser.add_argument(
        "--work", type=Path, default=Path(tempfile.gettempdir()) / "care-bench", help="where the environment is kept"
    )
    for word in ("--side", "--template"):
        parser.add_argument(word, help=argparse.SUPPRESS)  # of plain generation
    return parser.parse_args()


def main() -> None:
    """Print a table for each model and the ratios; exit code 1 where one is missed."""
    asked = parse()
    if asked.side:
        generate_plainly(asked)
        return
    from llamafactory_loads import install
    from printing import print_head, print_row

    from care_train.errors import CareError

    asked.work.mkdir(parents=True, exist_ok=True)
    missed = False
    with tempfile.TemporaryDirectory(dir=asked.work) as work:
        theirs = install(asked.work / "llamafactory")
        for name in asked.models.split(","):
            print(f"\n{name}, answers of {asked.tokens} tokens at most; load before: {os.getloadavg()[0]:.1f}\n")
            try:
                rates = measure(asked, name, make_model(name, Path(work)), theirs)
            except (CareError, RuntimeError) as error:
                sys.exit(f"serve.py: {error}")
            print_head(["tokens/s, median (min - max)", *(f"{number} at a time" for number in TOGETHER)])
            middle: dict[str, dict[int, float]] = {}
            for side, rounds in rates.items():
                by_number = {number: [one[number] for one in rounds if number in one] for number in TOGETHER}
                middle[side] = {number: statistics.median(some) for number, some in by_number.items() if some}
                shown = [
                    f"{statistics.median(some):.1f} ({min(some):.1f} - {max(some):.1f})" if some else ""
                    for some in by_number.values()
                ]
                print_row([side, *shown])
            growth = middle["care"][TOGETHER[-1]] / middle["care"][1]
            plain = middle["care"][1] / middle["model.generate"][1]
            other = middle["care"][TOGETHER[-1]] / middle["LLaMA-Factory"][TOGETHER[-1]]
            print(
                f"\n16 at a time / 1: {growth:.2f} (aim {GROWTH:g}); 1 / model.generate: {plain:.2f} (aim {PLAIN:g}); "
                f"16 at a time / LLaMA-Factory's 16: {other:.2f}"
            )
            missed |= name == "smollm2" and (growth < GROWTH or plain < PLAIN)
    sys.exit(missed)


if __name__ == "__main__":
    main()
