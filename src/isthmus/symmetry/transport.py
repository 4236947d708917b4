"""Matching two samples of one law: the exact cost, and what it does to the midpoint of two wide networks.

Between empirical measures of n atoms optimal transport is a permutation (Birkhoff), so the rate n^(-2/k) of the
squared Wasserstein distance of k-dimensional samples is the rate at which matched neurons come together.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from isthmus.engine.streams import stream
from isthmus.symmetry.assignment import assignment


def matched(a: Tensor, b: Tensor) -> Tensor:
    """The points b (K, n, d), each set in the order that brings it nearest to a (K, n, d) in mean square."""
    return b.gather(1, assignment(a @ b.mT).unsqueeze(2).expand_as(b))


def matching_cost(a: Tensor, b: Tensor) -> Tensor:
    """Squared Wasserstein distance (K,) of samples a, b (K, n, d): min over p of the mean of |a_i - b_p(i)|^2."""
    return (a - matched(a, b)).square().sum(2).mean(1)


def sample_costs(seeds: Sequence[int], n: int, k: int, ambient: int, noise: float = 0.0) -> Tensor:
    """Matching costs (S,) of two independent samples of n points for each seed.

    Points are N(0, I_k) in the first k of `ambient` coordinates, plus N(0, noise^2) in all of them.
    """

    def sample(side: str) -> Tensor:
        sets = []
        for seed in seeds:
            rng = stream(seed, "sample", side, n, k, ambient)
            points = noise * rng.standard_normal((n, ambient))
            points[:, :k] += rng.standard_normal((n, k))
            sets.append(points)
        return torch.from_numpy(np.stack(sets))

    return matching_cost(sample("a"), sample("b"))


def midpoint_gaps(
    seeds: Sequence[int], width: int, k: int, features: int, examples: int = 512, match: bool = True
) -> Tensor:
    """Root mean square (S,) over inputs of f_mid - (f_A + f_B) / 2, for two random networks for each seed.

    f(x) = (1 / width) sum_i a_i tanh(w_i x + b_i). Neurons (w, b, a) are normal on a random k-dimensional subspace
    (A's and B's is one), with mean square 1 a coordinate; f_mid averages neuron i of A with its match in B
    (Ferbach et al. 2024, theorem 3.1 at the start of training); match=False: with neuron i of B, the control.
    Inputs are N(0, I / features).
    """
    size = features + 2
    a, b, x = [], [], []
    for seed in seeds:
        basis = np.linalg.qr(stream(seed, "subspace", k, size).standard_normal((size, k)))[0]
        for side, neurons in (("a", a), ("b", b)):
            draws = stream(seed, "neurons", side, width, k).standard_normal((width, k))
            neurons.append(np.sqrt(size / k) * draws @ basis.T)
        x.append(stream(seed, "inputs", features).standard_normal((examples, features)) / np.sqrt(features))
    neurons_a, neurons_b, inputs = (torch.from_numpy(np.stack(part)) for part in (a, b, x))
    if match:
        neurons_b = matched(neurons_a, neurons_b)
    middle, f_a, f_b = (
        _mean_field(neurons, inputs) for neurons in ((neurons_a + neurons_b) / 2, neurons_a, neurons_b)
    )
    return (middle - (f_a + f_b) / 2).square().mean(1).sqrt()


def _mean_field(neurons: Tensor, x: Tensor) -> Tensor:
    """f (K, N) of neurons (K, width, features + 2) on x (K, N, features)."""
    w, b, a = neurons[..., :-2], neurons[..., -2], neurons[..., -1:]
    return (torch.tanh(x @ w.mT + b.unsqueeze(1)) @ a).squeeze(2) / neurons.shape[1]
