"""What is measured: the lines between pairs under every matching, and what is special about networks on them."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import torch

from isthmus.connectivity.barrier import Line, barrier, on_line
from isthmus.connectivity.plane import on_plane, through
from isthmus.engine.checkpoints import Counter
from isthmus.engine.fleet import Fleet
from isthmus.papers.git_rebasin import counterexample as exact
from isthmus.papers.git_rebasin import merging as merge
from isthmus.papers.git_rebasin.methods import REPAIRS, matched
from isthmus.papers.git_rebasin.pairs import pairs_by_rate, sets_of, shape
from isthmus.symmetry.matching import weight_matching
from isthmus.symmetry.pairs import Pairs
from isthmus.symmetry.repair import repair, variance_ratio

Settings = Mapping[str, Any]


def lines(fleets: Mapping[str, Fleet], settings: Settings, progress: Counter) -> pd.DataFrame:
    """On the line between the networks of each pair: one row per run, rate, pair, order of B, repair, split, alpha.

    Columns: loss (nats), error (fraction) there; barrier (nats) and error_barrier (fraction) of the whole line, the
    same in all its rows. repair: none, or one of REPAIRS, on test data alone.
    """
    parts = []
    each = len(settings["methods"]) + sum(map(len, settings["repairs"].values()))
    progress.expect(each * sum(len({network.lr for network in fleet.networks}) for fleet in fleets.values()))
    for run, fleet in fleets.items():
        for lr, pairs in pairs_by_rate(fleet, fleet.final, settings["pairs"]):
            for method in settings["methods"]:
                moved = matched(pairs, method, settings)
                about = {"run": run, **shape(fleet), "lr": lr, "method": method}
                for split in settings["splits"]:
                    x, y = fleet.data.inputs[split], fleet.data.labels[split]
                    line = on_line(fleet.architecture, pairs.a, moved, x, y, settings["points"])
                    parts.append(along(pairs, line, {**about, "repair": "none", "split": split}))
                progress.advance()
                for kind in settings["repairs"].get(method, ()):
                    x, y = fleet.data.inputs["test"], fleet.data.labels["test"]
                    line = REPAIRS[kind](pairs, moved, x, y, settings["points"])
                    parts.append(along(pairs, line, {**about, "repair": kind, "split": "test"}))
                    progress.advance()
    return pd.concat(parts, ignore_index=True)


def along(pairs: Pairs, line: Line, about: Mapping[str, Any]) -> pd.DataFrame:
    """The rows of one matching: pair by pair, from A to B."""
    points = len(line.alphas)
    columns = {
        "pair": [seed for seed in pairs.seeds for _ in range(points)],
        "alpha": line.alphas.tolist() * len(pairs.seeds),
        "loss": line.losses.flatten().tolist(),
        "error": line.errors.flatten().tolist(),
        "barrier": barrier(line.losses, line.alphas).repeat_interleave(points).tolist(),
        "error_barrier": barrier(line.errors, line.alphas).repeat_interleave(points).tolist(),
    }
    return pd.DataFrame({**about, **columns})


def layers(fleets: Mapping[str, Fleet], settings: Settings, progress: Counter) -> pd.DataFrame:
    """Variance of what units put out before the activation, halfway, over the mean of both ends': by hidden layer.

    One row per run, pair, order of B, repair (none, own) and layer, on training data, summed over units.
    """
    rows: list[dict[str, Any]] = []
    progress.expect(len(fleets) * len(settings["methods"]))
    for run, fleet in fleets.items():
        _, pairs = next(pairs_by_rate(fleet, fleet.final, settings["pairs"]))
        for method in settings["methods"]:
            moved = matched(pairs, method, settings)
            halfway = {
                "none": torch.lerp(pairs.a, moved, 0.5),
                "own": repair(fleet.architecture, pairs.a, moved, 0.5, pairs.x),
            }
            for kind, theta in halfway.items():
                ratios = variance_ratio(fleet.architecture, pairs.a, moved, theta, pairs.x)
                for layer, ratio in enumerate(ratios.values(), start=1):
                    about = {"run": run, **shape(fleet), "method": method, "repair": kind, "layer": layer}
                    rows += [
                        {**about, "pair": seed, "ratio": value}
                        for seed, value in zip(pairs.seeds, ratio.tolist(), strict=True)
                    ]
            progress.advance()
    return pd.DataFrame(rows)


def onset(fleets: Mapping[str, Fleet], settings: Settings, progress: Counter) -> pd.DataFrame:
    """Test barriers (nats) of the networks at each checkpoint: one row per step, pair and order of B.

    Orders: random, weights, and `copy`: A against itself relabelled, matched. Columns epoch, endpoints (mean loss).
    """
    (fleet,) = fleets.values()
    rows: list[dict[str, Any]] = []
    per_epoch = len(fleet.data.labels["train"]) // fleet.recipe.batch
    x, y = fleet.data.inputs["test"], fleet.data.labels["test"]
    progress.expect(len(fleet.thetas))
    for step, theta in fleet.thetas.items():
        _, pairs = next(pairs_by_rate(fleet, theta, settings["pairs"]))
        copied = pairs.copies()
        ends = {
            "random": (pairs, matched(pairs, "random", settings)),
            "weights": (pairs, matched(pairs, "weights", settings)),
            "copy": (copied, matched(copied, "weights", settings)),
        }
        for method, (between, moved) in ends.items():
            line = on_line(fleet.architecture, between.a, moved, x, y, settings["points"])
            found = barrier(line.losses, line.alphas).tolist()
            endpoints = ((line.losses[:, 0] + line.losses[:, -1]) / 2).tolist()
            rows += [
                {
                    "step": step,
                    "epoch": step / per_epoch,
                    "pair": seed,
                    "method": method,
                    "barrier": height,
                    "endpoints": loss,
                }
                for seed, height, loss in zip(between.seeds, found, endpoints, strict=True)
            ]
        progress.advance()
    return pd.DataFrame(rows)


def planted(fleets: Mapping[str, Fleet], settings: Settings, progress: Counter) -> pd.DataFrame:
    """Network A of each pair and a relabelled copy, matched by weights from the identity: a row per run and order.

    Orders: weights, random (control). Columns: difference (largest of any parameter once ordered), misplaced
    (share of parameters that differ), sweeps (passes that gained something; weights alone).
    """
    rows: list[dict[str, Any]] = []
    progress.expect(len(fleets))
    for run, fleet in fleets.items():
        layout, axes = fleet.architecture.layout, fleet.architecture.axes
        _, pairs = next(pairs_by_rate(fleet, fleet.final, settings["pairs"]))
        hidden = pairs.copies()
        found = weight_matching(layout, axes, hidden.a, hidden.b, restarts=0)
        trace = found.trace[0]
        sweeps = (trace < trace[:, -1:]).sum(1)
        ordered = {"weights": hidden.permuted(found.perms), "random": matched(hidden, "random", settings)}
        for method, moved in ordered.items():
            gap = (moved - hidden.a).abs()
            for k, seed in enumerate(pairs.seeds):
                values = {
                    "difference": float(gap[k].max()),
                    "misplaced": float((gap[k] > 0).double().mean()),
                    "sweeps": float(sweeps[k]) if method == "weights" else float("nan"),
                }
                rows.append({"run": run, "network": seed, "method": method, **values})
        progress.advance()
    return pd.DataFrame(rows)


def merging(fleets: Mapping[str, Fleet], settings: Settings, progress: Counter) -> pd.DataFrame:
    """Loss (nats), error and calibration error (fractions) of sets merged: one row per set, arm and split.

    Sets are disjoint. Of the members it is their mean; arms as in `merging.predictions`.
    """
    rows = []
    (fleet,) = fleets.values()
    seeds, sets = sets_of(fleet, settings["members"])
    progress.expect(2)
    for split in ("test", "train"):
        y = fleet.data.labels[split]
        for arm, said in merge.predictions(fleet.architecture, sets, fleet.data.inputs[split]).items():
            columns = {
                "loss": merge.loss(said, y),
                "error": (said.argmax(-1) != y).double().mean(-1),
                "calibration_error": merge.calibration_error(said, y, settings["bins"]),
            }
            for k, seed in enumerate(seeds):
                values = {name: float(column[k].mean()) for name, column in columns.items()}
                rows.append({"set": seed, "arm": arm, "split": split, **values})
        progress.advance()
    return pd.DataFrame(rows)


def reliability(fleets: Mapping[str, Fleet], settings: Settings, progress: Counter) -> pd.DataFrame:
    """Test accuracy by confidence: one row per set, arm and bin; the members' predictions count together.

    Columns: share of the predictions in the bin, their mean confidence and accuracy (empty where there are none).
    """
    rows = []
    (fleet,) = fleets.values()
    seeds, sets = sets_of(fleet, settings["members"])
    y = fleet.data.labels["test"]
    found = merge.predictions(fleet.architecture, sets, fleet.data.inputs["test"])
    progress.expect(len(found))
    for arm, said in found.items():
        # Members one after another: one long list of predictions a set.
        together, labels = said.flatten(1, 2), y.repeat(said.shape[1])
        for name, part in zip(
            ("share", "confidence", "accuracy"), merge.bins(together, labels, settings["bins"]), strict=True
        ):
            for k, seed in enumerate(seeds):
                rows += [
                    {"set": seed, "arm": arm, "bin": place, "name": name, "value": value}
                    for place, value in enumerate(part[k].tolist())
                ]
        progress.advance()
    wide = pd.DataFrame(rows).pivot(index=["set", "arm", "bin"], columns="name", values="value")
    return wide[["share", "confidence", "accuracy"]].reset_index().rename_axis(columns=None)


def counterexample(fleets: Mapping[str, Fleet], settings: Settings, progress: Counter) -> pd.DataFrame:
    """Accuracy on the lines between two networks of one function: one row per pair, order of B's units and alpha.

    pair: `counterexample`, or the control `copy`, A and A itself. gap: largest difference of the two functions.
    """
    x, rows = exact.square(settings["grid"]), []
    progress.expect(2)
    for pair, b in (("counterexample", exact.B), ("copy", exact.A)):
        gap = float(abs(exact.output(exact.A, x) - exact.output(b, x)).max())
        rows += [
            {"pair": pair, "order": order, "alpha": alpha, "accuracy": right, "gap": gap}
            for order, alpha, right in exact.lines(exact.A, b, x, settings["points"])
        ]
        progress.advance()
    return pd.DataFrame(rows)


def surface(fleets: Mapping[str, Fleet], settings: Settings, progress: Counter) -> pd.DataFrame:
    """Test loss (nats) and error (fraction) on the plane through A, B and matched B of the first pair.

    u, v: distances on the plane, A at the origin. corner: A, B or matched for the three networks, which come last;
    `grid` for the points of the grid.
    """
    (fleet,) = fleets.values()
    progress.expect(1)
    _, pairs = next(pairs_by_rate(fleet, fleet.final, 1))
    x, y = fleet.data.inputs["test"], fleet.data.labels["test"]
    plane = through(fleet.architecture, pairs.a, pairs.b, matched(pairs, "weights", settings))
    found = on_plane(fleet.architecture, plane, x, y, settings["points"], settings["margin"])
    v, u = torch.meshgrid(found.v[0], found.u[0], indexing="ij")
    columns = {"u": u, "v": v, "loss": found.losses[0], "error": found.errors[0]}
    grid = pd.DataFrame({"corner": "grid", **{name: part.flatten().tolist() for name, part in columns.items()}})
    corners = pd.DataFrame(plane.corners[0].tolist(), columns=["u", "v"]).assign(corner=["A", "B", "matched"])
    progress.advance()
    return pd.concat([grid, corners], ignore_index=True)
