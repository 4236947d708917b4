"""Covariance-informed weight matching (Ferbach et al. 2024): units are near when they act alike on A's inputs.

|W_A - P W_B|^2 in the metric of S, the second moment of what enters the layer, has the cross term W_A S W_B^T:
so this is naive matching with A's weights multiplied by S.
"""

from torch import Tensor

from isthmus.engine.layout import Layout
from isthmus.symmetry.matching import Matching, one_pass
from isthmus.symmetry.moments import INPUT, Moments
from isthmus.symmetry.table import Axes, bias_of, incoming


def covariance_matching(
    layout: Layout, axes: Axes, theta_a: Tensor, theta_b: Tensor, moments: Moments, bias: bool = False
) -> Matching:
    """Permutations of theta_b (K, P) towards theta_a (K, P), by the moments of A in A's own order of units.

    bias: count biases too, as weights on a constant input of 1 (the paper's figures ignore them). Layers are
    matched in one pass, since a layer's cost depends only on those before it. In float64: S is nearly rank one,
    and what tells units apart is a small part of it. Not symmetric: A to B and B to A are two matchings.
    """
    weights = set(incoming(axes).values())
    biases = {bias_of(axes, group) for group in incoming(axes)} if bias else set()
    weighed = _weigh(layout, axes, theta_a.double(), moments, bias)
    return one_pass(
        layout,
        axes,
        weighed,
        theta_b.double(),
        lambda name, axis: axis == 0 and (name in weights or name in biases),
    )


def _weigh(layout: Layout, axes: Axes, theta: Tensor, moments: Moments, bias: bool) -> Tensor:
    """Rows with W S in place of each incoming weight W; with bias, W S + b m^T, and W m + b in place of b."""
    parts = layout.split(theta)
    weighed = dict(parts)
    for group, name in incoming(axes).items():
        before = axes[name][1] or INPUT
        weighed[name] = parts[name] @ moments.second[before]
        own = bias_of(axes, group) if bias else None
        if own is not None:
            mean = moments.mean[before].unsqueeze(1)
            weighed[name] = weighed[name] + parts[own].unsqueeze(2) * mean
            weighed[own] = (parts[name] * mean).sum(2) + parts[own]
    return layout.join(weighed)
