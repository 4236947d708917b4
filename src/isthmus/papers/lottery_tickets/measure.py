"""What is measured of tickets: accuracy and speed, instability, what carrying a mask over costs, and diversity.

Where examples have to be redrawn, a table says which of the test part a network has right: `x` right, `.` wrong.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import kl_div

from isthmus.connectivity.barrier import barrier, barrier_over_mean, on_line
from isthmus.engine import evaluate
from isthmus.engine.checkpoints import Counter
from isthmus.engine.fleet import Fleet
from isthmus.papers.lottery_tickets import arms
from isthmus.papers.lottery_tickets.lines import matched, overlap, path
from isthmus.similarity.predictions import disagreement

__all__ = ["diversity", "matched", "overlap", "path", "stability", "tickets", "transfer"]

Settings = Mapping[str, Any]
Rows = list[dict[str, Any]]
# Logits of test examples held at once are those of so many networks.
_BLOCK = 32


def tickets(fleets: Mapping[str, Fleet], settings: Settings, progress: Counter) -> pd.DataFrame:
    """One row per network: what it is (arms.describe), and how well and fast it learned.

    stop: updates to the least validation loss among the checkpoints, the first of equals. accuracy, right: on the
    test part, as the network was then; end_accuracy: after the last update. Fractions in [0, 1].
    """
    rows: Rows = []
    progress.expect(len(fleets))
    for run, fleet in fleets.items():
        x, y = fleet.data.inputs["validation"], fleet.data.labels["validation"]
        steps = torch.tensor(list(fleet.thetas))
        losses = [evaluate.evaluate(fleet.architecture, theta, x, y)[0] for theta in fleet.thetas.values()]
        # A network that diverges has its least loss before it does.
        best = torch.stack(losses).nan_to_num(torch.inf).argmin(0)
        stopped = torch.stack([fleet.thetas[int(steps[at])][row] for row, at in enumerate(best)])
        right, end = _right(fleet, stopped), _right(fleet, fleet.final)
        for row, at in enumerate(best):
            values = {
                "stop": int(steps[at]),
                "accuracy": float(right[row].double().mean()),
                "end_accuracy": float(end[row].double().mean()),
                "right": _written(right[row]),
            }
            rows.append({"run": run, **arms.describe(fleet, row), **values})
        progress.advance()
    return pd.DataFrame(rows)


def transfer(fleets: Mapping[str, Fleet], settings: Settings, progress: Counter) -> pd.DataFrame:
    """One row per network with a mask, after its last update: what it is, its width, and test accuracy."""
    rows: Rows = []
    progress.expect(len(fleets))
    for run, fleet in fleets.items():
        right, chosen = _right(fleet, fleet.final), arms.judged(fleet)
        for row in chosen:
            values = {"accuracy": float(right[row].double().mean()), "right": _written(right[row])}
            rows.append({"run": run, "width": arms.width(fleet), **arms.describe(fleet, row), **values})
        progress.advance()
    return pd.DataFrame(rows)


def stability(fleets: Mapping[str, Fleet], settings: Settings, progress: Counter) -> pd.DataFrame:
    """One row per pair of copies that differ by the order of their data alone, from update k on.

    instability: error barrier on the line between them, test part; instability_train: training part;
    instability_paper: over the mean of both ends, test part. accuracy: mean of both ends, test part. Fractions.
    """
    rows: Rows = []
    progress.expect(len(fleets))
    for run, fleet in fleets.items():
        ours, a, b = _copies(fleets, fleet)
        test, train = (
            on_line(fleet.architecture, a, b, fleet.data.inputs[part], fleet.data.labels[part], settings["points"])
            for part in ("test", "train")
        )
        columns = {
            "instability": barrier(test.errors, test.alphas),
            "instability_train": barrier(train.errors, train.alphas),
            "instability_paper": barrier_over_mean(test.errors),
            "accuracy": 1 - (test.errors[:, 0] + test.errors[:, -1]) / 2,
        }
        for place, row in enumerate(ours):
            values = {name: float(column[place]) for name, column in columns.items()}
            rows.append({"run": run, **arms.describe(fleet, row), **values})
        progress.advance()
    return pd.DataFrame(rows).drop(columns="order")


def _copies(fleets: Mapping[str, Fleet], fleet: Fleet) -> tuple[list[int], Tensor, Tensor]:
    """Rows with another data order, their networks (K, P), and those (K, P) that are like them but for the order.

    The other copy stands in the same fleet, or, of a branch without masks, it is the parent's own network.
    """
    branch = fleet.recipe.branch
    if branch is None or fleet.recipe.pruning is not None:
        ours, theirs = (list(rows) for rows in zip(*arms.copies(fleet), strict=True))
        return ours, fleet.final[ours], fleet.final[theirs]
    parent = next(one for one in fleets.values() if one.recipe.digest() == branch.parent.digest())
    ours = list(range(len(fleet.networks)))
    return ours, fleet.final, parent.final[[one.parent for one in fleet.networks]]


def diversity(fleets: Mapping[str, Fleet], settings: Settings, progress: Counter) -> pd.DataFrame:
    """One row per mask and arm, of all tickets of that mask: ticket (one network, several data orders), permuted
    and naive (several networks), and, of the data orders, the first two and the last two alone.

    members: how many; accuracy: their mean; ensemble, right: of the mean of their probabilities; disagreement:
    share of test examples that two of them class differently, mean over pairs; kl: mean over ordered pairs, nats.
    """
    found: dict[tuple[int, str], list[Tensor]] = {}
    labels = next(iter(fleets.values())).data.labels["test"]
    progress.expect(len(fleets))
    for fleet in fleets.values():
        for row in _members(fleet):
            about = arms.describe(fleet, row)
            logits = evaluate.logits(fleet.architecture, fleet.final[[row]], fleet.data.inputs["test"])
            found.setdefault((about["pair"], about["arm"]), []).append(logits[0].log_softmax(-1))
        progress.advance()
    rows: Rows = []
    for (pair, arm), members in sorted(found.items()):
        if arm == "ticket":
            rows.append({"pair": pair, "arm": "first orders", **_together(members[:2], labels)})
            rows.append({"pair": pair, "arm": "last orders", **_together(members[-2:], labels)})
        if arm in ("ticket", "permuted", "naive"):
            rows.append({"pair": pair, "arm": arm, **_together(members, labels)})
    return pd.DataFrame(rows)


def _members(fleet: Fleet) -> list[int]:
    """Rows at the lowest peak rate of the fleet."""
    least = min(network.lr for network in fleet.networks)
    return [row for row, network in enumerate(fleet.networks) if network.lr == least]


def _together(members: Sequence[Tensor], labels: Tensor) -> dict[str, Any]:
    """What members, log-probabilities (N, C) each, are together."""
    logs = torch.stack(list(members)).double()
    mean = logs.exp().mean(0)
    pairs = list(combinations(range(len(logs)), 2))
    both = [(a, b) for pair in pairs for a, b in (pair, pair[::-1])]
    apart = [float(disagreement(logs[a], logs[b])) / len(labels) for a, b in pairs]
    divergence = [float(kl_div(logs[b], logs[a], reduction="batchmean", log_target=True)) for a, b in both]
    right = mean.argmax(-1) == labels
    return {
        "members": len(logs),
        "accuracy": float((logs.argmax(-1) == labels).double().mean()),
        "ensemble": float(right.double().mean()),
        "disagreement": sum(apart) / len(apart),
        "kl": sum(divergence) / len(divergence),
        "right": _written(right),
    }


def _right(fleet: Fleet, theta: Tensor) -> Tensor:
    """Which test examples (R, N) rows (R, P) class right."""
    x, y = fleet.data.inputs["test"], fleet.data.labels["test"]
    return torch.cat([evaluate.logits(fleet.architecture, rows, x).argmax(-1) == y for rows in theta.split(_BLOCK)])


def _written(right: Tensor) -> str:
    return "".join("x" if one else "." for one in right.tolist())
