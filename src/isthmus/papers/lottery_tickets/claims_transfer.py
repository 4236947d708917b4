"""Claims of Adnan et al. (2025): a mask found on network A, worn by network B as it is (naive) or with its units
aligned to B's (permuted).

Accuracies are those of the last update, on test data. Densities are named by rank, sparsity 1 being the least, and
the judged width is the largest: their values belong to the scale. k: the rewind point, the latest one of the scale
where nothing else is said.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from isthmus.claims import (
    RATIO,
    AllOf,
    Claim,
    Control,
    Direction,
    Equivalence,
    Monotone,
    PaperSays,
    Sample,
    Tables,
    Way,
)
from isthmus.papers.lottery_tickets.rows import hits, those

ANALOGUE = (
    "data",
    "model",
    "masks by rewinding to 0 instead of fine-tuning",
    "schedule goes on, not anew",
)
TABLE = "tables of ResNet20 on CIFAR-10"
LEVELS = (1, 2, 3)
CASES = (*(f"sparsity {level}" for level in LEVELS), "narrow")
# Points: between neighbouring sparsities the paper's gains differ by about this much.
STEP = 0.5
# Points: how far the paper's three arms lie apart at k = 0.
SPREAD = 1.0


def carried(tables: Tables, early: bool = False, narrow: bool = False) -> pd.DataFrame:
    """Rows at one width, the largest or the smallest, rewound to the latest point or, early, to the start."""
    frame = tables["transfer"]
    frame = those(frame, width=frame["width"].min() if narrow else frame["width"].max())
    rewound = frame[frame["arm"] == "permuted"]["rewind"]
    return those(frame, rewind=0.0 if early else float(rewound.max()))


def shares(frame: pd.DataFrame) -> list[float]:
    """Densities at which masks are carried over, falling."""
    return sorted(frame[frame["arm"] == "permuted"]["density"].unique(), reverse=True)


def accuracies(frame: pd.DataFrame, arm: str, densities: Sequence[float]) -> pd.DataFrame:
    """Pairs by test examples, in points, mean over densities."""
    rows = those(frame, arm=arm)
    return hits(rows[rows["density"].isin(densities)])


def cases(tables: Tables) -> dict[str, tuple[pd.DataFrame, list[float]]]:
    """The cases that a claim must hold in: rows and densities of each."""
    wide, narrow = carried(tables), carried(tables, narrow=True)
    found = {f"sparsity {level}": (wide, [share]) for level, share in zip(LEVELS, shares(wide), strict=True)}
    return found | {"narrow": (narrow, shares(narrow))}


def gain(tables: Tables, arm: str) -> dict[str, Sample]:
    """Accuracy of an arm minus that of the naive one, in each case."""
    return {
        case: Sample.of(accuracies(frame, arm, at) - accuracies(frame, "naive", at), examples=True)
        for case, (frame, at) in cases(tables).items()
    }


def recovered_from(frame: pd.DataFrame, at: Sequence[float], arm: str) -> Sample:
    """Share of the way from the naive arm to the ticket that an arm covers: a ratio of means over pairs."""
    mean = {name: accuracies(frame, name, at).mean(axis=1) for name in (arm, "naive", "ticket")}
    covered, whole = mean[arm] - mean["naive"], mean["ticket"] - mean["naive"]
    return Sample.of(pd.DataFrame({"covered": covered, "whole": whole}), RATIO)


def recovered(tables: Tables, arm: str) -> dict[str, Sample]:
    """The share recovered, in each case."""
    return {case: recovered_from(frame, at, arm) for case, (frame, at) in cases(tables).items()}


def gain_by_sparsity(tables: Tables, arm: str) -> Sample:
    """Accuracy of an arm minus that of the naive one, by rank of sparsity."""
    frame = carried(tables)
    columns = {
        level: (accuracies(frame, arm, [share]) - accuracies(frame, "naive", [share])).mean(axis=1)
        for level, share in zip(LEVELS, shares(frame), strict=True)
    }
    return Sample.of(pd.DataFrame(columns))


def more_recovered_when_wide(tables: Tables, arm: str) -> Sample:
    """Share recovered at the largest width minus that at the smallest, at the sparsest common density.

    Per pair: the difference of both ratios' jackknife pseudo-values; NaN where nothing is left under a ratio.
    """
    wide, narrow = carried(tables), carried(tables, narrow=True)
    at = [min(set(shares(wide)) & set(shares(narrow)))]
    both = [recovered_from(frame, at, arm) for frame in (wide, narrow)]
    values = [pd.Series(sample.pseudo_values(), index=sample.units) for sample in both]
    return Sample.of((values[0] - values[1]).replace([np.inf, -np.inf], np.nan))


def apart(tables: Tables, early: bool) -> dict[str, Sample]:
    """What the ticket and the permuted arm are above the naive one, at the densities tried at k = 0."""
    frame, at = carried(tables, early), shares(carried(tables, early=True))
    naive = accuracies(frame, "naive", at)
    return {
        name: Sample.of(accuracies(frame, arm, at) - naive, examples=True)
        for name, arm in {"ticket": "ticket", "permuted": "permuted"}.items()
    }


def gained_by_rewinding(tables: Tables, arms: dict[str, str]) -> dict[str, Sample]:
    """Accuracy at the latest rewind point minus that at k = 0, of arms by part; and `permuted over naive`."""
    late, early = carried(tables), carried(tables, early=True)
    at = shares(early)
    of = {
        part: accuracies(late, arm, at) - accuracies(early, arm, at)
        for part, arm in {**arms, "naive": "naive"}.items()
    }
    of["permuted over naive"] = of["permuted"] - of.pop("naive")
    return {part: Sample.of(values, examples=True) for part, values in of.items()}


RANDOM = "units in random order"
SHUFFLED = "mask shuffled within layers"

CLAIMS = (
    Claim(
        id="SA1",
        says="A's mask with its units aligned to B trains better from B's early weights than the mask as it is",
        where="tables, every width and sparsity",
        kind=AllOf(dict.fromkeys(CASES, Direction())),
        unit="points",
        statistic=partial(gain, arm="permuted"),
        n=10,
        unit_of_n="pair",
        headline=True,
        other_ways=(Way("by more than half a point", kind=AllOf(dict.fromkeys(CASES, Direction(STEP, "paper")))),),
        controls=(
            Control(RANDOM, partial(gain, arm="reordered")),
            Control(SHUFFLED, partial(gain, arm="shuffled")),
        ),
        paper_says=PaperSays("1.79 (94.07 against 92.28, ResNet20x4, 97 %, k = 50)", TABLE, "read"),
        differs_from_paper=ANALOGUE,
    ),
    Claim(
        id="SA1b",
        says="That recovers more than half of what separates the mask as it is from the ticket on A",
        where="tables; delta: most is more than half",
        kind=AllOf(dict.fromkeys(CASES, Direction(0.5, "derived"))),
        unit="share",
        statistic=partial(recovered, arm="permuted"),
        n=10,
        unit_of_n="pair",
        controls=(Control(RANDOM, partial(recovered, arm="reordered")),),
        paper_says=PaperSays("0.66 (ResNet20x4, 97 %, k = 50); 0.30 at x1", TABLE, "read"),
        differs_from_paper=ANALOGUE,
    ),
    Claim(
        id="SA2a",
        says="The gain grows with sparsity",
        where="tables; delta: about the paper's step between neighbours",
        kind=Monotone(LEVELS, STEP, "paper"),
        unit="points",
        statistic=partial(gain_by_sparsity, arm="permuted"),
        n=10,
        unit_of_n="pair",
        controls=(Control(RANDOM, partial(gain_by_sparsity, arm="reordered")),),
        paper_says=PaperSays("1.02 (0.77 at 90 %, 1.32 at 95 %, 1.79 at 97 %, ResNet20x4, k = 50)", TABLE, "read"),
        differs_from_paper=ANALOGUE,
    ),
    Claim(
        id="SA2b",
        says="The share recovered grows with width",
        where="tables, widths 1 to 16",
        kind=Direction(),
        unit="share",
        statistic=partial(more_recovered_when_wide, arm="permuted"),
        n=10,
        unit_of_n="pair",
        controls=(Control(RANDOM, partial(more_recovered_when_wide, arm="reordered")),),
        paper_says=PaperSays("0.36 (0.66 at x4, 0.30 at x1, 97 %, k = 50)", TABLE, "read"),
        differs_from_paper=(*ANALOGUE, "twice as wide, not four times"),
    ),
    Claim(
        id="SA3a",
        says="At k = 0 ticket, permuted and naive arms are nearly equal",
        where="table of ResNet20x1, 95 %; delta: the spread there",
        kind=AllOf(dict.fromkeys(("ticket", "permuted"), Equivalence(SPREAD, "paper"))),
        unit="points",
        statistic=partial(apart, early=True),
        n=10,
        unit_of_n="pair",
        controls=(Control("rewound to the latest point", partial(apart, early=False), role="positive"),),
        paper_says=PaperSays("0.94 and 0.35 (87.83, 87.24 and 86.89, ResNet20x1, 95 %)", TABLE, "read"),
        differs_from_paper=(*ANALOGUE, "k = 0 is the initialisation, not the end of the first epoch"),
        needs="ResNet20x1 on CIFAR-10",
    ),
    Claim(
        id="SA3b",
        says="Rewinding to k > 0 helps the ticket and the permuted arm, and the permuted more than the naive one",
        where="figure on rewind epochs",
        kind=AllOf(dict.fromkeys(("ticket", "permuted", "permuted over naive"), Direction())),
        unit="points",
        statistic=partial(gained_by_rewinding, arms={"ticket": "ticket", "permuted": "permuted"}),
        n=10,
        unit_of_n="pair",
        controls=(Control(SHUFFLED, partial(gained_by_rewinding, arms={"permuted": "shuffled"})),),
        paper_says=PaperSays(
            "ticket 90.56 at k = 50 against 87.83 at 0, permuted 88.21 / 87.24, naive 86.88 / 86.89 (x1, 95 %)",
            TABLE,
            "read",
        ),
        differs_from_paper=ANALOGUE,
    ),
)
