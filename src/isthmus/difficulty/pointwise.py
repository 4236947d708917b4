"""Scores of one checkpoint: functions of the logits and the label of an example, leading axes free.

logits (..., N, C), labels (N,) -> (..., N), in float64. "Harder" says which way a score points.
"""

import numpy as np
from scipy.special import log_softmax, softmax

Array = np.ndarray


def probabilities(logits: Array) -> Array:
    """Softmax (..., N, C) in float64: in float32 a probability near 1 is rounded, and with it every rank."""
    return softmax(np.asarray(logits, dtype=np.float64), axis=-1)


def accuracy(logits: Array, labels: Array) -> Array:
    """1.0 where the largest logit is the label's, else 0.0; smaller is harder."""
    return (np.argmax(logits, axis=-1) == labels).astype(np.float64)


def loss(logits: Array, labels: Array) -> Array:
    """Cross-entropy -log p_y in nats; larger is harder."""
    return -of_label(log_softmax(np.asarray(logits, dtype=np.float64), axis=-1), labels)


def confidence(logits: Array, labels: Array) -> Array:
    """Probability p_y of the label; smaller is harder."""
    return of_label(probabilities(logits), labels)


def max_confidence(logits: Array) -> Array:
    """Largest probability, whichever class has it; smaller is harder (Carlini et al. 2019 call its mean "conf")."""
    return probabilities(logits).max(axis=-1)


def entropy(logits: Array) -> Array:
    """Entropy of the probabilities in nats, 0 log 0 = 0; larger is harder."""
    logs = log_softmax(np.asarray(logits, dtype=np.float64), axis=-1)
    # Where a probability underflows its logarithm may be -inf.
    return -(np.exp(logs) * np.maximum(logs, np.finfo(np.float64).min)).sum(axis=-1)


def margin(logits: Array, labels: Array) -> Array:
    """p_y - max of the other probabilities, in [-1, 1]; smaller is harder."""
    return _gap(probabilities(logits), labels)


def logit_margin(logits: Array, labels: Array) -> Array:
    """z_y - max of the other logits: its mean over training is AUM (Pleiss et al. 2020); smaller is harder."""
    return _gap(np.asarray(logits, dtype=np.float64), labels)


def el2n(logits: Array, labels: Array) -> Array:
    """Euclidean norm of p - onehot(y), in [0, sqrt 2]; larger is harder (Paul et al. 2021)."""
    return np.linalg.norm(probabilities(logits) - np.eye(np.shape(logits)[-1])[labels], axis=-1)


def of_label(values: Array, labels: Array) -> Array:
    """Of values (..., N, C), each example's value for its label (..., N)."""
    return np.take_along_axis(values, np.broadcast_to(labels, values.shape[:-1])[..., None], axis=-1)[..., 0]


def _gap(values: Array, labels: Array) -> Array:
    """The label's value less the largest of the others'."""
    # -inf, not a product with 0: a logit may be negative.
    others = np.where(np.eye(values.shape[-1], dtype=bool)[labels], -np.inf, values)
    return of_label(values, labels) - others.max(axis=-1)
