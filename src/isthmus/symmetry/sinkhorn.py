"""Sinkhorn's operator: a matrix of scores becomes a soft permutation, differentiable in the scores."""

from torch import Tensor


def sinkhorn(scores: Tensor, temperature: float = 1.0, iterations: int = 20) -> Tensor:
    """Nearly doubly stochastic matrices (..., n, n), rows and columns of sum 1, from scores (..., n, n).

    exp(scores / temperature), its columns and then its rows scaled to 1, `iterations` times, in logarithms. As
    the temperature falls the result tends to the permutation matrix of the largest total score. A cost is a
    negative score. Gradient by autograd through the loop (Pena et al. 2023 differentiate implicitly: equal once
    converged).
    """
    log = scores / temperature
    for _ in range(iterations):
        log = log - log.logsumexp(-2, keepdim=True)
        log = log - log.logsumexp(-1, keepdim=True)
    return log.exp()
