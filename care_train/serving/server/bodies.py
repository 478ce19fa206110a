"""Bodies of requests as OpenAI defines them. What is not offered here is refused, unless it asks for nothing."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

MOST_ANSWERS = 128
MOST_MESSAGES = 4096
MOST_LIKELY = 20

UNSUPPORTED: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(("tools", "functions", "tool_calls", "annotations"), ([],)),
    **dict.fromkeys(("tool_choice", "function_call"), ("none",)),
    **dict.fromkeys(("store", "echo"), (False,)),
    **dict.fromkeys(("audio", "best_of", "moderation", "parallel_tool_calls", "prediction", "reasoning_effort"), ()),
    **dict.fromkeys(("name", "prompt_cache_key", "safety_identifier", "tool_call_id", "verbosity"), ()),
    "include_obfuscation": (False,),
    "logit_bias": ({},),
    "modalities": (["text"],),
    "refusal": (),
    "response_format": ({"type": "text"},),
    "service_tier": ("auto", "default"),
    "suffix": ("",),
    "web_search_options": (),
}
"""Fields of OpenAI's that are not offered, with the values (besides null) that ask for nothing."""


def leave_out_idle(body: Any) -> Any:
    """The body without those unsupported fields that ask for nothing."""
    if not isinstance(body, dict):
        return body
    return {name: value for name, value in body.items() if name not in UNSUPPORTED or not _is_idle(name, value)}


def _is_idle(name: str, value: Any) -> bool:
    return value is None or any(type(value) is type(idle) and value == idle for idle in UNSUPPORTED[name])


def join_parts(content: Any) -> Any:
    """Content given in parts of text as one text, a line each."""
    if not isinstance(content, list):
        return content
    for place, part in enumerate(content):
        if not isinstance(part, dict) or part.get("type") != "text":
            raise ValueError(f"part {place} is no text, and only text is taken")
        if set(part) != {"type", "text"} or not isinstance(part["text"], str):
            raise ValueError(f'part {place} should be {{"type": "text", "text": "…"}}')
    if not content:
        raise ValueError("there are no parts")
    return "\n".join(part["text"] for part in content)


def list_stops(stop: Any) -> Any:
    """One text as a list of it."""
    return [stop] if isinstance(stop, str) else stop


def list_prompts(prompt: Any) -> Any:
    """Prompts as a list; each is a text or a list of token ids."""
    if isinstance(prompt, str) or (isinstance(prompt, list) and prompt and _are_ids(prompt)):
        return [prompt]
    good = isinstance(prompt, list) and prompt and len(prompt) <= MOST_ANSWERS
    if not good or not all(isinstance(one, str) or _are_ids(one) for one in prompt):
        raise ValueError(f"should be a text, a list of token ids, or a list of up to {MOST_ANSWERS} of them")
    return prompt


def _are_ids(prompt: Any) -> bool:
    return isinstance(prompt, list) and all(type(one) is int for one in prompt)


def check_characters(text: str) -> str:
    """The text; half a character, which JSON can escape and no encoding can hold, is refused."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("holds half of a surrogate pair") from error
    return text


Text = Annotated[str, AfterValidator(check_characters)]


class Part(BaseModel):
    """What every part of a body has in common: its types are exact, and it holds nothing unknown."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    _idle = model_validator(mode="before")(leave_out_idle)


class StreamOptions(Part):
    """What a stream tells besides."""

    include_usage: bool | None = None


class Message(Part):
    """Something that was said."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[Text, BeforeValidator(join_parts)]


class Body(Part):
    """What both kinds of requests have in common. None: the server's own setting."""

    model: Text
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    repetition_penalty: Annotated[float, Field(gt=0, le=10)] | None = None
    n: Annotated[int, Field(ge=1, le=MOST_ANSWERS)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stop: (
        Annotated[list[Annotated[Text, Field(min_length=1)]], Field(max_length=4), BeforeValidator(list_stops)] | None
    ) = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: str | None = None
    metadata: dict[str, str] | None = None


class ChatBody(Body):
    """A conversation that is to go on."""

    messages: Annotated[list[Message], Field(min_length=1, max_length=MOST_MESSAGES)]
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=MOST_LIKELY)] | None = None


class CompletionBody(Body):
    """Texts that are to go on."""

    prompt: Annotated[list[Text | list[int]], BeforeValidator(list_prompts)]
    logprobs: Annotated[int, Field(ge=0, le=MOST_LIKELY)] | None = None
