"""Each loss beside its formula, written out by hand with numbers that can be checked on paper."""

import math

import pytest
import torch

from care_train.losses import (
    ALONE,
    MEANS,
    Pairs,
    answer_log_probs,
    measure_pairs,
    preference_loss,
    reward_loss,
    rewards,
    split_pairs,
)

# Two pairs: log-probabilities of the better and the worse answer, of the model and of its reference.
POLICY = Pairs(torch.tensor([-1.0, -3.0]), torch.tensor([-2.0, -2.5]))
REFERENCE = Pairs(torch.tensor([-1.5, -2.0]), torch.tensor([-1.5, -2.5]))
AHEAD = [1.0, -1.0]  # (-1 + 2) - (-1.5 + 1.5), (-3 + 2.5) - (-2 + 2.5)


def minus_log_sigmoid(value: float) -> float:
    return math.log(1 + math.exp(-value))


def odds(log_prob: float) -> float:
    """log(p / (1 - p))"""
    prob = math.exp(log_prob)
    return math.log(prob / (1 - prob))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("sigmoid", [minus_log_sigmoid(0.5 * ahead) for ahead in AHEAD]),
        ("ipo", [0.0, 4.0]),  # (ahead - 1 / (2 · 0.5))²
        ("hinge", [0.5, 1.5]),  # 1 - 0.5 · ahead
        (
            "orpo",
            [
                1.0 + 0.5 * minus_log_sigmoid(odds(-1.0) - odds(-2.0)),
                3.0 + 0.5 * minus_log_sigmoid(odds(-3.0) - odds(-2.5)),
            ],
        ),
        ("simpo", [minus_log_sigmoid(0.5 * 1.0 - 0.3), minus_log_sigmoid(0.5 * -0.5 - 0.3)]),
    ],
)
def test_preference_losses(kind: str, expected: list[float]) -> None:
    reference = None if kind in ALONE else REFERENCE
    made = preference_loss(kind, POLICY, reference, beta=0.5, gamma=0.3)
    assert made.tolist() == pytest.approx(expected, abs=1e-6)


def test_sigmoid_on_paper() -> None:
    assert preference_loss("sigmoid", POLICY, REFERENCE, beta=0.5).tolist() == pytest.approx(
        [0.474077, 0.974077], abs=1e-6
    )
    assert preference_loss("sigmoid", POLICY, POLICY, beta=0.1).tolist() == pytest.approx([math.log(2)] * 2)


def test_a_hinge_beyond_its_margin_rests() -> None:
    far = Pairs(torch.tensor([0.0]), torch.tensor([-30.0]))
    assert preference_loss("hinge", far, Pairs(torch.zeros(1), torch.zeros(1)), beta=0.1).tolist() == [0.0]


def test_odds_stay_finite_at_both_ends() -> None:
    sure = Pairs(torch.tensor([0.0, -1e-9, -80.0]), torch.tensor([-80.0, -80.0, 0.0])).chosen.requires_grad_()
    loss = preference_loss("orpo", Pairs(sure, torch.tensor([-80.0, -80.0, -1e-9])), None, beta=0.1)
    loss.sum().backward()
    assert loss.isfinite().all()
    assert sure.grad is not None
    assert sure.grad.isfinite().all()


def test_a_comparison_needs_its_reference() -> None:
    with pytest.raises(AssertionError, match="ipo compares with a reference"):
        preference_loss("ipo", POLICY, None, beta=0.1)
    assert {"orpo", "simpo"} == ALONE
    assert {"ipo", "orpo", "simpo"} == MEANS


def test_the_log_probability_of_an_answer() -> None:
    """Three tokens to choose from; the first label is never asked, for nothing stands before it."""
    thirds = [0.0, 0.0, 0.0]  # each a third
    logits = torch.tensor(
        [
            [thirds, [math.log(2), 0.0, 0.0], thirds, thirds],
            [[0.0, math.log(8), 0.0], thirds, [0.0, 0.0, math.log(3)], thirds],
        ]
    )
    labels = torch.tensor([[2, -100, 0, 1], [-100, 1, -100, -100]])
    # row 0: 0 after the second token, 2 of 4; 1 after the third, 1 of 3. Row 1: 1 after the first, 8 of 10.
    expected = [math.log(1 / 2) + math.log(1 / 3), math.log(8 / 10)]
    assert answer_log_probs(logits, labels, mean=False).tolist() == pytest.approx(expected, abs=1e-6)
    assert answer_log_probs(logits, labels, mean=True).tolist() == pytest.approx(
        [expected[0] / 2, expected[1]], abs=1e-6
    )
    assert answer_log_probs(logits.bfloat16(), labels, mean=False).dtype == torch.float32


def test_an_answer_of_no_token_is_no_division_by_zero() -> None:
    logits, labels = torch.zeros(1, 3, 2), torch.full((1, 3), -100)
    assert answer_log_probs(logits, labels, mean=True).tolist() == [0.0]


def test_better_answers_are_the_first_half() -> None:
    pairs = split_pairs(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    assert (pairs.chosen.tolist(), pairs.rejected.tolist()) == ([1.0, 2.0], [3.0, 4.0])


def test_reward_loss_is_the_mean_over_pairs() -> None:
    scores = Pairs(torch.tensor([2.0, 0.0]), torch.tensor([1.0, 3.0]))
    expected = (minus_log_sigmoid(1.0) + minus_log_sigmoid(-3.0)) / 2
    assert reward_loss(scores).item() == pytest.approx(expected) == pytest.approx(1.680925, abs=1e-6)
    assert reward_loss(Pairs(torch.tensor([1.0]).half(), torch.tensor([1.0]).half())).dtype == torch.float32


def test_rewards_are_what_was_gained_over_the_reference() -> None:
    policy = Pairs(POLICY.chosen.clone().requires_grad_(), POLICY.rejected)
    made = rewards(policy, REFERENCE, beta=0.5)
    assert (made.chosen.tolist(), made.rejected.tolist()) == ([0.25, -0.5], [-0.25, 0.0])
    assert not made.chosen.requires_grad
    alone = rewards(policy, None, beta=0.5)
    assert (alone.chosen.tolist(), alone.rejected.tolist()) == ([-0.5, -1.5], [-1.0, -1.25])


def test_how_pairs_are_told_apart() -> None:
    told = measure_pairs(Pairs(torch.tensor([0.25, -0.5, 1.0]), torch.tensor([-0.25, 0.0, 1.0])))
    assert told == pytest.approx(
        {
            "rewards/chosen": 0.25,
            "rewards/rejected": 0.25,
            "rewards/margins": 0.0,
            "rewards/accuracies": 1 / 3,  # a draw is not right
        }
    )
