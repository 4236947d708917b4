"""What is measured: dead units along training, what removing them leaves of accuracy and size, and that it
loses nothing.

Accuracies are those after the last update, never of a better moment on the way. Of the test part, `right` says
which examples a network has right: `x` right, `.` wrong.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from isthmus.engine import evaluate
from isthmus.engine.architecture import Architecture
from isthmus.engine.checkpoints import Counter
from isthmus.engine.fleet import Fleet
from isthmus.engine.streams import stream
from isthmus.papers.demp import arms
from isthmus.removal import sizes
from isthmus.removal.cut import Cut, Live, scalars
from isthmus.removal.dead import dead

Settings = Mapping[str, Any]
Rows = list[dict[str, Any]]


def networks(fleets: Mapping[str, Fleet], settings: Settings, progress: Counter) -> pd.DataFrame:
    """One row per network: what it is (arms.describe), how sparse, and how good after the last update.

    neuron_sparsity, weight_sparsity: shares of units and parameters removed. operations: of all updates,
    relative to the dense network. collapsed: it diverged or lost a whole layer. validation, accuracy: fractions
    right, on the validation and the test part.
    """
    rows: Rows = []
    progress.expect(len(fleets))
    for run, fleet in fleets.items():
        kept, right = arms.live(fleet), _right(fleet, "test")
        columns = {
            "neuron_sparsity": sizes.neuron_sparsity(kept),
            "weight_sparsity": sizes.weight_sparsity(fleet.architecture, kept),
            "operations": arms.operations_of_training(fleet),
            "validation": _right(fleet, "validation").double().mean(1),
            "accuracy": right.double().mean(1),
        }
        lost = arms.lost(fleet)
        for row in range(len(fleet.networks)):
            values = {name: float(column[row]) for name, column in columns.items()}
            written = "".join("x" if one else "." for one in right[row].tolist())
            about = arms.describe(fleet, run, row) | {"collapsed": bool(lost[row])}
            rows.append({**about, **values, "right": written})
        progress.advance()
    return pd.DataFrame(rows)


def deaths(fleets: Mapping[str, Fleet], settings: Settings, progress: Counter) -> pd.DataFrame:
    """Share of dead hidden units, zero on all training examples: one row per network and moment recorded (step)."""
    rows: Rows = []
    progress.expect(len(fleets))
    for run, fleet in fleets.items():
        (probe,) = fleet.recipe.probes
        for step in probe.at:
            for row, share in enumerate(arms.dead_share(fleet, step).tolist()):
                # Of a network that diverged nothing is known but that it did.
                known = share if fleet.diverged_at[row] < 0 else float("nan")
                about = arms.describe(fleet, run, row) | {"batch": fleet.recipe.batch}
                rows.append({**about, "step": step, "dead": known})
        progress.advance()
    return pd.DataFrame(rows).drop(columns=["method", "units"])


def shrinking(fleets: Mapping[str, Fleet], settings: Settings, progress: Counter) -> pd.DataFrame:
    """Live units of DemP as it trains: one row per network with its seed's own data order, look and hidden layer.

    step: updates taken. layer: from 1. live: how many units; width: of how many. operations: of a forward pass,
    relative to the dense network.
    """
    rows: Rows = []
    progress.expect(len(fleets))
    for run, fleet in fleets.items():
        units, whole, relative = arms.counts(fleet), arms.live(fleet), arms.operations(fleet)
        for row in range(len(fleet.networks)):
            about = arms.describe(fleet, run, row)
            if (about["method"], about["order"]) != ("demp", 0):
                continue
            same = {"seed": about["seed"], "penalty": about["penalty"]}
            for look, step in enumerate(fleet.recipe.looks):
                passes = {"operations": float(relative[row, look])}
                for layer, (group, each) in enumerate(units.items(), start=1):
                    count = {"live": int(each[row, look]), "width": whole[group].shape[1]}
                    rows.append({**same, "step": step, "layer": layer, **count, **passes})
        progress.advance()
    return pd.DataFrame(rows)


def lossless(fleets: Mapping[str, Fleet], settings: Settings, progress: Counter) -> pd.DataFrame:
    """One row per network: the largest change of a logit on training data, over the largest logit, when units are
    cut out of it: those that are dead there, and as many (at least one of a layer) random live ones.

    network: which of its seed's; units: how many are dead.
    """
    rows: Rows = []
    progress.expect(len(fleets))
    for fleet in fleets.values():
        whole, theta, x = fleet.architecture, fleet.final, fleet.data.inputs["train"]
        before = evaluate.logits(whole, theta, x)
        silent = dead(whole, theta, x)
        numbers = _numbers(fleet)
        columns = {}
        for name, gone in (("dead", silent), ("live", _as_many_live(silent, numbers))):
            cut = Cut.of(whole, {group: ~units for group, units in gone.items()})
            after = evaluate.logits(cut.architecture, cut.take(_zeroed(whole, theta, gone)), x)
            columns[name] = (after - before).abs().amax((1, 2)) / before.abs().amax((1, 2))
        columns["units"] = torch.cat(list(silent.values()), dim=1).sum(1)
        for row, (seed, number) in enumerate(numbers):
            values = {name: column[row].item() for name, column in columns.items()}
            rows.append({"seed": seed, "network": number, **values})
        progress.advance()
    return pd.DataFrame(rows)


def _right(fleet: Fleet, part: str) -> Tensor:
    """Which examples of a part (R, N) the networks class right, as they end."""
    x, y = fleet.data.inputs[part], fleet.data.labels[part]
    return evaluate.logits(fleet.architecture, fleet.final, x).argmax(-1) == y


def _numbers(fleet: Fleet) -> list[tuple[int, int]]:
    """Of each row: its seed, and which of that seed's networks it is, from 0."""
    seeds = [network.seed for network in fleet.networks]
    return [(seed, seeds[:row].count(seed)) for row, seed in enumerate(seeds)]


def _as_many_live(silent: Live, numbers: Sequence[tuple[int, int]]) -> dict[str, Tensor]:
    """Group -> bool (R, n): of each layer as many live units as are dead there, at least one, drawn at random."""
    taken = {group: torch.zeros_like(units) for group, units in silent.items()}
    for group, units in silent.items():
        for row, (seed, number) in enumerate(numbers):
            alive = (~units[row]).nonzero().squeeze(1)
            order = torch.from_numpy(stream(seed, "live units", number, group).permutation(len(alive)))
            taken[group][row, alive[order[: max(1, int(units[row].sum()))]]] = True
    return taken


def _zeroed(architecture: Architecture, theta: Tensor, gone: Live) -> Tensor:
    """Rows whose units are zero where they are gone: rows of different widths are cut to the widest of them."""
    left = {group: ~units for group, units in gone.items()}
    return theta * scalars(architecture.layout, architecture.axes, left)
