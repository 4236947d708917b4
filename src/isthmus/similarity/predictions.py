"""How differently networks predict, and what their ensemble gains by it."""

from dataclasses import dataclass

from torch import Tensor


def disagreement(a: Tensor, b: Tensor) -> Tensor:
    """Number (...) of examples that logits a, b (..., N, C) class differently; divide by N for the fraction."""
    return (a.argmax(-1) != b.argmax(-1)).sum(-1)


def margin_difference(a: Tensor, b: Tensor) -> Tensor:
    """Frobenius norm (...) of softmax(a) - softmax(b), for logits (..., N, C) (Altıntaş et al. 2025), float64."""
    return (a.double().softmax(-1) - b.double().softmax(-1)).norm(dim=(-2, -1))


@dataclass(frozen=True)
class Ensemble:
    """Accuracies (...) in [0, 1]: of the ensemble, and its gain over the mean of its members'."""

    accuracy: Tensor
    gain: Tensor


def ensemble(logits: Tensor, labels: Tensor) -> Ensemble:
    """The ensemble that averages logits (..., M, N, C) over its M members, on labels (N,)."""
    together = (logits.mean(-3).argmax(-1) == labels).double().mean(-1)
    alone = (logits.argmax(-1) == labels).double().mean((-2, -1))
    return Ensemble(together, together - alone)
