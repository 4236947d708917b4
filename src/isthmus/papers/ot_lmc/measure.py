"""What is measured: barriers of pairs under every matching, dimensions of layers, and the rates behind the theory.

Pairs are disjoint: networks of seeds (s, s + 1), (s + 2, s + 3), ... at one peak learning rate. Network A stays,
B is permuted.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from isthmus.connectivity.barrier import barrier, midpoint, on_line
from isthmus.engine.checkpoints import Counter
from isthmus.engine.fleet import Fleet
from isthmus.papers.ot_lmc.methods import METHODS
from isthmus.symmetry.dimension import dimensions
from isthmus.symmetry.moments import second_moments
from isthmus.symmetry.pairs import Pairs
from isthmus.symmetry.repair import repaired_line
from isthmus.symmetry.transport import midpoint_gaps, sample_costs

Settings = Mapping[str, Any]


def pairs_by_rate(fleet: Fleet) -> Iterator[tuple[float, Pairs]]:
    """(peak learning rate, the disjoint pairs of trained networks at that rate), rates rising."""
    for lr in sorted({network.lr for network in fleet.networks}):
        yield lr, _pairs(fleet, fleet.final, lr)


def _pairs(fleet: Fleet, theta: Tensor, lr: float) -> Pairs:
    rows = [row for row, network in enumerate(fleet.networks) if network.lr == lr]
    seeds = [fleet.networks[row].seed for row in rows[0::2]]
    x, y = fleet.data.inputs["train"], fleet.data.labels["train"]
    return Pairs(fleet.architecture, theta[rows[0::2]], theta[rows[1::2]], x, y, seeds)


def matching(fleets: Mapping[str, Fleet], settings: Settings, progress: Counter) -> pd.DataFrame:
    """One row per learning rate, pair, method and split.

    Columns: endpoints (mean loss of both networks), midpoint (loss at alpha = 1/2: the paper's "LMC error"),
    barrier (nats), endpoint_error, error_barrier (0-1 error, fraction), dimension (approximate dimension of A in
    the method's own metric, worst layer; empty where a method has none).
    """
    fleet, rows = fleets["main"], []
    rates = {network.lr for network in fleet.networks}
    progress.expect(len(rates) * len(settings["methods"]))
    for lr, pairs in pairs_by_rate(fleet):
        own = dimensions(fleet.architecture.layout, fleet.architecture.axes, pairs.a, pairs.moments)
        worst = {method: torch.stack(list(groups.values())).amax(0) for method, groups in own.items()}
        for method in settings["methods"]:
            moved = pairs.permuted(METHODS[method](pairs))
            for split in ("test", "train") if method in settings["train_methods"] else ("test",):
                x, y = fleet.data.inputs[split], fleet.data.labels[split]
                line = on_line(fleet.architecture, pairs.a, moved, x, y, settings["points"])
                columns = {
                    "endpoints": (line.losses[:, 0] + line.losses[:, -1]) / 2,
                    "midpoint": midpoint(line.losses),
                    "barrier": barrier(line.losses, line.alphas),
                    "endpoint_error": (line.errors[:, 0] + line.errors[:, -1]) / 2,
                    "error_barrier": barrier(line.errors, line.alphas),
                    "dimension": worst.get(method, torch.full((len(pairs.a),), torch.nan)),
                }
                for pair, seed in enumerate(pairs.seeds):
                    values = {name: float(column[pair]) for name, column in columns.items()}
                    rows.append({"lr": lr, "pair": seed, "method": method, "split": split, **values})
            progress.advance()
    return pd.DataFrame(rows)


def dimension(fleets: Mapping[str, Fleet], settings: Settings, progress: Counter) -> pd.DataFrame:
    """Approximate dimension of each layer of network A: one row per rate, pair, state, method and layer.

    States: trained; untrained (the same seeds before the first update); centred (trained, second moments replaced
    by covariances).
    """
    fleet, rows = fleets["main"], []
    architecture = fleet.architecture
    initial = fleet.initial()
    progress.expect(len({network.lr for network in fleet.networks}))
    for lr, pairs in pairs_by_rate(fleet):
        untrained = _pairs(fleet, initial, lr)
        moments = pairs.moments
        states = {
            "trained": (pairs.a, moments),
            "centred": (pairs.a, moments.centred()),
            "untrained": (untrained.a, second_moments(architecture, untrained.a, pairs.x)),
        }
        for state, (theta, of_state) in states.items():
            found = dimensions(architecture.layout, architecture.axes, theta, of_state)
            for method, groups in found.items():
                for layer, values in enumerate(groups.values(), start=1):
                    rows += [
                        {
                            "lr": lr,
                            "pair": seed,
                            "state": state,
                            "method": method,
                            "layer": layer,
                            "dimension": value,
                        }
                        for seed, value in zip(pairs.seeds, values.tolist(), strict=True)
                    ]
        progress.advance()
    return pd.DataFrame(rows)


def rate(fleets: Mapping[str, Fleet], settings: Settings, progress: Counter) -> pd.DataFrame:
    """Exact matching cost of two samples of n points: one row per law, n and repeat."""
    rows, seeds = [], _seeds(settings)
    progress.expect(len(settings["laws"]) * len(settings["sizes"]))
    for law in settings["laws"]:
        for n in settings["sizes"]:
            costs = sample_costs(seeds, n, law["k"], law["ambient"], law["noise"])
            rows += [
                {**law, "n": n, "repeat": seed, "cost": cost}
                for seed, cost in zip(seeds, costs.tolist(), strict=True)
            ]
            progress.advance()
    return pd.DataFrame(rows)


def mean_field(fleets: Mapping[str, Fleet], settings: Settings, progress: Counter) -> pd.DataFrame:
    """Gap between the midpoint of two random two-layer networks and the mean of both, by width.

    One row per dimension k of the neurons' law, width, whether neurons were matched first, and repeat.
    """
    rows, seeds = [], _seeds(settings)
    progress.expect(2 * len(settings["dimensions"]) * len(settings["widths"]))
    for k in settings["dimensions"]:
        for width in settings["widths"]:
            for matched in (True, False):
                gaps = midpoint_gaps(seeds, width, k, settings["features"], match=matched)
                rows += [
                    {"k": k, "width": width, "matched": matched, "repeat": seed, "gap": gap}
                    for seed, gap in zip(seeds, gaps.tolist(), strict=True)
                ]
                progress.advance()
    return pd.DataFrame(rows)


def lines(fleets: Mapping[str, Fleet], settings: Settings, progress: Counter) -> pd.DataFrame:
    """Test loss along the line for the first pair at one rate: one row per method and alpha."""
    fleet = fleets["main"]
    lr = sorted({network.lr for network in fleet.networks})[settings["rate"]]
    pairs = _pairs(fleet, fleet.final, lr).first()
    x, y = fleet.data.inputs["test"], fleet.data.labels["test"]
    rows = []
    progress.expect(len(settings["methods"]))
    for method in settings["methods"]:
        moved = pairs.permuted(METHODS[method](pairs))
        line = on_line(fleet.architecture, pairs.a, moved, x, y, settings["points"])
        rows += _along(lr, method, line.alphas.tolist(), line.losses[0].tolist())
        if method == settings["repaired"]:
            line = repaired_line(fleet.architecture, pairs.a, moved, pairs.x, x, y, settings["points"])
            rows += _along(lr, f"{method}_repaired", line.alphas.tolist(), line.losses[0].tolist())
        progress.advance()
    return pd.DataFrame(rows)


def _along(lr: float, method: str, alphas: Sequence[float], losses: Sequence[float]) -> list[dict[str, Any]]:
    return [{"lr": lr, "method": method, "alpha": a, "loss": v} for a, v in zip(alphas, losses, strict=True)]


def _seeds(settings: Settings) -> range:
    return range(settings["first_seed"], settings["first_seed"] + settings["repeats"])
