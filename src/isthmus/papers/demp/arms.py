"""Which method of the paper's comparisons a network is, and how many units it has as it trains."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from isthmus.engine.fleet import Fleet
from isthmus.removal import sizes
from isthmus.symmetry.table import group_sizes


def describe(fleet: Fleet, run: str, row: int) -> dict[str, Any]:
    """Of a row: run, method, seed, order, lr, penalty and noise (peaks), units (share asked for, else 1).

    method: dense or the kind of removal, where units were chosen; otherwise the run's name. Of `demp`, only
    with the largest of its noises, else `less noise`; of `constant`, `slimming` without noise.
    """
    network = fleet.networks[row]
    match run:
        case "baselines":
            method = network.remove or "dense"
        case "demp":
            method = run if network.noise == max(one.noise for one in fleet.networks) else "less noise"
        case "constant":
            method = run if network.noise else "slimming"
        case _:
            method = run
    return {
        "run": run,
        "method": method,
        "seed": network.seed,
        "order": network.order,
        "lr": network.lr,
        "penalty": network.penalty,
        "noise": network.noise,
        "units": 1.0 if network.units is None else network.units,
    }


def live(fleet: Fleet) -> dict[str, Tensor]:
    """Group -> bool (R, n): the units that were left at the end; all, of a fleet that loses none."""
    rows, groups = len(fleet.networks), group_sizes(fleet.architecture.layout, fleet.architecture.axes)
    whole = {group: torch.ones((rows, size), dtype=torch.bool) for group, size in groups.items()}
    return {group: fleet.recorded.get(f"probe/live/{group}", every) for group, every in whole.items()}


def counts(fleet: Fleet) -> dict[str, Tensor]:
    """Group -> how many units (R, looks) were live after each look of the recipe."""
    return {group: fleet.recorded[f"probe/units/{group}"] for group in live(fleet)}


def operations(fleet: Fleet) -> Tensor:
    """Operations of a forward pass (R, looks) after each look, relative to the dense network's."""
    whole, units = live(fleet), counts(fleet)
    widths = {group: every.shape[1] for group, every in whole.items()}
    each = [
        # Which units are live does not change a width: the first ones stand for any.
        {group: torch.arange(width) < units[group][:, [look]] for group, width in widths.items()}
        for look in range(len(fleet.recipe.looks))
    ]
    found = torch.stack([sizes.flops(fleet.architecture, kept) for kept in each], dim=1).double()
    dense = {group: torch.ones((1, width), dtype=torch.bool) for group, width in widths.items()}
    return found / sizes.flops(fleet.architecture, dense)


def operations_of_training(fleet: Fleet) -> Tensor:
    """Operations of all updates (R,) relative to the dense network's; 1 of a fleet that loses no units.

    Between two looks a network counts as it was at the first of them.
    """
    if fleet.recipe.removal is None:
        return torch.ones(len(fleet.networks), dtype=torch.float64)
    looks = torch.tensor(fleet.recipe.looks, dtype=torch.float64)
    return operations(fleet)[:, :-1] @ looks.diff() / looks[-1]


def lost(fleet: Fleet) -> Tensor:
    """bool (R,): networks that diverged, or lost all units of a layer and so answer nothing but a constant."""
    never = torch.full_like(fleet.diverged_at, -1)
    return (fleet.diverged_at >= 0) | (fleet.recorded.get("probe/collapsed_at", never) >= 0)


def dead_share(fleet: Fleet, step: int) -> Tensor:
    """Share (R,) of the hidden units that were zero on every example seen by the probe after so many updates."""
    groups: Mapping[str, Tensor] = {group: fleet.probe(f"dead_units/{group}", step) for group in live(fleet)}
    return torch.cat(list(groups.values()), dim=1).double().mean(1)
