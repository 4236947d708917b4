"""Claims about how units die in ordinary training, frozen before they were run at laptop scale.

Dead is a hidden unit that is zero on every training example. Rates and batches are compared after as many
updates, optimizers each at the rate that validation data prefer.
"""

from functools import partial

import pandas as pd

from isthmus.claims import AllOf, Claim, Control, Direction, Monotone, NonInferior, Sample, Tables
from isthmus.papers.demp.rows import dead, died, hits, rotated, those

# Batch -> run; peak rates of Adam; L2 penalties on all weights.
RUNS = {16: "adam_16", 64: "adam_64", 256: "adam_256"}
RATES = (0.001, 0.003, 0.01, 0.03)
PENALTIES = (0.0, 0.0001, 0.001, 0.01)
# Hardly any update moves a network at this rate.
STILL = 1e-5
# One of the 256 hidden units.
UNIT = 1 / 256
# Points: half of the 95 % interval of an accuracy of 97 % on 297 test examples.
ERROR_OF_TEST = 2.0
ANALOGUE = ("data", "model", "updates")
CELLS = tuple(f"rate {rate:g}, batch {batch}" for batch in RUNS for rate in RATES)


def accumulated(tables: Tables) -> dict[str, Sample]:
    return {
        f"rate {rate:g}, batch {batch}": Sample.of(died(tables, run=run, lr=rate))
        for batch, run in RUNS.items()
        for rate in RATES
    }


def accumulated_still(tables: Tables) -> dict[str, Sample]:
    """The same at a rate of 1e-5, in place of every rate at batch 64."""
    sample = Sample.of(died(tables, run=RUNS[64], lr=STILL))
    return {f"rate {rate:g}, batch 64": sample for rate in RATES}


def by_rate(tables: Tables, labels_rotated: bool) -> dict[str, Sample]:
    found = {}
    for batch, run in RUNS.items():
        levels = pd.DataFrame({rate: dead(tables, run=run, lr=rate) for rate in RATES})
        found[f"batch {batch}"] = Sample.of(rotated(levels) if labels_rotated else levels)
    return found


def by_batch(tables: Tables, labels_rotated: bool) -> dict[str, Sample]:
    found = {}
    for rate in RATES:
        levels = pd.DataFrame({batch: dead(tables, run=run, lr=rate) for batch, run in RUNS.items()})
        found[f"rate {rate:g}"] = Sample.of(rotated(levels) if labels_rotated else levels)
    return found


def by_penalty(tables: Tables, labels_rotated: bool) -> Sample:
    levels = pd.DataFrame({p: dead(tables, run=RUNS[64], lr=0.01, penalty=p) for p in PENALTIES})
    return Sample.of(rotated(levels) if labels_rotated else levels)


def at_best_rate(tables: Tables, run: str) -> pd.DataFrame:
    """One network of each seed, with its dead units: at the rate with the best mean validation accuracy among
    the other seeds (the smallest of equal rates).
    """
    frame = those(tables["optimizers"], run=run, penalty=0.0)
    by_seed = frame[frame["lr"] != STILL].pivot(index="seed", columns="lr", values="validation").fillna(0.0)
    best = ((by_seed.sum() - by_seed) / (len(by_seed) - 1)).idxmax(axis=1)
    chosen = frame[frame["lr"] == frame["seed"].map(best)].set_index("seed", drop=False).sort_index()
    deaths = those(tables["deaths"], run=run, penalty=0.0)
    last = deaths[deaths["step"] == deaths["step"].max()].set_index(["seed", "lr"])["dead"]
    return chosen.assign(dead=[last[seed, lr] for seed, lr in zip(chosen["seed"], chosen["lr"], strict=True)])


OTHERS = ("sgd", "momentum")


def adam_over(tables: Tables) -> dict[str, Sample]:
    """Dead units of Adam less those of another optimizer, and accuracy both ways, each at its best rate."""
    adam, found = at_best_rate(tables, RUNS[64]), {}
    for name in OTHERS:
        other = at_best_rate(tables, name)
        better = pd.DataFrame(hits(other) - hits(adam), index=adam.index)
        found |= {
            f"dead, {name}": Sample.of(adam["dead"] - other["dead"]),
            f"{name} as accurate": Sample.of(better, examples=True),
            f"Adam as accurate as {name}": Sample.of(-better, examples=True),
        }
    return found


def adam_over_adam(tables: Tables) -> dict[str, Sample]:
    """Dead units of Adam with half of the seeds less those with the other half."""
    found = at_best_rate(tables, RUNS[64])["dead"]
    half = len(found) // 2
    sample = Sample.of(found.iloc[:half] - found.iloc[half : 2 * half].to_numpy())
    return {f"dead, {name}": sample for name in OTHERS}


ROTATED = "labels rotated from seed to seed"

CLAIMS = (
    Claim(
        id="C1a",
        says="Dead units accumulate during ordinary training, whichever rate and batch",
        where="figures on dead units; delta: one of the hidden units",
        kind=AllOf(dict.fromkeys(CELLS, Direction(delta=UNIT, delta_from="derived"))),
        unit="share of hidden units",
        statistic=accumulated,
        n=12,
        unit_of_n="seed",
        controls=(Control("a rate of 1e-5", accumulated_still),),
        differs_from_paper=ANALOGUE,
    ),
    Claim(
        id="C1b",
        says="More units die with a larger learning rate, whichever batch",
        where="figures on dead units; delta: one of the hidden units",
        kind=AllOf({f"batch {batch}": Monotone(levels=RATES, delta=UNIT, delta_from="derived") for batch in RUNS}),
        unit="share of hidden units",
        statistic=partial(by_rate, labels_rotated=False),
        n=12,
        unit_of_n="seed",
        controls=(Control(ROTATED, partial(by_rate, labels_rotated=True)),),
        differs_from_paper=ANALOGUE,
    ),
    Claim(
        id="C1c",
        says="More units die with a smaller batch, whichever learning rate",
        where="figures on dead units; delta: one of the hidden units",
        kind=AllOf(
            {f"rate {rate:g}": Monotone(levels=(256, 64, 16), delta=UNIT, delta_from="derived") for rate in RATES}
        ),
        unit="share of hidden units",
        statistic=partial(by_batch, labels_rotated=False),
        n=12,
        unit_of_n="seed",
        controls=(Control(ROTATED, partial(by_batch, labels_rotated=True)),),
        differs_from_paper=ANALOGUE,
    ),
    Claim(
        id="C1d",
        says="Adam kills more units than SGD, with or without momentum, at equal accuracy",
        where="figures on dead units; deltas: one of the hidden units; how well 297 examples tell an accuracy",
        kind=AllOf(
            {
                part: kind
                for name in OTHERS
                for part, kind in (
                    (f"dead, {name}", Direction(delta=UNIT, delta_from="derived")),
                    (f"{name} as accurate", NonInferior(ERROR_OF_TEST, "derived")),
                    (f"Adam as accurate as {name}", NonInferior(ERROR_OF_TEST, "derived")),
                )
            }
        ),
        unit="share of hidden units, points",
        statistic=adam_over,
        n=12,
        unit_of_n="seed",
        controls=(Control("Adam in the others' place, other seeds", adam_over_adam),),
        differs_from_paper=ANALOGUE,
    ),
    Claim(
        id="C1e",
        says="More units die with stronger regularisation (L2 on the weights, inside Adam)",
        where="figures on dead units; delta: one of the hidden units",
        kind=Monotone(levels=PENALTIES, delta=UNIT, delta_from="derived"),
        unit="share of hidden units",
        statistic=partial(by_penalty, labels_rotated=False),
        n=12,
        unit_of_n="seed",
        controls=(Control(ROTATED, partial(by_penalty, labels_rotated=True)),),
        differs_from_paper=ANALOGUE,
    ),
)
