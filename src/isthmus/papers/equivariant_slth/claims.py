"""The claims of the equivariant ticket paper and of edge-popup, frozen before they were run at laptop scale.

The mechanism that the paper credits is the choice of a subset: the controls prune the same coefficients at random,
to subsets of the same sizes. Answers to test examples are kept one by one: two points are a few of them.
"""

from functools import partial

from isthmus.claims import AllOf, Claim, Control, Direction, Exact, Monotone, NonInferior, PaperSays
from isthmus.papers.equivariant_slth.effects import (
    COEFFICIENTS,
    SUMS,
    all_equivariance_errors,
    by_architecture,
    by_samples,
    by_width,
    coefficient_errors,
    equivariance_errors,
    halving,
    over_bound,
    over_other_fractions,
    over_trained,
    signed_over_normal,
    sum_errors,
)
from isthmus.papers.equivariant_slth.ways import ARCHITECTURE_WAYS, POPUP_WAYS

SEEDS, DRAWS = 10, 20
# Points of accuracy: the margin that the pilot was read with, before this draw of data and seeds.
MARGIN = NonInferior(delta=2.0, delta_from="pilot")
# Of an output in float64, relative to its largest: sums of at most 2,600 terms that are not zero, six in a row,
# each term rounded by 2^-53, and a cancellation of 5.
ROUNDING = 2600 * 6 * 2.0**-53 * 5
# Moments of a uniform variable on [-1, 1], and of a product of two.
UNIFORM, PRODUCT = (1 / 3, 1 / 5), (1 / 9, 1 / 25)
RANDOM = "random subsets of the same sizes"
UNTRAINED = "scores as they begin, untrained"
LEVELS = tuple(f"width {rank}" for rank in (1, 2, 3, 4))
ANALOGUE = ("data", "architecture", "m samples of each sign instead of the theorem's width")
POPUP = ("data", "fully connected", "width", "no BatchNorm")
CASES = ("c4", "p4", "sets", "graphs")

CLAIMS = (
    Claim(
        id="C1",
        says="A random C4-equivariant network, pruned in its basis coefficients, has a trained one's accuracy",
        where="main theorem and experiments; delta: margin of the pilot",
        kind=AllOf({"12 samples": MARGIN, "14 samples": MARGIN}),
        unit="points",
        statistic=partial(by_samples, pruning="subset"),
        n=SEEDS,
        unit_of_n="seed",
        headline=True,
        controls=(Control(RANDOM, partial(by_samples, pruning="random")),),
        differs_from_paper=ANALOGUE,
    ),
    Claim(
        id="C1b",
        says="The error of the best subset sum halves with each sample, of uniform samples and of products of two",
        where="lemma on subset sums (Lueker), which gives the width its logarithm of 1/epsilon",
        kind=AllOf({"product": halving(SUMS, *PRODUCT), "uniform": halving(SUMS, *UNIFORM)}),
        unit="exponent",
        statistic=partial(sum_errors, choice="subset"),
        n=DRAWS,
        unit_of_n="data draw",
        controls=(Control("best single sample", partial(sum_errors, choice="single")),),
        differs_from_paper=("geometric mean over problems instead of all with probability 1 - delta",),
    ),
    Claim(
        id="C1c",
        says="So does the median error of a coefficient of the pruned C4 network",
        where="main theorem, by the lemma on subset sums",
        kind=halving(COEFFICIENTS, *PRODUCT),
        unit="exponent",
        statistic=partial(coefficient_errors, pruning="subset"),
        n=SEEDS,
        unit_of_n="seed",
        controls=(Control(RANDOM, partial(coefficient_errors, pruning="random")),),
        differs_from_paper=("median coefficient instead of all with probability 1 - delta",),
    ),
    Claim(
        id="C1d",
        says="Coefficient errors within eta give output errors within 2 eta n n' |||B||| on the unit ball",
        where="proof of the main theorem",
        kind=Exact(tolerance=1e-9),
        unit="relative excess",
        statistic=partial(over_bound, bound="bound"),
        n=480,
        unit_of_n="case",
        controls=(Control("|||B||| left out", partial(over_bound, bound="bound_without_norm")),),
    ),
    Claim(
        id="C1e",
        says="A network pruned in its equivariant basis stays exactly equivariant, whatever the mask",
        where="setting of the main theorem",
        kind=AllOf({name: Exact(tolerance=ROUNDING) for name in (*CASES, "pruned networks")}),
        unit="relative error",
        statistic=all_equivariance_errors,
        n=100,
        unit_of_n="case",
        headline=True,
        controls=(Control("masks on raw weights", partial(equivariance_errors, masks="weights")),),
    ),
    Claim(
        id="C2",
        says="A network that holds all such targets has at least about n n' |B| log(1/epsilon) parameters a layer",
        where="lower bound",
        kind=Direction(),
        unit="parameters",
        out_of_reach="a bound on all networks that no network can violate; the figure samples_needed shows it",
        needs="no scale: a theorem to be checked on paper",
    ),
    Claim(
        id="C3",
        says="Dense networks and permutation-equivariant ones on sets are special cases of the same pruning",
        where="corollaries; delta: margin of the pilot",
        kind=AllOf({"dense": MARGIN, "sets": MARGIN}),
        unit="points",
        statistic=partial(by_architecture, names=("dense", "sets"), pruning="subset"),
        n=SEEDS,
        unit_of_n="seed",
        controls=(Control(RANDOM, partial(by_architecture, names=("dense", "sets"), pruning="random")),),
        differs_from_paper=ANALOGUE,
    ),
    Claim(
        id="C4",
        says="Pruned random rotation-equivariant CNNs and order-2 graph networks match their trained targets",
        where="experiments (Rot-MNIST, Proteins, NCI1: recalled); delta: margin of the pilot",
        kind=AllOf({"p4": MARGIN, "graphs": MARGIN}),
        unit="points",
        statistic=partial(by_architecture, names=("p4", "graphs"), pruning="subset"),
        n=SEEDS,
        unit_of_n="seed",
        headline=True,
        other_ways=ARCHITECTURE_WAYS,
        controls=(Control(RANDOM, partial(by_architecture, names=("p4", "graphs"), pruning="random")),),
        differs_from_paper=(*ANALOGUE, "quarter turns instead of E(2)", "drawn graphs"),
    ),
    Claim(
        id="C5a",
        says="Edge-popup finds a random subnetwork as accurate as a trained network of as many weights",
        where="edge-popup, ImageNet; delta: margin of the pilot",
        kind=MARGIN,
        unit="points",
        statistic=partial(over_trained, scores="trained"),
        n=SEEDS,
        unit_of_n="seed",
        headline=True,
        other_ways=POPUP_WAYS,
        controls=(Control(UNTRAINED, partial(over_trained, scores="initial")),),
        paper_says=PaperSays(
            "0 (73.3 % of Wide-ResNet-50, random, and of ResNet-34, trained)", "abstract", "recalled"
        ),
        differs_from_paper=POPUP,
    ),
    Claim(
        id="C5b",
        says="The accuracy of what edge-popup finds rises with the width of the random network",
        where="edge-popup, figure on width; delta: from the pilot",
        kind=Monotone(levels=LEVELS, delta=1.0, delta_from="pilot"),
        unit="points",
        statistic=partial(by_width, scores="trained"),
        n=SEEDS,
        unit_of_n="seed",
        controls=(Control(UNTRAINED, partial(by_width, scores="initial")),),
        differs_from_paper=POPUP,
    ),
    Claim(
        id="C5c",
        says="Keeping one half of the weights is better than keeping a tenth, and than keeping nine tenths",
        where="edge-popup, figure on the share kept (Conv-2 to Conv-8)",
        kind=AllOf({"a tenth kept": Direction(), "nine tenths kept": Direction()}),
        unit="points",
        statistic=partial(over_other_fractions, scores="trained"),
        n=SEEDS,
        unit_of_n="seed",
        controls=(Control(UNTRAINED, partial(over_other_fractions, scores="initial")),),
        differs_from_paper=POPUP,
    ),
    Claim(
        id="C5d",
        says="Random weights of one size and random sign hold better subnetworks than normal ones",
        where="edge-popup, figure on the law of the weights",
        kind=Direction(),
        unit="points",
        statistic=partial(signed_over_normal, scores="trained"),
        n=SEEDS,
        unit_of_n="seed",
        controls=(Control(UNTRAINED, partial(signed_over_normal, scores="initial")),),
        differs_from_paper=POPUP,
    ),
)
