"""Sets of networks merged into one, and how well a network's confidence says how often it is right."""

import torch
from torch import Tensor

from isthmus.engine import evaluate
from isthmus.engine.architecture import Architecture
from isthmus.symmetry.merge_many import merge_many

# Mean probabilities are kept above this, so that the logarithm of one is finite: the least normal float32.
_LEAST = torch.finfo(torch.float32).tiny


def predictions(architecture: Architecture, sets: Tensor, x: Tensor) -> dict[str, Tensor]:
    """Arm -> log-probabilities (K, M, N, C), float64, of K sets of networks (K, M, P) on inputs x (N, *shape).

    Arms: `members`, M = all of the set; of M = 1 `merged` (MergeMany), `averaged` (the mean as they come: the
    control), and `ensemble` (the mean of the members' probabilities).
    """

    def of(theta: Tensor) -> Tensor:
        logits = evaluate.logits(architecture, theta.flatten(0, 1), x).double()
        return torch.log_softmax(logits, -1).unflatten(0, theta.shape[:2])

    members = of(sets)
    return {
        "members": members,
        "merged": of(merge_many(architecture.layout, architecture.axes, sets).theta.unsqueeze(1)),
        "averaged": of(sets.mean(1, keepdim=True)),
        "ensemble": members.exp().mean(1, keepdim=True).clamp(min=_LEAST).log(),
    }


def loss(said: Tensor, y: Tensor) -> Tensor:
    """Mean cross-entropy (...), nats, of log-probabilities (..., N, C) with labels y (N,)."""
    return -said.gather(-1, y.expand(said.shape[:-1]).unsqueeze(-1)).squeeze(-1).mean(-1)


def bins(said: Tensor, y: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """By equal bins of confidence: share of the examples, mean confidence, accuracy, each (..., count).

    Of log-probabilities (..., N, C) with labels y (N,); NaN in the last two where a bin is empty.
    """
    confidence, guess = said.exp().max(-1)
    place = (confidence * count).long().clamp(max=count - 1)
    held = torch.nn.functional.one_hot(place, count).double()
    total = held.sum(-2)
    sums = [(value.unsqueeze(-1) * held).sum(-2) for value in (confidence, (guess == y).double())]
    return total / len(y), sums[0] / total, sums[1] / total


def calibration_error(said: Tensor, y: Tensor, count: int) -> Tensor:
    """Expected calibration error (...): mean gap of accuracy and confidence over bins, by their share."""
    share, confidence, right = bins(said, y, count)
    return (share * (confidence - right).abs()).nan_to_num(0.0).sum(-1)
