"""One token of the model's logits: the likeliest, or drawn as a request asks, by its own seed."""

from collections import Counter
from dataclasses import dataclass, field

import torch

from care_train.config import SamplingSettings

FEW = 1024
"""Tokens among which the top_p are looked for first: sorting a whole vocabulary costs more than a step of a model."""


@dataclass(frozen=True)
class Likelihood:
    """A token as the model saw it: natural logarithm of its probability before any temperature or penalty."""

    token: int
    logprob: float


@dataclass(frozen=True)
class Drawn:
    """A token that was chosen; with how likely it and the likeliest ones were, where that was asked for."""

    token: int
    logprob: float | None = None
    top: tuple[Likelihood, ...] = ()


@dataclass
class Sampler:
    """Chooses the tokens of one answer. said: the tokens so far, the prompt's too. logprobs: None, or how many."""

    settings: SamplingSettings
    said: Counter[int]
    logprobs: int | None = None
    dice: torch.Generator | None = None
    answered: Counter[int] = field(default_factory=Counter)

    @property
    def is_plain(self) -> bool:
        """Whether the likeliest token is all that is asked for."""
        one = self.settings
        penalties = one.presence_penalty or one.frequency_penalty or one.repetition_penalty != 1.0
        return one.temperature <= 0 and not penalties and self.logprobs is None

    def choose(self, logits: torch.Tensor) -> Drawn:
        """The next token of `logits` [vocabulary], fp32."""
        said = self._punish(logits)
        token = int(said.argmax()) if self.settings.temperature <= 0 else self._draw(said)
        return self._weigh(token, logits)

    def note(self, token: int) -> None:
        """Remember a token that was said."""
        self.said[token] += 1
        self.answered[token] += 1

    def _punish(self, logits: torch.Tensor) -> torch.Tensor:
        """Logits with what was said less likely: all of it by a factor, what the answer said by its count too."""
        one = self.settings
        if one.repetition_penalty != 1.0 and self.said:
            logits = logits.clone()
            places = torch.tensor(sorted(self.said), device=logits.device)
            values = logits[places]
            logits[places] = torch.where(values > 0, values / one.repetition_penalty, values * one.repetition_penalty)
        if (one.presence_penalty or one.frequency_penalty) and self.answered:
            logits = logits.clone()
            places = torch.tensor(list(self.answered), device=logits.device)
            counts = torch.tensor(list(self.answered.values()), device=logits.device)
            logits[places] -= one.presence_penalty + one.frequency_penalty * counts
        return logits

    def _draw(self, logits: torch.Tensor) -> int:
        """A token drawn among the top_p of the tempered probabilities."""
        if self.dice is None:
            self.dice = torch.Generator(logits.device).manual_seed(self.settings.seed)
        shares = (logits / self.settings.temperature).softmax(-1)
        if self.settings.top_p >= 1.0:
            return int(torch.multinomial(shares, 1, generator=self.dice))
        best, order = shares.topk(min(FEW, len(shares)))
        if float(best.sum()) < self.settings.top_p:
            best, order = shares.sort(descending=True)
        best[best.cumsum(-1) - best >= self.settings.top_p] = 0.0
        best[0] = best[0].clamp_min(torch.finfo(best.dtype).tiny)
        return int(order[torch.multinomial(best, 1, generator=self.dice)])

    def _weigh(self, token: int, logits: torch.Tensor) -> Drawn:
        if self.logprobs is None:
            return Drawn(token)
        logs = logits.log_softmax(-1)
        values, places = logs.topk(self.logprobs) if self.logprobs else (logs[:0], logs[:0])
        top = tuple(Likelihood(int(place), float(value)) for place, value in zip(places, values, strict=True))
        return Drawn(token, float(logs[token]), top)


def choose_tokens(logits: torch.Tensor, samplers: list[Sampler]) -> list[Drawn]:
    """The next token of each row of `logits` [rows, vocabulary]."""
    likeliest = logits.argmax(-1).tolist()
    return [
        Drawn(best) if one.is_plain else one.choose(row.float())
        for best, row, one in zip(likeliest, logits, samplers, strict=True)
    ]
