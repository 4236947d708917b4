"""Activation matching: units are near when they respond alike to the same inputs; each layer stands alone."""

import torch
from torch import Tensor

from isthmus.engine.architecture import Architecture
from isthmus.engine.evaluate import blocks
from isthmus.symmetry.assignment import assignment
from isthmus.symmetry.table import Perms

KINDS = ("covariance", "uncentred", "pearson")
# Jordan et al. (2022, code) add it to the product of standard deviations: dead units then correlate 0.
_PEARSON_FLOOR = 1e-4


def activation_matching(
    architecture: Architecture,
    theta_a: Tensor,
    theta_b: Tensor,
    x: Tensor,
    kind: str = "covariance",
    x_b: Tensor | None = None,
) -> Perms:
    """Permutations (K, n) of theta_b (K, P) towards theta_a (K, P), by activations on inputs x (N, *shape).

    Units that never answer are all alike, and come in any order. The heads of attention and the dimensions within
    them are each other's places: one is found only where the other is in order.
    x_b: what B sees instead of x (N, *shape); in another order than x it is a control that must match nothing.
    """
    scores = activation_scores(architecture, theta_a, theta_b, x, kind, x_b)
    return {group: assignment(score) for group, score in scores.items()}


@torch.no_grad()
def activation_scores(
    architecture: Architecture, theta_a: Tensor, theta_b: Tensor, x: Tensor, kind: str, x_b: Tensor | None = None
) -> dict[str, Tensor]:
    """Group -> scores (K, n, n), units of A by units of B, float64; N counts inputs times places that answer.

    kind: `covariance`, Cov(h_A, h_B) with N - 1 (Ferbach et al. 2024); `uncentred`, E[h_A h_B^T] (Ainsworth et
    al. 2022); `pearson`, the covariance with N over sd_A sd_B + 1e-4 (Jordan et al. 2022).
    """
    if kind not in KINDS:
        raise ValueError(f"activation matching: wanted one of {', '.join(KINDS)}, found {kind!r}")
    scores = {}
    for group, (count, cross, a, b, a2, b2) in activation_sums(architecture, theta_a, theta_b, x, x_b).items():
        if kind == "uncentred":
            scores[group] = cross / count
            continue
        centred = cross - a.unsqueeze(2) * b.unsqueeze(1) / count
        if kind == "covariance":
            scores[group] = centred / (count - 1)
            continue
        sd_a = (a2 / count - (a / count).square()).clamp(min=0).sqrt()
        sd_b = (b2 / count - (b / count).square()).clamp(min=0).sqrt()
        scores[group] = centred / count / (sd_a.unsqueeze(2) * sd_b.unsqueeze(1) + _PEARSON_FLOOR)
    return scores


@torch.no_grad()
def activation_sums(
    architecture: Architecture,
    theta_a: Tensor,
    theta_b: Tensor,
    x: Tensor,
    x_b: Tensor | None = None,
    b: Architecture | None = None,
) -> dict[str, tuple[int, Tensor, Tensor, Tensor, Tensor, Tensor]]:
    """Group -> N, and sums over N of h_A h_B^T, h_A, h_B, h_A^2, h_B^2: float32 in a block, else float64.

    N: inputs, times the places of an input (pixels, tokens, times) at which the group's units answer.
    x_b: what B sees instead of x; b: B's architecture, where its groups have other sizes.
    """
    step, width = blocks(architecture, len(theta_a), len(x))
    other, x_b = b or architecture, x if x_b is None else x_b
    groups: dict[str, list[tuple[Tensor, ...]]] = {}
    seen: dict[str, int] = {}
    for start in range(0, len(theta_a), step):
        rows = slice(start, start + step)
        sums: dict[str, tuple[Tensor, ...]] = {}
        seen.clear()
        for i in range(0, len(x), width):
            hidden_a = architecture.activations(theta_a[rows], x[i : i + width])
            hidden_b = other.activations(theta_b[rows], x_b[i : i + width])
            for group, of_a in hidden_a.items():
                of_b = hidden_b[group]
                seen[group] = seen.get(group, 0) + of_a.shape[1]
                new = [of_a.mT @ of_b, of_a.sum(1), of_b.sum(1), of_a.square().sum(1), of_b.square().sum(1)]
                old = sums.get(group)
                sums[group] = [n.double() if old is None else o + n for o, n in zip(old or new, new, strict=True)]
        for group, parts in sums.items():
            groups.setdefault(group, []).append(parts)
    return {group: (seen[group], *map(torch.cat, zip(*parts, strict=True))) for group, parts in groups.items()}
