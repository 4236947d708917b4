"""What is measured: how far difficulty scores agree over runs, with each other, and over architectures.

Ranks are taken within each run, ties sharing their mean rank, and ranks are what is averaged over runs.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from isthmus.difficulty.consistency import groups
from isthmus.difficulty.ranks import overlap, ranks, spearman
from isthmus.difficulty.sensitivity import welch
from isthmus.engine.checkpoints import Counter
from isthmus.engine.evaluate import evaluate
from isthmus.engine.fleet import Fleet
from isthmus.engine.streams import stream
from isthmus.papers.example_difficulty.blocks import block_scores, matrices
from isthmus.papers.example_difficulty.pairs import by_unit, rows_told, told
from isthmus.papers.example_difficulty.scores import EARLY, from_logits, labels_of, recorded

Settings = Mapping[str, Any]
Fleets = Mapping[str, Fleet]

# What architectures are compared by.
COMPARED = (EARLY, "mean_loss")
SHOWN = ("mean_confidence", EARLY, "mean_accuracy", "mean_entropy")
BINS = 100


def accuracies(fleets: Fleets, settings: Settings, progress: Counter) -> pd.DataFrame:
    """Loss in nats and accuracy of every network at the end: one row per run of the study, seed and split."""
    rows = []
    progress.expect(len(fleets))
    for name, fleet in fleets.items():
        for split, x in fleet.data.inputs.items():
            losses, errors = evaluate(fleet.architecture, fleet.final, x, fleet.data.labels[split])
            for network, loss, error in zip(fleet.networks, losses.tolist(), errors.tolist(), strict=True):
                rows.append(
                    {"run": name, "seed": network.seed, "split": split, "loss": loss, "accuracy": 1 - error}
                )
        progress.advance()
    return pd.DataFrame(rows)


def curves(fleets: Fleets, settings: Settings, progress: Counter) -> pd.DataFrame:
    """Score against rank: one row per architecture, score and bin of the examples by their mean rank over runs.

    Columns: rank (middle of the bin, share of the examples), value (mean over runs of the bin's mean score,
    larger is harder), low and high (5th and 95th percentile over runs).
    """
    steps, count, rows = _common(fleets), len(fleets["narrow"].networks), []
    progress.expect(len(fleets))
    for name, fleet in fleets.items():
        for score, values in from_logits(fleet, SHOWN, settings["early"], steps, count).items():
            order = np.argsort(ranks(values).mean(axis=0), kind="stable")
            pieces = np.array_split(order, min(BINS, len(order)))
            means = np.stack([values[:, piece].mean(axis=1) for piece in pieces])
            low, high = np.percentile(means, [5, 95], axis=1)
            for place, of_bin in enumerate(means.mean(axis=1)):
                rank = (place + 0.5) / len(pieces)
                band = {"low": low[place], "high": high[place]}
                rows.append({"run": name, "score": score, "rank": rank, "value": of_bin, **band})
        progress.advance()
    return pd.DataFrame(rows)


def consistency(fleets: Fleets, settings: Settings, progress: Counter) -> pd.DataFrame:
    """Agreement of two disjoint groups of r runs each: one row per architecture, score, r and pair of groups.

    Pair p of size r holds the runs 2 r p to 2 r (p + 1): pairs of one size share no run. Columns: spearman (of the
    groups' mean ranks; empty where a score is constant), overlap (of the hardest, ties broken at random).
    """
    rows, largest = [], settings["largest"]
    sizes = [2**power for power in range(largest.bit_length())]
    progress.expect(len(fleets) * len(settings["scores"]))
    for name, fleet in fleets.items():
        steps, count = recorded(fleet), len(fleet.networks)
        found = from_logits(fleet, settings["scores"], settings["early"], steps, count)
        for score, values in found.items():
            ranked = ranks(values)
            for size in sizes:
                first, second = groups(ranked, size)
                agree = spearman(first, second).tolist()
                for pair, (a, b) in enumerate(zip(first, second, strict=True)):
                    rng = stream(pair, "ties", score, size)
                    shared = overlap(a, b, settings["hardest"], rng)
                    row = {"run": name, "score": score, "runs": size, "pair": pair}
                    rows.append({**row, "spearman": agree[pair], "overlap": shared})
            progress.advance()
    return pd.DataFrame(rows)


def covariance(fleets: Fleets, settings: Settings, progress: Counter) -> pd.DataFrame:
    """Spearman correlation of every two scores, a and b, in every block of runs of the reference.

    Columns: single (score a of one run, b of another, mean over disjoint pairs of runs and both ways; empty where a
    score needs several runs), averaged (the same of the means over each half of the block), together (of the means
    over the whole block, the same runs for both), permuted (the same after shuffling the examples of each score).
    """
    rows = []
    progress.expect(settings["runs"] + settings["runs"] // settings["block"])
    for block, scores in enumerate(block_scores(fleets["reference"], fleets["without"], settings, progress)):
        names, found = [*scores], matrices(scores, stream(block, "permuted"))
        for i, a in enumerate(names):
            for j, b in enumerate(names):
                values = {column: matrix[i, j] for column, matrix in found.items()}
                rows.append({"block": block, "a": a, "b": b, **values})
        progress.advance()
    return pd.DataFrame(rows)


def sensitivity(fleets: Fleets, settings: Settings, progress: Counter) -> pd.DataFrame:
    """Welch's test of each example's early EL2N ranks, reference against another: a row per architecture and
    example.

    `same` are two groups of runs of the reference. Columns: label, t (above 0: harder in the reference), p.
    """
    rows, labels = [], labels_of(fleets["reference"]).tolist()
    of = _thirds(fleets, settings, EARLY)
    progress.expect(len(of["others"]))
    for other, ranked in of["others"].items():
        t, p = welch(of["first"], ranked)
        rows += [
            {"other": other, "example": example, "label": label, "t": of_t, "p": of_p}
            for example, (label, of_t, of_p) in enumerate(zip(labels, t.tolist(), p.tolist(), strict=True))
        ]
        progress.advance()
    return pd.DataFrame(rows)


def bias(fleets: Fleets, settings: Settings, progress: Counter) -> pd.DataFrame:
    """The reference against each architecture, run by run: one row per score, architecture and run; columns as in
    pairs.by_unit. Ranks are shares of the number of examples. `same`: two groups of runs of the reference."""
    rows = []
    progress.expect(len(COMPARED) * len(fleets))
    for score in COMPARED:
        of = _thirds(fleets, settings, score)
        for other, ranked in of["others"].items():
            columns = by_unit(of["first"], ranked, of["last"], settings["tenth"])
            for run in range(len(ranked)):
                values = {name: float(column[run]) for name, column in columns.items()}
                rows.append({"score": score, "other": other, "run": run, **values})
            progress.advance()
    return pd.DataFrame(rows)


def fingerprint(fleets: Fleets, settings: Settings, progress: Counter) -> pd.DataFrame:
    """How often a held-out run's architecture is told from k examples: one row per score, architecture (beside the
    reference), selection, k and run; see pairs.told."""
    rows = []
    progress.expect(len(COMPARED) * len(fleets))
    for score in COMPARED:
        of = _thirds(fleets, settings, score)
        for other, ranked in of["others"].items():
            rng = stream(settings["splits"], "splits", score, other)
            found = told(of["first"], ranked, settings["sizes"], settings["splits"], rng)
            rows += [{"score": score, "other": other, **row} for row in rows_told(found, settings["sizes"])]
            progress.advance()
    return pd.DataFrame(rows)


def _common(fleets: Fleets) -> tuple[int, ...]:
    """Updates after which every fleet's logits were recorded."""
    every = [set(recorded(fleet)) for fleet in fleets.values()]
    return tuple(sorted(set.intersection(*every)))


def _thirds(fleets: Fleets, settings: Settings, score: str) -> dict[str, Any]:
    """Ranks (R, N), shares of N, by one score: `first` and `last` third of the reference's runs, and of `others`
    each architecture's, with `same`, the reference's second third."""
    steps, count = _common(fleets), len(fleets["narrow"].networks)
    ranked = {}
    for name, fleet in fleets.items():
        values = from_logits(fleet, [score], settings["early"], steps, len(fleet.networks))[score]
        ranked[name] = ranks(values) / values.shape[1]
    mine = ranked.pop("reference")
    return {
        "first": mine[:count],
        "others": {**ranked, "same": mine[count : 2 * count]},
        "last": mine[2 * count :],
    }
