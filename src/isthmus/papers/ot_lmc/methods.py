"""The matchings that the paper compares, its baselines and controls: each takes pairs and gives permutations."""

from collections.abc import Callable

import numpy as np
import torch

from isthmus.engine.streams import stream
from isthmus.symmetry import table
from isthmus.symmetry.activations import activation_matching
from isthmus.symmetry.covariance import covariance_matching
from isthmus.symmetry.matching import weight_matching
from isthmus.symmetry.moments import Moments
from isthmus.symmetry.pairs import Pairs
from isthmus.symmetry.sinkhorn import sinkhorn_matching
from isthmus.symmetry.straight_through import straight_through
from isthmus.symmetry.table import Perms


def none(pairs: Pairs) -> Perms:
    """B as it is."""
    return pairs.unchanged()


def random(pairs: Pairs) -> Perms:
    """B in random order."""
    return pairs.shuffled("permutation")


def naive(pairs: Pairs) -> Perms:
    """M1: incoming weights alone (the paper's baseline)."""
    return _by_weights(pairs, "naive")


def git_rebasin(pairs: Pairs) -> Perms:
    """M4: incoming and outgoing weights and biases, three restarts (Ainsworth et al. 2022)."""
    return _by_weights(pairs, "git_rebasin")


def informed(pairs: Pairs, moments: Moments | None = None, bias: bool = False) -> Perms:
    """M2: covariance-informed weight matching, the paper's own."""
    layout, axes = pairs.architecture.layout, pairs.architecture.axes
    return covariance_matching(layout, axes, pairs.a, pairs.b, moments or pairs.moments, bias).perms


def informed_bias(pairs: Pairs) -> Perms:
    """M2 with biases counted."""
    return informed(pairs, bias=True)


def informed_reverse(pairs: Pairs) -> Perms:
    """M2 with the roles of A and B exchanged, then undone: the paper's matching is not symmetric."""
    return table.inverse(informed(pairs.swapped()))


def informed_rotated(pairs: Pairs) -> Perms:
    """Control: M2 with each second moment in a random basis. Same spectrum, no information on the inputs."""
    second = {}
    for group, moment in pairs.moments.second.items():
        bases = [_rotation(seed, group, moment.shape[-1]) for seed in pairs.seeds]
        turn = torch.from_numpy(np.stack(bases))
        second[group] = turn @ moment @ turn.mT
    return informed(pairs, Moments(second, pairs.moments.mean))


def activation(pairs: Pairs) -> Perms:
    """M3: covariance of activations (the paper's activation matching)."""
    return _by_activations(pairs, "covariance")


def activation_uncentred(pairs: Pairs) -> Perms:
    """M5: uncentred second moment of activations (Ainsworth et al. 2022)."""
    return _by_activations(pairs, "uncentred")


def activation_pearson(pairs: Pairs) -> Perms:
    """Correlation of activations (Jordan et al. 2022)."""
    return _by_activations(pairs, "pearson")


def activation_shuffled(pairs: Pairs) -> Perms:
    """Control: M3 with B's examples in another order, so that units agree on no example."""
    order = torch.from_numpy(stream(pairs.seeds[0], "shuffle").permutation(len(pairs.x)))
    return activation_matching(pairs.architecture, pairs.a, pairs.b, pairs.x, "covariance", pairs.x[order])


def straight_through_estimator(pairs: Pairs) -> Perms:
    """M6: straight-through estimator, 300 steps of batch 500."""
    return straight_through(pairs.architecture, pairs.a, pairs.b, pairs.x, pairs.y).perms


def sinkhorn(pairs: Pairs) -> Perms:
    """M7: Sinkhorn re-basin by the distance of parameters."""
    return sinkhorn_matching(pairs.architecture.layout, pairs.architecture.axes, pairs.a, pairs.b)


METHODS: dict[str, Callable[[Pairs], Perms]] = {
    method.__name__: method
    for method in (
        none,
        random,
        naive,
        git_rebasin,
        informed,
        informed_bias,
        informed_reverse,
        informed_rotated,
        activation,
        activation_uncentred,
        activation_pearson,
        activation_shuffled,
        straight_through_estimator,
        sinkhorn,
    )
}


def _by_weights(pairs: Pairs, form: str) -> Perms:
    return weight_matching(pairs.architecture.layout, pairs.architecture.axes, pairs.a, pairs.b, form).perms


def _by_activations(pairs: Pairs, kind: str) -> Perms:
    return activation_matching(pairs.architecture, pairs.a, pairs.b, pairs.x, kind)


def _rotation(seed: int, group: str, size: int) -> np.ndarray:
    """A uniformly random orthogonal matrix: signs are fixed by R's diagonal (Mezzadri 2007)."""
    q, r = np.linalg.qr(stream(seed, "rotation", group).standard_normal((size, size)))
    return q * np.sign(np.diagonal(r))
