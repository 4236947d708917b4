"""The scores that follow from the logits of a training run, by name, each pointing the same way: larger is
harder."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from isthmus.difficulty import forgetting, pointwise

Array = np.ndarray


@dataclass(frozen=True)
class Trajectory:
    """Logits (..., T, N, C) of N examples at T checkpoints, and their labels (N,)."""

    logits: Array
    labels: Array

    @cached_property
    def losses(self) -> Array:
        """Cross-entropy (..., T, N) in nats."""
        return pointwise.loss(self.logits, self.labels)

    @cached_property
    def confidence(self) -> Array:
        """Probability of the label (..., T, N)."""
        return np.exp(-self.losses)

    @cached_property
    def correct(self) -> Array:
        """Whether right (..., T, N), bool."""
        return pointwise.accuracy(self.logits, self.labels) == 1


def _mean(values: Array) -> Array:
    return values.mean(axis=-2)


SCORES: dict[str, Callable[[Trajectory], Array]] = {
    "mean_accuracy": lambda run: -_mean(run.correct),
    "final_accuracy": lambda run: -run.correct[..., -1, :].astype(float),
    "mean_confidence": lambda run: -_mean(run.confidence),
    "final_confidence": lambda run: -run.confidence[..., -1, :],
    "mean_loss": lambda run: _mean(run.losses),
    "final_loss": lambda run: run.losses[..., -1, :],
    "loss_variance": lambda run: run.losses.var(axis=-2, ddof=1),
    "mean_max_confidence": lambda run: -_mean(pointwise.max_confidence(run.logits)),
    "mean_entropy": lambda run: _mean(pointwise.entropy(run.logits)),
    "mean_margin": lambda run: -_mean(pointwise.margin(run.logits, run.labels)),
    "aum": lambda run: -_mean(pointwise.logit_margin(run.logits, run.labels)),
    "mean_el2n": lambda run: _mean(pointwise.el2n(run.logits, run.labels)),
    "forgetting": lambda run: forgetting.forgetting_events(run.correct),
    "first_learn": lambda run: forgetting.first_learn(run.correct).astype(float),
    "learned": lambda run: forgetting.learned(run.correct).astype(float),
}
