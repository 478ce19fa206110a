"""A model loaded once, and its answers as a stream of text."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from care_train.checkpoints import read_note
from care_train.config import AnswerSettings, ModelSettings, SamplingSettings
from care_train.errors import CareError, Exit
from care_train.models import load_model, load_tokenizer
from care_train.templates import Template, find_template
from care_train.tokens import encode_prompt, list_ends

History = list[tuple[str, str]]


@dataclass
class Chatbot:
    """Everything an answer needs. system: None takes the template's own. ends: ids that end an answer."""

    model: Any
    tokenizer: Any
    template: Template
    system: str | None
    ends: frozenset[int]


def load_chatbot(settings: AnswerSettings) -> Chatbot:
    """Base model and adapter; template, base and bits come from the adapter's care_train.json unless given."""
    adapter = Path(settings.adapter_name_or_path) if settings.adapter_name_or_path else None
    if adapter and not (adapter / "adapter_config.json").exists():
        fix = "Give the --output_dir of a finished care-train sft."
        raise CareError("no adapter there", where=str(adapter), fix=fix)
    note = read_note(adapter) if adapter else {}
    base = settings.model_name_or_path or _find_base(adapter, note)
    name = settings.template or note.get("template")
    if not name:
        raise CareError("no template is stored with it", where=base, fix="Name it with --template.", code=Exit.USAGE)
    template = find_template(name)
    bits = settings.quantization_bit or note.get("quantization_bit")
    quantised = ModelSettings(model_name_or_path=base, quantization_bit=None if bits == 16 else bits)
    tokenizer = load_tokenizer(str(adapter) if adapter and (adapter / "tokenizer_config.json").exists() else base)
    model: Any = load_model(quantised)
    if adapter:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, str(adapter))
    stated = model.generation_config.eos_token_id
    ends = {*list_ends(tokenizer, template), *(stated if isinstance(stated, list) else [stated])} - {None}
    system = settings.system if settings.system is not None else note.get("system")
    return Chatbot(model.eval(), tokenizer, template, system, frozenset(ends))


def _find_base(adapter: Path | None, note: dict[str, Any]) -> str:
    """Where the adapter's base model is; one made with it (`tiny`) moves with its folder."""
    if adapter is None:
        fix = "Name the adapter's folder, or a model with --model_name_or_path."
        raise CareError("nothing to talk with", fix=fix, code=Exit.USAGE)
    trained_on = note.get("settings", {}).get("model", {}).get("model_name_or_path", "tiny")
    # A base left there by an earlier run is not that of an adapter trained on another model since,
    # if that model is to be had.
    another = trained_on != "tiny" and (not Path(trained_on).is_absolute() or Path(note["base"]).exists())
    if (adapter / "base" / "config.json").exists() and not another:
        return str(adapter / "base")
    if note.get("base"):
        return str(note["base"])
    from peft import PeftConfig

    return str(PeftConfig.from_pretrained(str(adapter)).base_model_name_or_path)


def stream_answer(bot: Chatbot, question: str, history: History, sampling: SamplingSettings) -> Iterator[str]:
    """The answer piece by piece, ended by an end token, a stop word of the template, or `max_new_tokens`."""
    ids = encode_prompt(bot.tokenizer, bot.template, question, history, bot.system)
    text, sent, new = "", 0, list[int]()
    for token in generate_ids(bot, ids, sampling):
        new.append(token)
        text = bot.tokenizer.decode(new, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        cut = min((at for at in map(text.find, bot.template.stop_words) if at >= 0), default=-1)
        if cut >= 0:
            yield text[sent:cut]
            return
        ready = len(text) - _unfinished(text, bot.template.stop_words)
        if ready > sent:
            yield text[sent:ready]
            sent = ready
    if len(text) > sent:
        yield text[sent:]


def _unfinished(text: str, stop_words: tuple[str, ...]) -> int:
    """How many characters at the end may still become part of another: half a character, the start of a stop word."""
    for word in stop_words:
        for size in range(min(len(word) - 1, len(text)), 0, -1):
            if text.endswith(word[:size]):
                return size
    return len(text) - len(text.rstrip("�"))


def generate_ids(bot: Chatbot, ids: list[int], sampling: SamplingSettings) -> Iterator[int]:
    """New token ids one by one, the end token not included."""
    device = next(bot.model.parameters()).device
    window = getattr(bot.model.config, "max_position_embeddings", None) or len(ids) + sampling.max_new_tokens
    if len(ids) >= window:
        fix = "Start anew with /clear, or ask shorter."
        raise CareError(f"the conversation has {len(ids)} tokens, the model takes {window}", fix=fix, code=Exit.LIMIT)
    dice = torch.Generator(device).manual_seed(sampling.seed)
    cache, feed, seen = None, torch.tensor([ids], device=device), list(ids)
    for _ in range(min(sampling.max_new_tokens, window - len(ids))):
        with torch.inference_mode():
            step = bot.model(input_ids=feed, past_key_values=cache, use_cache=True)
            cache = step.past_key_values
            token = choose_token(step.logits[0, -1].float(), seen, sampling, dice)
        if token in bot.ends:
            return
        yield token
        seen.append(token)
        feed = torch.tensor([[token]], device=device)


def choose_token(logits: torch.Tensor, seen: list[int], sampling: SamplingSettings, dice: torch.Generator) -> int:
    """One token of `logits` [vocabulary]: the likeliest at temperature 0, else drawn among the top_p."""
    if sampling.repetition_penalty != 1.0:
        said = torch.tensor(sorted(set(seen)), device=logits.device)
        values, penalty = logits[said], sampling.repetition_penalty
        logits[said] = torch.where(values > 0, values / penalty, values * penalty)
    if sampling.temperature <= 0:
        return int(logits.argmax())
    shares, order = (logits / sampling.temperature).softmax(-1).sort(descending=True)
    shares[shares.cumsum(-1) - shares >= sampling.top_p] = 0.0
    shares[0] = shares[0].clamp_min(torch.finfo(shares.dtype).tiny)
    return int(order[torch.multinomial(shares, 1, generator=dice)])
