"""Claims of Frankle & Carbin (2019): tickets with their original initial weights (k = 0), and with others.

Accuracy is that on test data where the validation loss is least, as in the paper. Only the lowest peak rate is
judged. Densities are those of the rounds of pruning within a range, averaged.
"""

from functools import partial

import numpy as np
import pandas as pd

from isthmus.claims import AllOf, Claim, Control, Direction, Monotone, NonInferior, PaperSays, Sample, Tables
from isthmus.papers.lottery_tickets.rows import hits, those

# Shares of weights kept: `moderate` is where the paper sees tickets at least as good as dense networks, `extreme`
# goes on to its end, 3.6 %; in between they are best.
MODERATE, EXTREME, BETTER = (0.13, 0.52), (0.03, 0.09), (0.13, 0.22)
# Densities at which masks are tried with other initial weights; the paper compares at the second.
TRIED = (0.512, 0.21, 0.0865, 0.0356)
# Points of accuracy: what re-initialisation costs in the paper at 21 %.
COST = 0.5
# Octaves: neighbouring checkpoints are this far apart.
SPACING = float(np.log2(1.5))
ANALOGUE = ("data", "model", "optimizer", "global pruning", "36 % a round")
FC = "Frankle & Carbin 2019, LeNet-300-100 on MNIST"


def networks(tables: Tables, arm: str, low: float, high: float, order: int = 0) -> pd.DataFrame:
    """Rows of an arm at the lowest peak rate, of densities from low to high."""
    frame = tables["tickets"]
    frame = those(frame, arm=arm, order=order)
    return frame[(frame["lr"] == frame["lr"].min()) & frame["density"].between(low - 1e-9, high + 1e-9)]


def accuracy(tables: Tables, arm: str, low: float, high: float, order: int = 0) -> pd.DataFrame:
    """Pairs by test examples, in points, mean over densities."""
    return hits(networks(tables, arm, low, high, order))


def octaves(tables: Tables, arm: str, low: float, high: float, order: int = 0) -> pd.Series:
    """log2 of the updates to the least validation loss, mean over densities; NaN where nothing was learned."""
    found = networks(tables, arm, low, high, order)
    return (
        np.log2(found["stop"].where(found["stop"] > 0)).groupby(found["pair"]).agg(lambda v: v.mean(skipna=False))
    )


def over_dense(tables: Tables, arm: str, low: float, high: float) -> Sample:
    """Accuracy of an arm minus that of the dense network."""
    return Sample.of(accuracy(tables, arm, low, high) - accuracy(tables, "dense", 1.0, 1.0), examples=True)


def sooner_than_dense(tables: Tables, arm: str, low: float, high: float) -> Sample:
    """Octaves by which an arm comes to its least validation loss before the dense network."""
    return Sample.of(octaves(tables, "dense", 1.0, 1.0) - octaves(tables, arm, low, high))


def over_fresh(tables: Tables, arm: str, order: int = 0) -> dict[str, Sample]:
    """Accuracy and speed of an arm against the re-initialised ticket, at 21 %."""
    at = (TRIED[1], TRIED[1])
    better = accuracy(tables, arm, *at, order) - accuracy(tables, "naive", *at)
    sooner = octaves(tables, "naive", *at) - octaves(tables, arm, *at, order)
    return {"accuracy": Sample.of(better, examples=True), "speed": Sample.of(sooner)}


def gap_by_density(tables: Tables, arm: str, order: int = 0) -> Sample:
    """Accuracy of an arm minus that of the re-initialised ticket, at each density."""
    gaps = {
        share: (accuracy(tables, arm, share, share, order) - accuracy(tables, "naive", share, share)).mean(axis=1)
        for share in TRIED
    }
    return Sample.of(pd.DataFrame(gaps))


FRESH = "the mask with new initial weights"
SECOND = "a second re-initialised ticket in the ticket's place"


def _against_dense(id: str, says: str, kind: object, within: tuple[float, float], paper: str) -> Claim:
    low, high = within
    return Claim(
        id=id,
        says=says,
        where="figures on LeNet, accuracy at early stopping",
        kind=kind,
        unit="points",
        statistic=partial(over_dense, arm="ticket", low=low, high=high),
        n=10,
        unit_of_n="seed",
        controls=(Control(FRESH, partial(over_dense, arm="naive", low=low, high=high)),),
        paper_says=PaperSays(paper, FC, "recalled"),
        differs_from_paper=ANALOGUE,
    )


CLAIMS = (
    _against_dense(
        "FC1a",
        "Tickets with 51 % to 13 % of the weights, reset to their initial values, are as accurate as dense ones",
        NonInferior(COST, "paper"),
        MODERATE,
        "up to +0.3",
    ),
    _against_dense(
        "FC1b",
        "So they are with 9 % to 3.6 % of the weights",
        NonInferior(COST, "paper"),
        EXTREME,
        "about 0 at 3.6 %",
    ),
    _against_dense("FC1c", "With 21 % to 13 % of the weights they are more accurate", Direction(), BETTER, "+0.3"),
    Claim(
        id="FC1d",
        says="Tickets with 51 % to 13 % of the weights reach their least validation loss no later than dense ones",
        where="figures on LeNet, iteration of early stopping",
        kind=NonInferior(SPACING, "derived"),
        unit="octaves of updates",
        statistic=partial(sooner_than_dense, arm="ticket", low=MODERATE[0], high=MODERATE[1]),
        n=10,
        unit_of_n="seed",
        controls=(Control(FRESH, partial(sooner_than_dense, arm="naive", low=MODERATE[0], high=MODERATE[1])),),
        differs_from_paper=ANALOGUE,
    ),
    Claim(
        id="FC2a",
        says="With new initial weights the same mask, of 21 %, learns worse and more slowly",
        where="figures on LeNet, random re-initialisation",
        kind=AllOf({"accuracy": Direction(), "speed": Direction()}),
        unit="points, octaves of updates",
        statistic=partial(over_fresh, arm="ticket"),
        n=10,
        unit_of_n="seed",
        controls=(Control(SECOND, partial(over_fresh, arm="naive", order=1)),),
        paper_says=PaperSays("0.5 points, 1.33 octaves (2.51 times sooner)", FC, "recalled"),
        differs_from_paper=ANALOGUE,
    ),
    Claim(
        id="FC2b",
        says="What new initial weights cost grows as fewer weights are kept, from 51 % to 3.6 %",
        where="figures on LeNet, random re-initialisation",
        kind=Monotone(levels=TRIED, delta=COST, delta_from="paper"),
        unit="points",
        statistic=partial(gap_by_density, arm="ticket"),
        n=10,
        unit_of_n="seed",
        controls=(Control(SECOND, partial(gap_by_density, arm="naive", order=1)),),
        differs_from_paper=ANALOGUE,
    ),
)
