"""What is measured between networks: overlap of masks, and lines between dense networks and tickets."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
from torch import Tensor

from isthmus.connectivity.barrier import Line, barrier, on_line
from isthmus.engine.checkpoints import Counter
from isthmus.engine.fleet import Fleet
from isthmus.papers.lottery_tickets import arms
from isthmus.pruning import masks
from isthmus.pruning.overlap import layer_chance_iou, layer_iou
from isthmus.symmetry import table
from isthmus.symmetry.activations import activation_matching
from isthmus.symmetry.repair import repaired_line

Settings = Mapping[str, Any]
Rows = list[dict[str, Any]]


def overlap(fleets: Mapping[str, Fleet], settings: Settings, progress: Counter) -> pd.DataFrame:
    """Intersection over union of the masks of two networks: one row per round, disjoint pair, layer and units.

    units: `as they are`; `aligned`, the second network's in the order that brings its dense activations nearest to
    the first's; `random`; `chance`, what is to be expected of independent masks of these densities.
    """
    dense, rows = fleets["dense"], []
    whole = arms.judged(dense)
    first, second = whole[0:-1:2], whole[1::2]
    layout, axes = dense.architecture.layout, dense.architecture.axes
    seeds = [dense.networks[row].seed for row in first]
    orders = {
        "aligned": _matched(dense, dense.final[first], dense.final[second]),
        "random": table.random(table.group_sizes(layout, axes), seeds),
    }
    rounds = list(_rounds(fleets))
    progress.expect(len(rounds))
    for run, fleet, chosen in rounds:
        slots = masks.prunable(layout, fleet.recipe.pruning.spared)
        a, b = fleet.mask[chosen[0:-1:2]], fleet.mask[chosen[1::2]]
        found = {"as they are": layer_iou(slots, a, b), "chance": layer_chance_iou(slots, a, b)}
        for units, perms in orders.items():
            found[units] = layer_iou(slots, a, table.permute(layout, axes, perms, b))
        for units, layers in found.items():
            for layer, values in layers.items():
                about = {
                    "run": run,
                    "density": _density(fleet),
                    "layer": layer.removesuffix(".weight"),
                    "units": units,
                }
                rows += [{**about, "pair": s, "iou": v} for s, v in zip(seeds, values.tolist(), strict=True)]
        progress.advance()
    return pd.DataFrame(rows)


def path(fleets: Mapping[str, Fleet], settings: Settings, progress: Counter) -> pd.DataFrame:
    """Barriers on the line from the dense network, trained: one row per round, seed, other end and line.

    other: its own ticket of that round; at the last round also the `next` seed's ticket; and, of density 1, its
    `copy` with another data order. line: `plain`, or `repaired` on the training part. barrier: nats;
    error_barrier: a fraction; both on the test part.
    """
    dense = fleets["dense"]
    whole, rounds = arms.judged(dense), list(_rounds(fleets))
    ends = [("ticket", _density(fleet), fleet.final[rows]) for _, fleet, rows in rounds]
    _, sparsest, last = ends[-1]
    ends.append(("next", sparsest, last.roll(-1, 0)))
    copy_of = {other: row for row, other in arms.copies(dense)}
    ends.append(("copy", 1.0, dense.final[[copy_of[row] for row in whole]]))
    found: Rows = []
    progress.expect(len(ends))
    for other, density, theta in ends:
        for name, line in _lines(dense, dense.final[whole], theta, settings["points"]).items():
            columns = barrier(line.losses, line.alphas), barrier(line.errors, line.alphas)
            for row, loss, error in zip(whole, *(column.tolist() for column in columns), strict=True):
                about = {"other": other, "density": density, "seed": dense.networks[row].seed, "line": name}
                found.append({**about, "barrier": loss, "error_barrier": error})
        progress.advance()
    return pd.DataFrame(found)


def matched(fleets: Mapping[str, Fleet], settings: Settings, progress: Counter) -> pd.DataFrame:
    """Barriers between dense networks A and B: one row per width, pair and line.

    line: `plain`; `aligned`, A's units put in the order of B's by their activations, as masks are carried over;
    `aligned and repaired`. barrier: nats; error_barrier: a fraction; both on the test part.
    settings.pairs: for each width the run of A and that of B; where it is one run, its first half is A.
    """
    found: Rows = []
    progress.expect(len(settings["pairs"]))
    for of_a, of_b in settings["pairs"]:
        home, other = fleets[of_a], fleets[of_b]
        rows = arms.judged(home)
        count = len(rows) // 2 if of_a == of_b else len(rows)
        start = count if of_a == of_b else 0
        a, b = home.final[rows[:count]], other.final[start : start + count]
        layout, axes = home.architecture.layout, home.architecture.axes
        moved = table.permute(layout, axes, _matched(home, b, a), a)
        plain = on_line(home.architecture, a, b, *_test(home), settings["points"])
        lines = {"plain": plain}
        for name, line in _lines(home, moved, b, settings["points"]).items():
            lines["aligned" if name == "plain" else "aligned and repaired"] = line
        for name, line in lines.items():
            columns = barrier(line.losses, line.alphas), barrier(line.errors, line.alphas)
            for row, loss, error in zip(rows, *(column.tolist() for column in columns), strict=False):
                about = {"width": arms.width(home), "pair": home.networks[row].seed, "line": name}
                found.append({**about, "barrier": loss, "error_barrier": error})
        progress.advance()
    return pd.DataFrame(found)


def _rounds(fleets: Mapping[str, Fleet]) -> Iterator[tuple[str, Fleet, Sequence[int]]]:
    """Each round of pruning: its run, its fleet, and its rows that are judged."""
    for run, fleet in fleets.items():
        if fleet.recipe.pruning is not None:
            yield run, fleet, arms.judged(fleet)


def _density(fleet: Fleet) -> float:
    """The share of weights that a round keeps."""
    return arms.density(fleet.recipe, fleet.networks[0])


def _matched(fleet: Fleet, goal: Tensor, moving: Tensor) -> table.Perms:
    """The order of the units of `moving` that answers most like `goal`, rows (K, P), on the training part."""
    return activation_matching(fleet.architecture, goal, moving, fleet.data.inputs["train"], "pearson")


def _lines(fleet: Fleet, a: Tensor, b: Tensor, points: int) -> dict[str, Line]:
    """The line between rows a, b (K, P), plain and repaired, on the test part."""
    x, y = _test(fleet)
    seen = fleet.data.inputs["train"]
    return {
        "plain": on_line(fleet.architecture, a, b, x, y, points),
        "repaired": repaired_line(fleet.architecture, a, b, seen, x, y, points),
    }


def _test(fleet: Fleet) -> tuple[Tensor, Tensor]:
    return fleet.data.inputs["test"], fleet.data.labels["test"]
