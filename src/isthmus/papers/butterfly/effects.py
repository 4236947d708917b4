"""What each claim judges, made of the tables of the room: a barrier, or a comparison of barriers, for each seed."""

import numpy as np
import pandas as pd

from isthmus.claims import RATIO, Sample, Tables

# Logarithms of barriers are taken above each of these floors, and a claim must hold for all.
LOG_FLOORS = (1e-8, 1e-6, 1e-4)


def cell(tables: Tables, table: str, column: str = "barrier", **where: object) -> pd.Series:
    """One column of the rows of a table that match, one value per seed."""
    frame = tables[table]
    for key, value in where.items():
        frame = frame[np.isclose(frame[key], value) if isinstance(value, float) else frame[key] == value]
    return frame.set_index("seed")[column]


# What was done to a copy: one weight at step 0, and the smallest kick of all weights at step 0.
ONE_WEIGHT = {"kind": "weight", "at": 0.0, "draw": 0}
SMALLEST = {"kind": "gaussian", "at": 0.0, "sigma": 1e-4}


def barriers_at_start(tables: Tables, table: str) -> dict[str, Sample]:
    return {
        "one weight": Sample.of(cell(tables, table, **ONE_WEIGHT)),
        "sigma 1e-4": Sample.of(cell(tables, table, **SMALLEST)),
    }


def untouched(tables: Tables) -> dict[str, Sample]:
    return {"one weight": Sample.of(cell(tables, "pairs", kind="unperturbed"))}


def share_of_independent(tables: Tables, table: str) -> Sample:
    parts = {"kicked": cell(tables, table, **ONE_WEIGHT), "independent": cell(tables, table, kind="order")}
    return Sample.of(pd.DataFrame(parts), RATIO)


def fall(tables: Tables, table: str, end: float, kick: str, sigma: float) -> dict[str, Sample]:
    """log10 of the barrier after a kick at step 0 over that after the same kick at `end` of the run."""
    early, late = (cell(tables, table, kind=kick, at=at, sigma=sigma, draw=0) for at in (0.0, end))
    return {f"floor {floor:g}": Sample.of(np.log10((early + floor) / (late + floor))) for floor in LOG_FLOORS}


def by_size(tables: Tables, table: str) -> Sample:
    sizes = {s: cell(tables, table, kind="gaussian", at=0.02, sigma=s, draw=0) for s in (1e-4, 1e-2, 1e-1)}
    return Sample.of(pd.DataFrame(sizes))


def batch_over_random(tables: Tables) -> Sample:
    same = {"at": 0.02, "sigma": 1e-2, "draw": 0}
    return Sample.of(cell(tables, "pairs", kind="batch", **same) - cell(tables, "pairs", kind="gaussian", **same))


def random_over_random(tables: Tables) -> Sample:
    same = {"kind": "gaussian", "at": 0.02, "sigma": 1e-2}
    return Sample.of(cell(tables, "pairs", **same, draw=1) - cell(tables, "pairs", **same, draw=0))


MATCHINGS = ("identity", "restarts", "no_bias", "activation", "pearson")


def removed_by_matching(tables: Tables, kind: str) -> dict[str, Sample]:
    """For each matching, the share of the barrier that it removes."""
    samples = {}
    for method in MATCHINGS:
        before = cell(tables, "aligned", "unaligned", kind=kind, method=method)
        after = cell(tables, "aligned", "aligned", kind=kind, method=method)
        samples[method] = Sample.of(pd.DataFrame({"removed": before - after, "barrier": before}), RATIO)
    return samples


def cka_growth(tables: Tables, run: str) -> Sample:
    """Angular CKA distance at the end minus that at a tenth of the run, for kicks at step 0."""
    steps = tables["growth"]["step"]
    early, late = steps[steps >= steps.max() / 10].min(), steps.max()
    where = {"run": run, "at": 0.0}
    growth = cell(tables, "growth", "cka", **where, step=late) - cell(tables, "growth", "cka", **where, step=early)
    return Sample.of(growth)


def cka_with_gain(tables: Tables, table: str) -> Sample:
    """Per seed, rank correlation over copies of angular CKA distance and what the ensemble gains."""
    frame = tables[table]
    kicked = frame[frame["kind"].isin(["weight", "gaussian", "batch"])]
    correlations = {
        seed: copies["cka"].corr(copies["ensemble_gain"], method="spearman")
        for seed, copies in kicked.groupby("seed")
    }
    return Sample.of(pd.Series(correlations))


def steadier(tables: Tables, run: str) -> Sample:
    """Barrier of the standard setting minus that of the changed one, for one weight at step 0."""
    return Sample.of(cell(tables, "pairs", **ONE_WEIGHT) - cell(tables, "settings", **ONE_WEIGHT, run=run))


def shakier(tables: Tables, run: str) -> Sample:
    return Sample.of(cell(tables, "settings", **ONE_WEIGHT, run=run) - cell(tables, "pairs", **ONE_WEIGHT))


def nothing_changed(tables: Tables) -> Sample:
    """The same contrast between two kicks of the standard setting."""
    second = {**ONE_WEIGHT, "draw": 1}
    return Sample.of(cell(tables, "pairs", **ONE_WEIGHT) - cell(tables, "pairs", **second))


SETTINGS = ("warmup", "shallow", "batch", "adamw", "decay")


def barriers_of_settings(tables: Tables) -> dict[str, Sample]:
    return {run: Sample.of(cell(tables, "settings", **ONE_WEIGHT, run=run)) for run in SETTINGS}


def kernel_for_settings(tables: Tables) -> dict[str, Sample]:
    return {"warmup": Sample.of(cell(tables, "kernel", **ONE_WEIGHT))}
