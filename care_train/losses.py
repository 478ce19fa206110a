"""What is minimised in preference tuning and by a reward model: tensors in, tensors out.

All of a pair: logarithms of the probability that a model gives an answer, the better one's and the worse one's. Sums
over the answer's tokens for sigmoid and hinge, means for the others, as their authors have them.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from care_train.tokens import IGNORED

MEANS = frozenset({"ipo", "orpo", "simpo"})
"""Losses over the mean of an answer's tokens."""
ALONE = frozenset({"orpo", "simpo"})
"""Losses that ask no reference model."""


class Pairs(NamedTuple):
    """Log-probabilities of a batch's answers, each [pairs]."""

    chosen: Tensor
    rejected: Tensor


def answer_log_probs(logits: Tensor, labels: Tensor, *, mean: bool) -> Tensor:
    """The log-probability of each row's answer, summed over its tokens or their mean; float32 [rows].

    logits: [rows, length, vocabulary]; labels: [rows, length], IGNORED where nothing is answered.
    """
    targets = labels[:, 1:]
    learned = targets != IGNORED
    scores = logits[:, :-1].float()
    picked = scores.gather(2, targets.clamp(min=0).unsqueeze(2)).squeeze(2) - scores.logsumexp(dim=-1)
    sums = (picked * learned).sum(dim=1)
    return sums / learned.sum(dim=1).clamp(min=1) if mean else sums


def split_pairs(values: Tensor) -> Pairs:
    """A batch's values, the better answers' in its first half."""
    chosen, rejected = values.chunk(2)
    return Pairs(chosen, rejected)


def preference_loss(kind: str, policy: Pairs, reference: Pairs | None, *, beta: float, gamma: float = 0.5) -> Tensor:
    """The loss of each pair, [pairs].

    sigmoid: DPO (Rafailov 2023); ipo: Azar 2023; hinge: SLiC (Zhao 2023); orpo: Hong 2024, its odds ratio beside the
    chosen answer's own loss; simpo: Meng 2024. reference: None for those of ALONE.
    """
    if kind == "orpo":
        odds = policy.chosen - policy.rejected - (_log1mexp(policy.chosen) - _log1mexp(policy.rejected))
        return -policy.chosen - beta * logsigmoid(odds)
    if kind == "simpo":
        return -logsigmoid(beta * (policy.chosen - policy.rejected) - gamma)
    if reference is None:
        raise AssertionError(f"{kind} compares with a reference")
    ahead = (policy.chosen - policy.rejected) - (reference.chosen - reference.rejected)
    if kind == "ipo":
        return (ahead - 1 / (2 * beta)) ** 2
    if kind == "hinge":
        return torch.relu(1 - beta * ahead)
    return -logsigmoid(beta * ahead)


def rewards(policy: Pairs, reference: Pairs | None, *, beta: float) -> Pairs:
    """What the model's leaning is worth: beta times the log-probability gained over the reference, without gradient."""
    if reference is None:
        return Pairs(beta * policy.chosen.detach(), beta * policy.rejected.detach())
    return Pairs(
        beta * (policy.chosen - reference.chosen).detach(), beta * (policy.rejected - reference.rejected).detach()
    )


def reward_loss(scores: Pairs) -> Tensor:
    """The loss of a reward model: minus the log-probability that the better answer is held the better; a scalar."""
    return -logsigmoid(scores.chosen.float() - scores.rejected.float()).mean()


def measure_pairs(scores: Pairs) -> dict[str, float]:
    """How a model tells them apart: the mean of both, the margin between, the share it puts in the right order."""
    chosen, rejected = scores.chosen.detach().float(), scores.rejected.detach().float()
    return {
        "rewards/chosen": float(chosen.mean()),
        "rewards/rejected": float(rejected.mean()),
        "rewards/margins": float((chosen - rejected).mean()),
        "rewards/accuracies": float((chosen > rejected).float().mean()),
    }


def _log1mexp(values: Tensor) -> Tensor:
    """log(1 - exp(x)) for x below 0, exact at both ends."""
    return torch.log1p(-torch.exp(values.clamp(max=-1e-7)))
