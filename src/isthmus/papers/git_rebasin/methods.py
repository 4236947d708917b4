"""The orders of B's units that are compared, and the repairs of what lies between two networks."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from isthmus.connectivity.barrier import Line
from isthmus.engine.evaluate import evaluate
from isthmus.engine.layout import Layout
from isthmus.symmetry.activations import activation_matching
from isthmus.symmetry.matching import weight_matching
from isthmus.symmetry.pairs import Pairs
from isthmus.symmetry.repair import repaired, repaired_line
from isthmus.symmetry.straight_through import straight_through
from isthmus.symmetry.table import Axes, Perms


def matched(pairs: Pairs, method: str, settings: Mapping[str, Any]) -> Tensor:
    """B's of the pairs (K, P) with their units in the order that a method of ORDERS finds."""
    return pairs.permuted(ORDERS[method](pairs, settings))


def none(pairs: Pairs, settings: Mapping[str, Any]) -> Perms:
    """B as it was trained."""
    return pairs.unchanged()


def random(pairs: Pairs, settings: Mapping[str, Any]) -> Perms:
    """Control: B in random order."""
    return pairs.shuffled("permutation")


def weights(pairs: Pairs, settings: Mapping[str, Any]) -> Perms:
    """Weight matching (algorithm 1), the best of the identity and so many random starts."""
    layout, axes = pairs.architecture.layout, pairs.architecture.axes
    return weight_matching(layout, axes, pairs.a, pairs.b, restarts=settings["restarts"]).perms


def uncentred(pairs: Pairs, settings: Mapping[str, Any]) -> Perms:
    """Activation matching by E[h_A h_B], Git Re-Basin's own (equation 1)."""
    return activation_matching(pairs.architecture, pairs.a, pairs.b, pairs.x, "uncentred")


def pearson(pairs: Pairs, settings: Mapping[str, Any]) -> Perms:
    """Activation matching by correlation, REPAIR's own."""
    return activation_matching(pairs.architecture, pairs.a, pairs.b, pairs.x, "pearson")


def straight_through_estimator(pairs: Pairs, settings: Mapping[str, Any]) -> Perms:
    """The straight-through estimator (algorithm 2); its loss is seen on training batches alone."""
    found = straight_through(pairs.architecture, pairs.a, pairs.b, pairs.x, pairs.y, **settings["straight_through"])
    return found.perms


ORDERS: dict[str, Callable[[Pairs, Mapping[str, Any]], Perms]] = {
    "none": none,
    "random": random,
    "weights": weights,
    "uncentred": uncentred,
    "pearson": pearson,
    "straight_through": straight_through_estimator,
}


def own(pairs: Pairs, moved: Tensor, x: Tensor, y: Tensor, points: int) -> Line:
    """REPAIR: each unit gets its own statistics of the end points, seen on the training inputs."""
    return repaired_line(pairs.architecture, pairs.a, moved, pairs.x, x, y, points)


def others(pairs: Pairs, moved: Tensor, x: Tensor, y: Tensor, points: int) -> Line:
    """Control: the same gains and shifts, handed to the wrong units of each layer."""
    architecture = pairs.architecture
    order = pairs.shuffled("others")
    alphas = torch.linspace(0, 1, points, dtype=torch.float64)
    losses, errors = [], []
    for alpha, mended in zip(
        alphas.tolist(), repaired(architecture, pairs.a, moved, alphas.tolist(), pairs.x), strict=True
    ):
        plain = torch.lerp(pairs.a, moved, alpha)
        theta = misdirected(architecture.layout, architecture.axes, plain, mended, order)
        found = evaluate(architecture, theta, x, y)
        losses.append(found[0])
        errors.append(found[1])
    return Line(torch.stack(losses, 1), torch.stack(errors, 1), alphas)


def misdirected(layout: Layout, axes: Axes, plain: Tensor, mended: Tensor, order: Mapping[str, Tensor]) -> Tensor:
    """Rows (K, P): `plain` with the corrections that make it `mended`, unit i given those of unit order[i].

    A correction is a gain of a unit's weights and a shift of its bias; units whose weights are all 0 have gain 1.
    """
    before, after = layout.split(plain), layout.split(mended)
    made = dict(before)
    for name, groups in axes.items():
        if len(groups) < 2 or groups[0] is None:
            continue
        bias = name.removesuffix("weight") + "bias"
        lengths = [parts[name].flatten(2).norm(dim=2) for parts in (after, before)]
        gain = torch.where(lengths[1] > 0, lengths[0] / lengths[1], 1.0)
        shift = after[bias] - gain * before[bias]
        gain, shift = (value.gather(1, order[groups[0]]) for value in (gain, shift))
        made[name] = before[name] * gain.view(*gain.shape, *(1,) * (before[name].ndim - 2))
        made[bias] = before[bias] * gain + shift
    return layout.join(made)


REPAIRS: dict[str, Callable[[Pairs, Tensor, Tensor, Tensor, int], Line]] = {"own": own, "others": others}
