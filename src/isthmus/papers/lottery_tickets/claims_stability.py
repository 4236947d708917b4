"""Claims of Frankle et al. (2020): when copies of a network are stable to the order of their data.

Instability is the error barrier between two copies that see other data orders from update k on, over the line
between its ends, in points of test error. Rewind points are named by rank: k = 0 is the first.
"""

from functools import partial

import pandas as pd

from isthmus.claims import AllOf, Claim, Control, Direction, Monotone, NearZero, PaperSays, Sample, Tables
from isthmus.papers.lottery_tickets.rows import those

# Points: below it the paper calls a network stable.
STABLE = 2.0
# Points: two standard errors of an accuracy of 97 % on the 297 test images of digits. Within it a network matches.
MATCHING = 2.0
ANALOGUE = ("data", "model", "barrier over the line instead of the mean of its ends")
LMC = "Frankle et al. 2020"


def copies(tables: Tables, rate: int, **where: object) -> pd.DataFrame:
    """Rows at the lowest (rate 0) or highest (-1) peak learning rate."""
    frame = tables["stability"]
    return those(frame, lr=float(sorted(frame["lr"].unique())[rate]), **where)


def dense_at(tables: Tables, rate: int, rank: int, column: str = "instability") -> pd.Series:
    """A column for dense networks, in points, copied from the rank-th rewind point on."""
    frame = copies(tables, rate, arm="dense")
    at = sorted(frame["rewind"].unique())[rank]
    return 100 * those(frame, rewind=float(at)).set_index("pair")[column]


def by_rewind(tables: Tables, rate: int) -> Sample:
    """Instability of dense networks by rank of the rewind point."""
    return Sample.of(pd.DataFrame({rank: dense_at(tables, rate, rank) for rank in range(4)}))


def on_both_parts(tables: Tables, rate: int, rank: int) -> dict[str, Sample]:
    """Instability of dense networks on test and training data."""
    columns = {"test": "instability", "train": "instability_train"}
    return {part: Sample.of(dense_at(tables, rate, rank, column)) for part, column in columns.items()}


def with_gap(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows with `gap`: accuracy of the pair's dense network at their rate, copied at k = 0, minus their own."""
    dense = those(frame, arm="dense", rewind=0.0).set_index(["pair", "lr"])["accuracy"]
    own = pd.MultiIndex.from_frame(frame[["pair", "lr"]])
    return frame.assign(gap=100 * (dense.reindex(own).to_numpy() - frame["accuracy"]))


def instability_with_gap(tables: Tables, dense: bool) -> Sample:
    """Per seed, rank correlation over its sparse (or dense) networks of instability and accuracy gap."""
    frame = with_gap(tables["stability"])
    chosen = frame[(frame["arm"] == "dense") == dense]
    found = {
        pair: rows["instability"].corr(rows["gap"], method="spearman") for pair, rows in chosen.groupby("pair")
    }
    return Sample.of(pd.Series(found))


def gap_at_end(tables: Tables, arms: tuple[str, ...]) -> dict[str, Sample]:
    """Accuracy gap of networks from k = 0 with the fewest weights, by arm; named as the claim's parts."""
    frame = with_gap(copies(tables, 0, rewind=0.0))
    frame = those(frame, density=float(frame["density"].min()))
    parts = ("re-initialised", "shuffled mask")
    return {
        part: Sample.of(those(frame, arm=arm).set_index("pair")["gap"])
        for part, arm in zip(parts, arms, strict=True)
    }


def gained_by_rewinding(tables: Tables, rate: int) -> Sample:
    """Accuracy of tickets rewound to the latest point minus those from k = 0, mean over common densities."""
    frame = copies(tables, rate, arm="ticket")
    late = those(frame, rewind=float(frame["rewind"].max()))
    early = those(frame, rewind=0.0)
    early = early[early["density"].isin(late["density"])]
    means = [100 * rows.groupby("pair")["accuracy"].mean() for rows in (late, early)]
    return Sample.of(means[0] - means[1])


CLAIMS = (
    Claim(
        id="LMC1a",
        says="At a peak rate of 0.2 instability falls with the update k from which copies see other data orders",
        where="figure on instability of dense networks",
        kind=Monotone(levels=(3, 2, 1, 0), delta=STABLE, delta_from="paper"),
        unit="points",
        statistic=partial(by_rewind, rate=-1),
        n=10,
        unit_of_n="seed",
        controls=(Control("peak rate 0.05", partial(by_rewind, rate=0)),),
        differs_from_paper=ANALOGUE,
    ),
    Claim(
        id="LMC1b",
        says="It is below 2 points from a tenth of training on",
        where="figure on instability of dense networks",
        kind=AllOf({part: NearZero(STABLE, "paper") for part in ("test", "train")}),
        unit="points",
        statistic=partial(on_both_parts, rate=-1, rank=2),
        n=10,
        unit_of_n="seed",
        controls=(Control("from k = 0 on", partial(on_both_parts, rate=-1, rank=0), role="positive"),),
        paper_says=PaperSays(
            "from 3 % of training on (ResNet-20), 1.5 % (VGG-16), 20 % (ResNet-50), 28 % (Inception-v3)",
            LMC,
            "recalled",
        ),
        differs_from_paper=ANALOGUE,
        needs="ResNet-20 on CIFAR-10",
    ),
    Claim(
        id="LMC1c",
        says="At a peak rate of 0.05 networks are stable from the start",
        where="figure on instability of dense networks, LeNet",
        kind=AllOf({part: NearZero(STABLE, "paper") for part in ("test", "train")}),
        unit="points",
        statistic=partial(on_both_parts, rate=0, rank=0),
        n=10,
        unit_of_n="seed",
        controls=(Control("peak rate 0.2", partial(on_both_parts, rate=-1, rank=0), role="positive"),),
        paper_says=PaperSays("below 2 points from k = 0 on (LeNet)", LMC, "recalled"),
        differs_from_paper=ANALOGUE,
        needs="LeNet-300-100 on MNIST",
    ),
    Claim(
        id="LMC2a",
        says="Sparse networks lose the more accuracy against dense ones, the less stable they are",
        where="figures on sparse networks",
        kind=Direction(),
        unit="rank correlation",
        statistic=partial(instability_with_gap, dense=False),
        n=10,
        unit_of_n="seed",
        controls=(Control("dense networks", partial(instability_with_gap, dense=True)),),
        differs_from_paper=(*ANALOGUE, "digits: shallow networks that are never far from matching"),
    ),
    Claim(
        id="LMC2b",
        says="With 3.6 % of the weights, neither a shuffled mask nor new initial weights match the dense network",
        where="table on sparse networks, LeNet",
        kind=AllOf({part: Direction(MATCHING, "noise floor") for part in ("re-initialised", "shuffled mask")}),
        unit="points",
        statistic=partial(gap_at_end, arms=("naive", "shuffled")),
        n=10,
        unit_of_n="seed",
        controls=(Control("the ticket itself", partial(gap_at_end, arms=("ticket", "ticket"))),),
        differs_from_paper=ANALOGUE,
    ),
    Claim(
        id="LMC2c",
        says="Where dense networks are unstable from k = 0 on, rewinding a ticket to k > 0 makes it more accurate",
        where="figures on sparse networks (ResNet-20, VGG-16)",
        kind=Direction(),
        unit="points",
        statistic=partial(gained_by_rewinding, rate=-1),
        n=10,
        unit_of_n="seed",
        controls=(Control("peak rate 0.05", partial(gained_by_rewinding, rate=0)),),
        differs_from_paper=(*ANALOGUE, "masks found from k = 0"),
        needs="ResNet-20 on CIFAR-10, 16.8 % of the weights, k = 0, 500 and 2000",
    ),
)
