"""The claims of Git Re-Basin and of REPAIR, frozen before they were run at laptop scale, and the control of each.

The papers credit the order of units, which the controls replace by a random one, and in REPAIR each unit's own
statistics, which they hand to other units.
"""

from functools import partial

import numpy as np

from isthmus.claims import (
    AllOf,
    Claim,
    Control,
    Direction,
    Equivalence,
    Exact,
    Monotone,
    NearZero,
    NonInferior,
    PaperSays,
)
from isthmus.papers.git_rebasin.effects import (
    DEPTHS,
    EARLY,
    WIDTHS,
    barrier_at,
    barrier_by_width,
    barriers_of_wide,
    collapse,
    connected_orders,
    fall_in_training,
    gained_by_merging,
    last_step_of_width,
    lost_without_matching,
    recovery,
    removed_by_matching,
    removed_by_repair,
    share_left_by_width,
    weights_minus,
)
from isthmus.papers.git_rebasin.ways import LINE_WAYS, SHARE_WAYS

# Stable to SGD noise is a pair whose error barrier is below 2 points (Frankle et al. 2020); for losses the same
# share of ln 10 nats, the loss of a network that knows nothing of ten classes.
ERROR_BOUND = 0.02
LOSS_BOUND = 0.02 * float(np.log(10))
# Barriers without matching are about one nat in the pilot: a share of LOSS_BOUND of that, rounded.
SHARE_BOUND = 0.05
# The mean of two independent units has half their variance. REPAIR itself leaves a little less than all of it: it
# interpolates deviations, and the square of a mean is below the mean of squares.
LOST = 0.25
ANALOGUE = ("data", "model", "steps")
PAPER = "paper's text"
REPOSITORY = "result files of the REPAIR repository"


RANDOM = "random order"
COPY = "A against a relabelled copy of A"
NEAR_LOSS = NearZero(delta=LOSS_BOUND, delta_from="derived")
FALL = tuple(reversed(WIDTHS))

CLAIMS = (
    Claim(
        id="C1a",
        says="Matching the units of two wide networks by weights removes two thirds or more of the barrier",
        where="main experiments; delta: ResNet50 on ImageNet",
        kind=AllOf({name: Direction(delta=0.67, delta_from="paper") for name in ("train loss", "test loss")}),
        unit="share removed",
        statistic=partial(removed_by_matching, method="weights"),
        n=12,
        unit_of_n="pair",
        headline=True,
        other_ways=SHARE_WAYS,
        controls=(Control(RANDOM, partial(removed_by_matching, method="random")),),
        paper_says=PaperSays("0.67 (ResNet50 on ImageNet, width 1x)", PAPER, "read"),
        differs_from_paper=ANALOGUE,
    ),
    Claim(
        id="C1b",
        says="After weight matching wide networks have a barrier near zero",
        where="main experiments; delta: 2 points of error (Frankle et al. 2020), 2 % of ln 10 nats",
        kind=AllOf(
            {
                "train loss": NEAR_LOSS,
                "test loss": NEAR_LOSS,
                "test error": NearZero(delta=ERROR_BOUND, delta_from="derived"),
            }
        ),
        unit="nats or fraction",
        statistic=partial(barriers_of_wide, method="weights"),
        n=12,
        unit_of_n="pair",
        headline=True,
        other_ways=LINE_WAYS,
        controls=(
            Control(RANDOM, partial(barriers_of_wide, method="random")),
            Control("as trained", partial(barriers_of_wide, method="none"), role="positive"),
        ),
        paper_says=PaperSays("0 (MLP 3 x 512 on MNIST; ResNet20 with LayerNorm, 32x, on CIFAR-10)", PAPER, "read"),
        differs_from_paper=ANALOGUE,
        needs="mnist",
    ),
    Claim(
        id="C2a",
        says="The barrier after weight matching falls with width",
        where="width figure (VGG16, ResNet20; no table)",
        kind=Monotone(levels=FALL, delta=LOSS_BOUND, delta_from="derived"),
        unit="nats",
        statistic=partial(barrier_by_width, method="weights"),
        n=12,
        unit_of_n="pair",
        controls=(Control(RANDOM, partial(barrier_by_width, method="random")),),
        differs_from_paper=ANALOGUE,
    ),
    Claim(
        id="C2b",
        says="The share of the barrier that weight matching leaves falls with width",
        where="width figure; ours: the barrier as trained falls with width as well",
        kind=Monotone(levels=FALL, delta=SHARE_BOUND, delta_from="pilot"),
        unit="share left",
        statistic=partial(share_left_by_width, method="weights"),
        n=12,
        unit_of_n="pair",
        controls=(Control(RANDOM, partial(share_left_by_width, method="random")),),
        differs_from_paper=ANALOGUE,
    ),
    Claim(
        id="C2c",
        says="The barrier after weight matching still falls from the second widest to the widest",
        where="width figure",
        kind=Direction(),
        unit="nats",
        statistic=partial(last_step_of_width, method="weights"),
        n=12,
        unit_of_n="pair",
        controls=(Control(RANDOM, partial(last_step_of_width, method="random")),),
        differs_from_paper=ANALOGUE,
    ),
    Claim(
        id="C3a",
        says="At initialisation matching does not connect networks",
        where="barrier against epoch, MLPs",
        kind=Direction(delta=LOSS_BOUND, delta_from="derived"),
        unit="nats",
        statistic=partial(barrier_at, method="weights", step=0),
        n=12,
        unit_of_n="pair",
        controls=(Control(COPY, partial(barrier_at, method="copy", step=0)),),
        differs_from_paper=ANALOGUE,
    ),
    Claim(
        id="C3b",
        says="After 120 updates, an epoch on MNIST, matching does not connect networks yet",
        where="barrier against epoch, MLPs",
        kind=Direction(delta=LOSS_BOUND, delta_from="derived"),
        unit="nats",
        statistic=partial(barrier_at, method="weights", step=EARLY),
        n=12,
        unit_of_n="pair",
        controls=(Control(COPY, partial(barrier_at, method="copy", step=EARLY)),),
        differs_from_paper=ANALOGUE,
    ),
    Claim(
        id="C3c",
        says="The barrier after matching falls in training: connectivity appears",
        where="barrier against epoch, MLPs",
        kind=Direction(),
        unit="nats",
        statistic=partial(fall_in_training, method="weights"),
        n=12,
        unit_of_n="pair",
        controls=(Control(RANDOM, partial(fall_in_training, method="random")),),
        differs_from_paper=ANALOGUE,
    ),
    Claim(
        id="C4a",
        says="The straight-through estimator is no worse than weight matching",
        where="main experiments, MLP on MNIST",
        kind=NonInferior(delta=LOSS_BOUND, delta_from="derived"),
        unit="nats",
        statistic=partial(weights_minus, method="straight_through"),
        n=12,
        unit_of_n="pair",
        controls=(Control(RANDOM, partial(weights_minus, method="random")),),
        differs_from_paper=ANALOGUE,
        differs_always=("300 steps of the estimator instead of 250 epochs",),
    ),
    Claim(
        id="C4b",
        says="Weight matching and activation matching are equally good",
        where="main experiments, MLP on MNIST",
        kind=Equivalence(delta=LOSS_BOUND, delta_from="derived"),
        unit="nats",
        statistic=partial(weights_minus, method="uncentred"),
        n=12,
        unit_of_n="pair",
        controls=(Control(RANDOM, partial(weights_minus, method="random"), role="positive"),),
        differs_from_paper=ANALOGUE,
        needs="mnist",
    ),
    Claim(
        id="C4c",
        says="Weight matching recovers a hidden order of all units exactly, in four passes or fewer",
        where="algorithm 1",
        kind=AllOf({"difference": Exact(0.0), "passes": Exact(4.0, "paper")}),
        unit="parameter difference, or passes",
        statistic=partial(recovery, method="weights"),
        n=48,
        unit_of_n="network",
        controls=(Control(RANDOM, partial(recovery, method="random")),),
        paper_says=PaperSays("3 to 4 passes", PAPER, "read"),
        differs_from_paper=ANALOGUE,
    ),
    Claim(
        id="C5a",
        says="Five networks merged by MergeMany have a lower test loss than they have on average",
        where="MergeMany, MLPs on MNIST",
        kind=Direction(),
        unit="nats",
        statistic=partial(gained_by_merging, arm="merged"),
        n=12,
        unit_of_n="set of five",
        controls=(Control("averaged without matching", partial(gained_by_merging, arm="averaged")),),
        paper_says=PaperSays("0.055 (0.0727 against 0.1108 to 0.1531 of the members)", PAPER, "read"),
        differs_from_paper=ANALOGUE,
    ),
    Claim(
        id="C5b",
        says="Two networks trained on disjoint biased halves merge to one of lower test loss than either",
        where="split data, CIFAR-100 20 to 80 by class",
        kind=Direction(),
        unit="nats",
        out_of_reach="all networks of a run see one training set: each half would be a split of its own, by class",
        needs="two biased splits of cifar100 in data/register.yaml, then ResNet20 at scale cifar",
    ),
    Claim(
        id="C6",
        says="Two ReLU networks compute one function without an error, and no order of units connects them",
        where="counterexample; tolerance halfway: one row of cells of the grid",
        kind=AllOf({"one function": Exact(1e-12), "errors": Exact(0.0), "halfway": Exact(0.002)}),
        unit="residual",
        statistic=partial(connected_orders, pair="counterexample"),
        n=4,
        unit_of_n="order of units",
        controls=(Control(COPY, partial(connected_orders, pair="copy")),),
        paper_says=PaperSays("accuracy 0.75 halfway for all four orders", PAPER, "read"),
    ),
    Claim(
        id="R1a",
        says="Halfway between matched networks the variance of pre-activations collapses, more so with each layer",
        where="REPAIR, variance collapse; delta: half of what the mean of two independent units loses",
        kind=AllOf(
            {f"lost, depth {depth}": Direction(delta=LOST, delta_from="derived") for depth in DEPTHS}
            | {f"shrinks, depth {depth}": Direction() for depth in DEPTHS}
        ),
        unit="variance ratio",
        statistic=partial(collapse, repair="none"),
        n=12,
        unit_of_n="pair",
        controls=(Control("repaired", partial(collapse, repair="own")),),
        differs_from_paper=ANALOGUE,
        differs_always=("recipe and depths",),
    ),
    Claim(
        id="R1b",
        says="REPAIR removes 60 % or more of the loss barrier of matched networks",
        where="REPAIR, abstract",
        kind=AllOf({f"depth {depth}": Direction(delta=0.6, delta_from="paper") for depth in DEPTHS}),
        unit="share removed",
        statistic=partial(removed_by_repair, name="barrier", repair="own"),
        n=12,
        unit_of_n="pair",
        controls=(
            Control("corrections of other units", partial(removed_by_repair, name="barrier", repair="others")),
        ),
        paper_says=PaperSays(
            "0.74 (ResNet50 on ImageNet), 0.9 (ResNet18 on CIFAR-10)", "REPAIR, abstract", "recalled"
        ),
        differs_from_paper=ANALOGUE,
        differs_always=("recipe and depths",),
    ),
    Claim(
        id="R1c",
        says="REPAIR removes 60 % or more of the error barrier of matched networks",
        where="REPAIR, abstract",
        kind=AllOf({f"depth {depth}": Direction(delta=0.6, delta_from="paper") for depth in DEPTHS}),
        unit="share removed",
        statistic=partial(removed_by_repair, name="error_barrier", repair="own"),
        n=12,
        unit_of_n="pair",
        controls=(
            Control(
                "corrections of other units", partial(removed_by_repair, name="error_barrier", repair="others")
            ),
        ),
        paper_says=PaperSays("0.60 (MLP 3 x 128 on MNIST), 0.74 (7 x 128)", REPOSITORY, "read"),
        differs_from_paper=ANALOGUE,
        differs_always=("recipe and depths",),
    ),
    Claim(
        id="R2",
        says="REPAIR needs matching first: alone it leaves networks less accurate halfway than both together",
        where="REPAIR, VGG11",
        kind=AllOf({f"depth {depth}": Direction() for depth in DEPTHS}),
        unit="points",
        statistic=partial(lost_without_matching, other="pearson"),
        n=12,
        unit_of_n="pair",
        controls=(Control(RANDOM, partial(lost_without_matching, other="random")),),
        paper_says=PaperSays("53.2 (88.2 against 35.0, VGG11 on CIFAR-10)", REPOSITORY, "read"),
        differs_from_paper=ANALOGUE,
        differs_always=("recipe and depths",),
    ),
)
