"""A model loaded once, with all that an answer needs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from care_train.adapters import Trained, find_trained, put_together
from care_train.config import LoadSettings, usage
from care_train.models import load_tokenizer
from care_train.templates import Template, find_template
from care_train.tokens import encode_prompt, list_ends

ENDLESS = 1 << 20
"""Tokens that a model takes which names no limit."""


@dataclass
class Chatbot:
    """Everything an answer needs.

    system: the system prompt where a conversation has none of its own; None takes the template's. ends: ids that end
    an answer. window: tokens of prompt and answer together. name: what to call it.
    """

    model: Any
    tokenizer: Any
    template: Template
    system: str | None
    ends: frozenset[int]
    window: int
    name: str
    trained: Trained


def load_chatbot(settings: LoadSettings, say: Callable[[str], None]) -> Chatbot:
    """Base model and adapters; template, base and bits come from the adapter's care_train.json unless given."""
    trained = find_trained(settings)
    template = choose_template(settings.template, trained, say)
    bits = settings.quantization_bit or trained.bits
    tokenizer = load_tokenizer(trained.tokenizer)
    encode_prompt(tokenizer, template, "?", [])  # raises for a template of other tokenizers, before weights are read
    ends = list_ends(tokenizer, template)
    model: Any = put_together(trained, None if bits == 16 else bits, settings.infer_dtype)
    stated = model.generation_config.eos_token_id
    ends = frozenset({*ends, *(stated if isinstance(stated, list) else [stated])} - {None})
    config = model.config.get_text_config(decoder=True)
    window = getattr(config, "max_position_embeddings", None) or ENDLESS
    system = settings.system if settings.system is not None else trained.system
    return Chatbot(model, tokenizer, template, system, ends, window, trained.name, trained)


def choose_template(named: str | None, trained: Trained, say: Callable[[str], None]) -> Template:
    """The template named, else the one trained with; two that differ are warned about."""
    stored = trained.template
    if not named and not stored:
        raise usage(f"{trained.base}: no template is stored with it", "Name it with --template, or auto: its own.")
    if named and stored and find_template(named).name != find_template(stored).name:
        say(f"warning: trained with template {stored}, asked with {named}; leave --template out to use {stored}")
    return find_template(str(named or stored))
