"""Settings of using a model: what to load, how to draw words, and each command's own."""

from dataclasses import dataclass, field
from typing import Any

from care_train.config.fields import setting


@dataclass
class LoadSettings:
    """Model"""

    adapter_name_or_path: str | None = setting(
        None, "what was trained: a run's folder (or as first word); several with commas between go on in that order"
    )
    model_name_or_path: str | None = setting(None, "base model (default: the one the adapter was trained on)")
    finetuning_type: str = setting(
        "lora", "accepted; the folder shows what was trained", choices=("lora", "freeze", "full")
    )
    template: str | None = setting(None, "chat template (default: the one stored with the adapter; auto: the model's)")
    quantization_bit: int | None = setting(
        None, "bits of the base model, 16 for all (default: as trained)", choices=(4, 8, 16)
    )
    infer_dtype: str = setting(
        "auto",
        "numbers to compute with; auto: 32 bits on a CPU, bfloat16 on a GPU",
        choices=("auto", "float32", "bfloat16", "float16"),
    )
    system: str | None = setting(None, "system prompt (default: the one trained with, else the template's)")
    debug: bool = setting(False, "show the traceback of an error")


@dataclass
class SamplingSettings:
    """Sampling"""

    max_new_tokens: int = setting(512, "longest answer, in tokens")
    temperature: float = setting(0.0, "0 takes the likeliest token; higher is freer")
    top_p: float = setting(1.0, "draw among the likeliest tokens that make up this share")
    repetition_penalty: float = setting(1.0, "above 1, words already said become less likely")
    presence_penalty: float = setting(0.0, "taken off the logits of what the answer already said")
    frequency_penalty: float = setting(0.0, "the same for each time it was said")
    seed: int = setting(42, "seed of the drawing; the same gives the same answer to a question asked alone")


@dataclass
class QuestionSettings:
    """Question"""

    question: str | None = setting(None, "answer this one question and end (also: text on stdin)")
    json: bool = setting(False, "print one JSON object instead of the bare answer")
    notice: bool = setting(True, "say that these are no words of a doctor (--no_notice leaves it out)")


@dataclass
class ChatSettings:
    """Talk with a trained adapter in the terminal."""

    load: LoadSettings
    asked: QuestionSettings
    sampling: SamplingSettings
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass
class PageSettings:
    """Page"""

    host: str = setting("127.0.0.1", "address to listen at; one that others can reach asks for --user")
    port: int = setting(7860, "port to listen at, 0 for any that is free")
    user: str | None = setting(None, "who may log in; the password comes from CARE_WEB_PASSWORD or --password_file")
    password_file: str | None = setting(None, "file that holds the password")
    max_batch: int = setting(16, "answers written side by side, when several people ask at once")
    notice: bool = setting(True, "say that these are no words of a doctor (--no_notice leaves it out)")


@dataclass
class WebSettings:
    """Talk with a trained adapter in the browser."""

    load: LoadSettings
    page: PageSettings
    sampling: SamplingSettings
    extra: dict[str, Any] = field(default_factory=dict)
