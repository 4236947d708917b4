"""Fusion by optimal transport (Singh & Jaggi 2020): soft maps of B's units onto A's, layer by layer.

Units are points of equal mass, and what it costs to move one onto another is the distance of their weights or of
their activations. Between as many units the cheapest plan is a permutation; else a unit becomes a mixture.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from isthmus.engine.architecture import Architecture
from isthmus.engine.layout import Layout
from isthmus.symmetry.activations import activation_sums
from isthmus.symmetry.assignment import at_once
from isthmus.symmetry.sinkhorn import mix, sinkhorn
from isthmus.symmetry.table import Axes, group_sizes

# Iterations of Sinkhorn's operator for a plan, and of the network simplex, which then gives up.
_ITERATIONS, _PIVOTS = 1000, 10_000_000


@dataclass(frozen=True)
class Fusion:
    """theta (K, P): the mean of A and of B moved onto it, aligned (K, P).

    soft: group -> (K, n_a, n_b), unit i of the moved B is sum_j soft[i, j] times unit j of B; rows sum to 1, and
    columns to n_a / n_b.
    """

    theta: Tensor
    aligned: Tensor
    soft: dict[str, Tensor]


def fusion(
    layout: Layout,
    axes: Axes,
    theta_a: Tensor,
    theta_b: Tensor,
    entropy: float = 0.0,
    costs: Mapping[str, Tensor] | None = None,
    layout_b: Layout | None = None,
) -> Fusion:
    """Fusion of the rows theta_b (K, P_b) with theta_a (K, P), group by group in the table's order.

    costs: group -> (K, n_a, n_b), see activation_costs. By default squared distances of the units' incoming
    weights, in layers whose inputs have been moved already (algorithm 1): of a residual stream, those before it.
    entropy: 0 for the exact plan (POT's network simplex); else the weight of the plan's negative entropy, in
    units of the cost (Cuturi 2013). layout_b: of B, where its hidden layers have other widths (same names).
    ValueError where no such weight says what a group's units are (attention's dimensions, gates of an LSTM).
    """
    parts_a, parts_b = layout.split(theta_a), (layout_b or layout).split(theta_b)
    soft: dict[str, Tensor] = {}
    for group in group_sizes(layout, axes):
        cost = _weight_cost(layout, axes, parts_a, parts_b, group, soft) if costs is None else costs[group]
        soft[group] = transport(cost, entropy).to(theta_b)
        for name, groups in axes.items():
            for axis, at in enumerate(groups):
                if at == group:
                    parts_b[name] = mix(parts_b[name], axis, soft[group])
    aligned = layout.join(parts_b)
    return Fusion((theta_a + aligned) / 2, aligned, soft)


def activation_costs(
    architecture: Architecture, theta_a: Tensor, theta_b: Tensor, x: Tensor, b: Architecture | None = None
) -> dict[str, Tensor]:
    """Group -> (K, n_a, n_b): mean squared difference of two units' activations on inputs x (N, *shape), float64.

    b: the architecture of theta_b, where it has other widths.
    """
    costs = {}
    for group, (count, cross, _, _, a2, b2) in activation_sums(architecture, theta_a, theta_b, x, b=b).items():
        costs[group] = (a2.unsqueeze(2) + b2.unsqueeze(1) - 2 * cross) / count
    return costs


def transport(cost: Tensor, entropy: float = 0.0) -> Tensor:
    """Plans (K, n_a, n_b) of least total cost between units of equal mass, times n_a: each row sums to 1."""
    if entropy > 0:
        return sinkhorn(-cost, entropy, _ITERATIONS)
    # Late: it takes a second to import, and only this needs it.
    import ot

    def plan(table: np.ndarray) -> np.ndarray:
        masses = [np.full(n, 1 / n) for n in table.shape]
        return ot.emd(*masses, table, numItermax=_PIVOTS) * len(table)

    return torch.from_numpy(np.stack(at_once(plan, cost.detach().cpu().double().numpy()))).to(cost.device)


def _weight_cost(
    layout: Layout,
    axes: Axes,
    parts_a: Mapping[str, Tensor],
    parts_b: Mapping[str, Tensor],
    group: str,
    moved: Mapping[str, Tensor],
) -> Tensor:
    """Squared distances (K, n_a, n_b) of a group's incoming weights, from inputs that are fixed or moved."""
    names = [
        name
        for name, (unit, *others) in axes.items()
        if unit == group and layout.slots[name].role.kind == "weight" and {*others} <= {None, *moved}
    ]
    if not names:
        raise ValueError(f"fusion by weights: wanted an incoming weight for the units {group!r}, found none")
    a, b = (torch.cat([parts[name].flatten(2) for name in names], dim=2) for parts in (parts_a, parts_b))
    squares = a.square().sum(2).unsqueeze(2) + b.square().sum(2).unsqueeze(1)
    return squares - 2 * a @ b.mT
