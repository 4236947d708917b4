"""What is measured: how far a kicked copy and its reference end up from each other, in every sense of the paper.

Within a seed, the reference is the network that nothing was done to; its copies share everything with it but
one kick, or (the baseline) the order of the data.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from isthmus.connectivity.barrier import barrier, on_line
from isthmus.engine import evaluate
from isthmus.engine.checkpoints import Counter
from isthmus.engine.fleet import Fleet
from isthmus.engine.recipe import Network
from isthmus.similarity.cka import angular_cka
from isthmus.similarity.predictions import disagreement, ensemble, margin_difference
from isthmus.similarity.weights import cosine, l2
from isthmus.symmetry import table
from isthmus.symmetry.activations import activation_matching
from isthmus.symmetry.matching import weight_matching

Settings = Mapping[str, Any]
# Pairs evaluated at once: enough to fill a core, few enough to show progress.
_BLOCK = 16
# What is followed along training.
_GROWING = ("l2", "barrier", "cka", "train_loss")


def describe(network: Network, steps: int) -> dict[str, Any]:
    """What was done to a network: kind (reference, unperturbed, weight, gaussian, batch, order), time, size."""
    kick = network.perturbation
    if kick is None:
        return {"kind": "order" if network.order else "reference", "at": 0.0, "sigma": float("nan"), "draw": 0}
    kind = kick.kind if kick.sigma else "unperturbed"
    return {"kind": kind, "at": kick.at / steps, "sigma": kick.sigma, "draw": kick.draw}


def couples(fleet: Fleet, only_start: bool = False) -> tuple[list[int], list[int]]:
    """Rows of the copies, and for each the row of its seed's reference.

    only_start: of the copies, the first kicked at step 0 by one weight and those with an independent order.
    """
    references = {n.seed: row for row, n in enumerate(fleet.networks) if n.perturbation is None and n.order == 0}
    copies = [row for row, _ in enumerate(fleet.networks) if row not in references.values()]
    if only_start:
        copies = [row for row in copies if _at_start(fleet.networks[row])]
    return copies, [references[fleet.networks[row].seed] for row in copies]


def _at_start(network: Network) -> bool:
    kick = network.perturbation
    return kick is None or (kick.kind, kick.at, kick.draw) == ("weight", 0, 0)


def pairs(fleets: Mapping[str, Fleet], settings: Settings, progress: Counter) -> pd.DataFrame:
    """One row per run and copy: its distance from the reference after the last update, in every sense."""
    rows: list[dict[str, Any]] = []
    chosen = {run: couples(fleet, settings["only_start"]) for run, fleet in fleets.items()}
    progress.expect(sum(len(copies) for copies, _ in chosen.values()))
    for run, fleet in fleets.items():
        copies, references = chosen[run]
        for start in range(0, len(copies), _BLOCK):
            ours, theirs = copies[start : start + _BLOCK], references[start : start + _BLOCK]
            columns = divergence(
                fleet, fleet.final[theirs], fleet.final[ours], fleet.anchor(ours), settings["points"]
            )
            for k, row in enumerate(ours):
                network = fleet.networks[row]
                about = {"run": run, "seed": network.seed, **describe(network, fleet.recipe.steps)}
                values = {name: float(column[k]) for name, column in columns.items()}
                rows.append({**about, "changed": int(fleet.changed[row]), **values})
            progress.advance(len(ours))
    return pd.DataFrame(rows)


def divergence(fleet: Fleet, a: Tensor, b: Tensor, anchor: Tensor | None, points: int) -> dict[str, Tensor]:
    """Distances (K,) of rows a, b (K, P): l2, cosine; train barriers of loss (nats) and error (fraction);
    endpoint losses; disagreement (fraction of test examples), margin; angular CKA (radians) of the last hidden
    layer; test accuracy of the members, and what their ensemble gains on it."""
    x, y, test_x, test_y = (
        side[split] for split in ("train", "test") for side in (fleet.data.inputs, fleet.data.labels)
    )
    line = on_line(fleet.architecture, a, b, x, y, points, anchor, fleet.recipe.loss)
    logits = torch.stack([evaluate.logits(fleet.architecture, theta, test_x, anchor) for theta in (a, b)], dim=1)
    hidden = [list(fleet.architecture.activations(theta, test_x).values())[-1] for theta in (a, b)]
    together = ensemble(logits, test_y)
    return {
        "l2": l2(a, b),
        "cosine": cosine(a, b),
        "barrier": barrier(line.losses, line.alphas),
        "error_barrier": barrier(line.errors, line.alphas),
        "train_loss": (line.losses[:, 0] + line.losses[:, -1]) / 2,
        "disagreement": disagreement(logits[:, 0], logits[:, 1]) / len(test_y),
        "margin": margin_difference(logits[:, 0], logits[:, 1]),
        "cka": angular_cka(*hidden),
        "cka_paper": angular_cka(*hidden, form="paper"),
        "test_accuracy": together.accuracy - together.gain,
        "ensemble_gain": together.gain,
    }


def aligned(fleets: Mapping[str, Fleet], settings: Settings, progress: Counter) -> pd.DataFrame:
    """Barriers before and after matching the copy's units to the reference's: one row per pair and method.

    Pairs: copies kicked at step 0 by one weight; copies with an independent order; and, as the case where matching
    is known to help, references of different seeds (1000 with 1001, ...), each network in one pair.
    Columns: unaligned, aligned (nats), l2_unaligned, l2_aligned, moved (fraction of hidden units).
    """
    fleet, rows = fleets["main"], []
    groups = _groups(fleet)
    progress.expect(len(groups) * len(settings["methods"]))
    for kind, (left, right) in groups.items():
        a, b = fleet.final[left], fleet.final[right]
        unaligned = _barriers(fleet, a, b, settings["points"])
        for method in settings["methods"]:
            perms = _match(fleet, a, b, method, settings["restarts"])
            moved = table.permute(fleet.architecture.layout, fleet.architecture.axes, perms, b)
            units = torch.cat([p != torch.arange(p.shape[1]) for p in perms.values()], dim=1)
            columns = {
                "unaligned": unaligned,
                "aligned": _barriers(fleet, a, moved, settings["points"]),
                "l2_unaligned": l2(a, b),
                "l2_aligned": l2(a, moved),
                "moved": units.double().mean(1),
            }
            for k, row in enumerate(left):
                values = {name: float(column[k]) for name, column in columns.items()}
                rows.append({"kind": kind, "seed": fleet.networks[row].seed, "method": method, **values})
            progress.advance()
    return pd.DataFrame(rows)


def growth(fleets: Mapping[str, Fleet], settings: Settings, progress: Counter) -> pd.DataFrame:
    """L2 distance, barrier and angular CKA at every checkpoint: one row per run, copy and step."""
    rows: list[dict[str, Any]] = []
    progress.expect(sum(len(fleet.thetas) for fleet in fleets.values()))
    for run, fleet in fleets.items():
        copies, references = couples(fleet)
        for step, theta in fleet.thetas.items():
            columns = divergence(fleet, theta[references], theta[copies], fleet.anchor(copies), settings["points"])
            for k, row in enumerate(copies):
                network = fleet.networks[row]
                about = {"run": run, "seed": network.seed, **describe(network, fleet.recipe.steps), "step": step}
                rows.append({**about, **{name: float(columns[name][k]) for name in _GROWING}})
            progress.advance()
    return pd.DataFrame(rows)


def _groups(fleet: Fleet) -> dict[str, tuple[Sequence[int], Sequence[int]]]:
    """Kind of pair -> rows of the networks that stay, rows of those that are permuted."""
    copies, references = couples(fleet, only_start=True)
    groups: dict[str, tuple[list[int], list[int]]] = {"weight": ([], []), "order": ([], [])}
    for copy, reference in zip(copies, references, strict=True):
        kind = describe(fleet.networks[copy], fleet.recipe.steps)["kind"]
        groups[kind][0].append(reference)
        groups[kind][1].append(copy)
    alone = list(dict.fromkeys(references))
    return {**groups, "seeds": (alone[0:-1:2], alone[1::2])}


def _barriers(fleet: Fleet, a: Tensor, b: Tensor, points: int) -> Tensor:
    line = on_line(fleet.architecture, a, b, fleet.data.inputs["train"], fleet.data.labels["train"], points)
    return barrier(line.losses, line.alphas)


def _match(fleet: Fleet, a: Tensor, b: Tensor, method: str, restarts: int) -> table.Perms:
    """identity: weight matching from the identity alone; restarts: and from random starts; no_bias: the paper's
    code; activation and pearson: activation matching by covariance and by correlation."""
    layout, axes = fleet.architecture.layout, fleet.architecture.axes
    match method:
        case "identity":
            return weight_matching(layout, axes, a, b, restarts=0).perms
        case "restarts":
            return weight_matching(layout, axes, a, b, restarts=restarts).perms
        case "no_bias":
            return weight_matching(layout, axes, a, b, "no_bias", restarts=0).perms
    kind = {"activation": "covariance", "pearson": "pearson"}[method]
    return activation_matching(fleet.architecture, a, b, fleet.data.inputs["train"], kind)
