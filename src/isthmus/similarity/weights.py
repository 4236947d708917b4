"""Distances between rows of parameters."""

from torch import Tensor
from torch.nn import functional


def l2(a: Tensor, b: Tensor) -> Tensor:
    """Euclidean distance (K,) of rows a, b (K, P), summed in float64."""
    return (a.double() - b.double()).norm(dim=1)


def cosine(a: Tensor, b: Tensor) -> Tensor:
    """Cosine (K,) of the angle between rows a, b (K, P), in float64; 0 where a row is 0."""
    return functional.cosine_similarity(a.double(), b.double(), dim=1)
