"""Claims of Adnan et al. (2025) on what tickets are to each other: of one mask, and along rounds."""

from functools import partial

from isthmus.claims import AllOf, Claim, Control, Direction, NearZero, PaperSays, Sample, Tables
from isthmus.papers.lottery_tickets.rows import hits, those

ANALOGUE = ("data", "model", "masks by rewinding to 0 instead of fine-tuning")
TABLE = "table on diversity"
# Points of error: below it Frankle et al. (2020) call two networks connected.
CONNECTED = 2.0


def ensembles(tables: Tables, arm: str) -> dict[str, Sample]:
    """An arm's ensemble minus that of the data orders, in accuracy; and the other way, their members."""
    ours, theirs = (those(tables["diversity"], arm=name) for name in (arm, "ticket"))
    members = [100 * rows.set_index("pair")["accuracy"] for rows in (theirs, ours)]
    return {
        "ensemble is better": Sample.of(hits(ours) - hits(theirs), examples=True),
        "members are worse": Sample.of(members[0] - members[1]),
    }


def disagreement(tables: Tables, arm: str, other: str) -> Sample:
    """Points of test examples on which an arm's tickets disagree, minus the same of another arm."""
    ours, theirs = (those(tables["diversity"], arm=name).set_index("pair") for name in (arm, other))
    return Sample.of(100 * (ours["disagreement"] - theirs["disagreement"]))


def worst_barrier(tables: Tables, other: str) -> Sample:
    """The largest error barrier over rounds, from the dense network to another end, repaired."""
    frame = those(tables["path"], other=other, line="repaired")
    return Sample.of(100 * frame.groupby("seed")["error_barrier"].max())


def removed_by_repair(tables: Tables, other: str) -> Sample:
    """Error barrier without REPAIR minus that with it, at the sparsest round of that end."""
    frame = those(tables["path"], other=other)
    frame = those(frame, density=float(frame["density"].min()))
    plain, repaired = (those(frame, line=line).set_index("seed")["error_barrier"] for line in ("plain", "repaired"))
    return Sample.of(100 * (plain - repaired))


CLAIMS = (
    Claim(
        id="SA4a",
        says="Permuted tickets of one mask on several networks disagree more than one with several data orders",
        where=TABLE,
        kind=Direction(),
        unit="points of disagreement",
        statistic=partial(disagreement, arm="permuted", other="ticket"),
        n=10,
        unit_of_n="mask",
        controls=(
            Control(
                "two data orders against two others", partial(disagreement, arm="first orders", other="last orders")
            ),
        ),
        paper_says=PaperSays("7.2 (10.7 against 3.5, ResNet20x1, 90 %)", TABLE, "read"),
        differs_from_paper=ANALOGUE,
    ),
    Claim(
        id="SA4b",
        says="Their ensemble of five is better than the data orders', although each of them is worse",
        where=TABLE,
        kind=AllOf({"ensemble is better": Direction(), "members are worse": Direction()}),
        unit="points",
        statistic=partial(ensembles, arm="permuted"),
        n=10,
        unit_of_n="mask",
        controls=(Control("naive tickets", partial(ensembles, arm="naive")),),
        paper_says=PaperSays("0.32 (91.75 against 91.43; members 89.38 against 91.15)", TABLE, "read"),
        differs_from_paper=ANALOGUE,
    ),
    Claim(
        id="SA5a",
        says="With REPAIR the dense network and its ticket of every round lie in one linearly connected mode",
        where="figure on rounds of pruning; delta: Frankle et al. (2020)",
        kind=NearZero(CONNECTED, "paper"),
        unit="points of error",
        statistic=partial(worst_barrier, other="ticket"),
        n=10,
        unit_of_n="seed",
        controls=(Control("the next network's ticket", partial(worst_barrier, other="next"), role="positive"),),
        differs_from_paper=ANALOGUE,
        needs="ResNet20 on CIFAR-10",
    ),
    Claim(
        id="SA5b",
        says="REPAIR lowers a barrier that stands between the dense network and its sparsest ticket",
        where="figure on rounds of pruning",
        kind=Direction(),
        unit="points of error",
        statistic=partial(removed_by_repair, other="ticket"),
        n=10,
        unit_of_n="seed",
        controls=(Control("a dense copy in the ticket's place", partial(removed_by_repair, other="copy")),),
        differs_from_paper=ANALOGUE,
    ),
)
