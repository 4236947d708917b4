"""The claims of the paper on example difficulty, frozen before they were run at laptop scale, and the control of
each.

The unit is a run, or a disjoint pair or block of runs; where examples are selected, they are selected by other runs
than those they are judged on. A score's consistency is Spearman's correlation between (means of) disjoint runs.
"""

import math
from functools import partial

import numpy as np

from isthmus.claims import AllOf, Claim, Control, Direction, Equivalence, PaperSays
from isthmus.papers.example_difficulty.effects import (
    AVERAGED,
    NOISY,
    OTHERS,
    beside_prediction,
    copies_beside_prediction,
    first_component,
    gain,
    gain_of_one,
    hits,
    range_of_shifts,
    same_score,
    shifts,
    steadier,
    told_better,
    typical_pair,
    unlike,
    unlike_architectures,
    worth_many,
)
from isthmus.papers.example_difficulty.ways import FINGERPRINT_WAYS, NOISE_WAYS

NOTEBOOKS = "development notebooks (2022) of the authors' code, ResNet-20 on CIFAR-10, not the paper"
ANALOGUE = ("data", "models", "epochs")
# 1 - rho between single runs of the steadiest score in those notebooks (VGG-16, mean confidence, rho = 0.95).
NOISE = 0.05
# Spearman's rho of normal scores is (6 / pi) arcsin(r / 2); it is nowhere further from Pearson's r, of which the
# Spearman-Brown formula speaks, than this.
_R = np.linspace(0, 1, 1001)
RANKED = float(np.abs(6 / math.pi * np.arcsin(_R / 2) - _R).max())


def every(kind: object, names: tuple[str, ...]) -> AllOf:
    return AllOf(dict.fromkeys(names, kind))


SAME_SCORE = Control("one score, two sets of runs", same_score)
PERMUTED = "examples shuffled in each score"
SAME = "two groups of runs of one architecture"

CLAIMS = (
    Claim(
        id="C1a",
        says="Scores of one run are noisy: ranks change between runs that differ only in their seed",
        where="variance analysis; delta: the steadiest score of the authors' notebooks, 1 - 0.95",
        kind=every(Direction(delta=NOISE, delta_from="paper"), NOISY),
        unit="1 - rho",
        statistic=partial(unlike, run="reference"),
        n=48,
        unit_of_n="pair of runs",
        headline=True,
        other_ways=NOISE_WAYS,
        controls=(Control("convex model (softmax regression)", partial(unlike, run="linear")),),
        paper_says=PaperSays("0.07, 0.21 and 0.12 (mean and final confidence, mean accuracy)", NOTEBOOKS, "read"),
        differs_from_paper=ANALOGUE,
    ),
    Claim(
        id="C1b",
        says="Confidence averaged over training is steadier from run to run than at its end",
        where="variance analysis",
        kind=Direction(),
        unit="difference in rho",
        statistic=partial(steadier, steady="mean_confidence", noisy="final_confidence"),
        n=48,
        unit_of_n="pair of runs",
        controls=(SAME_SCORE,),
        paper_says=PaperSays("0.14 (0.93 - 0.79)", NOTEBOOKS, "read"),
        differs_from_paper=ANALOGUE,
    ),
    Claim(
        id="C1c",
        says="A binary score, accuracy over training, is less steady than the graded one, confidence",
        where="variance analysis",
        kind=Direction(),
        unit="difference in rho",
        statistic=partial(steadier, steady="mean_confidence", noisy="mean_accuracy"),
        n=48,
        unit_of_n="pair of runs",
        controls=(SAME_SCORE,),
        paper_says=PaperSays("0.05 (0.93 - 0.88)", NOTEBOOKS, "read"),
        differs_from_paper=ANALOGUE,
    ),
    Claim(
        id="C2a",
        says="Averaging a score over four runs makes it steadier, whichever score",
        where="variance analysis",
        kind=every(Direction(), AVERAGED),
        unit="difference in rho",
        statistic=gain,
        n=12,
        unit_of_n="block of eight runs",
        controls=(Control("one of the runs averaged", gain_of_one),),
        differs_from_paper=ANALOGUE,
    ),
    Claim(
        id="C2b",
        says="Averaging gains what the Spearman-Brown formula predicts from two single runs, whichever score",
        where="ours; delta: the most that Spearman's and Pearson's correlations of normal scores differ by",
        kind=every(Equivalence(delta=RANKED, delta_from="derived"), AVERAGED),
        unit="difference in rho",
        statistic=beside_prediction,
        n=12,
        unit_of_n="block of eight runs",
        controls=(Control("copies of one run", copies_beside_prediction, "positive"),),
        differs_from_paper=ANALOGUE,
        needs="cifar",
    ),
    Claim(
        id="C2c",
        says="How many runs are needed depends on the score: confidence in one run beats forgetting in four",
        where="variance analysis; the two scores are our choice",
        kind=Direction(),
        unit="difference in rho",
        statistic=partial(worth_many, noisy="forgetting"),
        n=12,
        unit_of_n="block of eight runs",
        controls=(Control("confidence in four runs", partial(worth_many, noisy="mean_confidence")),),
        differs_from_paper=ANALOGUE,
    ),
    Claim(
        id="C3a",
        says="One principal component carries most of the variance of eight families of scores",
        where="covariance analysis; delta: most is more than half",
        kind=Direction(delta=0.5, delta_from="derived"),
        unit="share",
        statistic=partial(first_component, column="together"),
        n=8,
        unit_of_n="block of runs",
        controls=(Control(PERMUTED, partial(first_component, column="permuted")),),
        paper_says=PaperSays("0.42 (16 metrics, pruning ones among them; MLP-3 0.63)", NOTEBOOKS, "read"),
        differs_from_paper=ANALOGUE,
        differs_always=("one score a family",),
    ),
    Claim(
        id="C3b",
        says="Most pairs of families of scores are strongly correlated, each from runs of its own",
        where="covariance analysis; delta: strong is above 0.5 (Cohen 1988)",
        kind=Direction(delta=0.5, delta_from="derived"),
        unit="median rho",
        statistic=partial(typical_pair, column="averaged"),
        n=8,
        unit_of_n="block of runs",
        controls=(Control(PERMUTED, partial(typical_pair, column="permuted")),),
        differs_from_paper=ANALOGUE,
        differs_always=("one score a family",),
    ),
    Claim(
        id="C4a",
        says="Some examples change rank significantly with the architecture, whichever",
        where="bias analysis; delta: one example in a thousand, above what Bonferroni lets through by chance",
        kind=every(Direction(delta=0.001, delta_from="noise floor"), OTHERS),
        unit="share of examples",
        statistic=hits,
        n=32,
        unit_of_n="run of each",
        controls=(Control(SAME, partial(hits, other="same")),),
        differs_from_paper=ANALOGUE,
    ),
    Claim(
        id="C4b",
        says="Examples range in sensitivity: those most sensitive in some runs move more than the least in others",
        where="bias analysis",
        kind=every(Direction(), OTHERS),
        unit="shift, share of ranks",
        statistic=range_of_shifts,
        n=32,
        unit_of_n="run of each",
        controls=(Control(SAME, partial(range_of_shifts, other="same")),),
        differs_from_paper=ANALOGUE,
    ),
    Claim(
        id="C4c",
        says="Other examples do not change rank: the least sensitive tenth moves by less than one bin of a hundred",
        where="bias analysis; delta: a bin of the 100 in which ranks are shown",
        kind=every(Equivalence(delta=0.01, delta_from="derived"), OTHERS),
        unit="shift, share of ranks",
        statistic=partial(shifts, tenth="least"),
        n=32,
        unit_of_n="run of each",
        controls=(Control("most sensitive tenth", partial(shifts, tenth="most"), "positive"),),
        differs_from_paper=ANALOGUE,
        needs="cifar",
    ),
    Claim(
        id="C4d",
        says="Ranks differ between architectures by more than between runs of one",
        where="bias analysis",
        kind=every(Direction(), OTHERS),
        unit="difference in rho",
        statistic=unlike_architectures,
        n=32,
        unit_of_n="run of each",
        controls=(Control(SAME, partial(unlike_architectures, other="same")),),
        differs_from_paper=ANALOGUE,
    ),
    Claim(
        id="C5",
        says="The two most sensitive examples tell which architecture a new run has, better than two random ones",
        where="fingerprint of architectures; the number of examples is ours",
        kind=every(Direction(), OTHERS),
        unit="difference in accuracy",
        statistic=partial(told_better, selection="sensitive", than="random"),
        n=64,
        unit_of_n="run",
        headline=True,
        other_ways=FINGERPRINT_WAYS,
        controls=(
            Control("other random examples", partial(told_better, selection="random_again", than="random")),
            Control("least sensitive examples", partial(told_better, selection="insensitive", than="random")),
            Control(
                "labels of architectures shuffled",
                partial(told_better, selection="shuffled", than="shuffled_random"),
                "null",
            ),
        ),
        differs_from_paper=ANALOGUE,
        differs_always=("classifier",),
    ),
)
