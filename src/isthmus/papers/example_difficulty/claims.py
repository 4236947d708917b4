"""The claims of the paper on example difficulty, frozen before they were run at laptop scale, and the control of
each.

The unit is a run, or a disjoint pair or block of runs; where examples are selected, they are selected by other runs
than those they are judged on. A score's consistency is Spearman's correlation between (means of) disjoint runs.
"""

import math
from functools import partial

import numpy as np
import pandas as pd

from isthmus.claims import AllOf, Claim, Control, Direction, Equivalence, PaperSays, Sample, Tables
from isthmus.difficulty.components import principal
from isthmus.difficulty.consistency import spearman_brown
from isthmus.papers.example_difficulty.ways import FINGERPRINT_WAYS, NOISE_WAYS

NOTEBOOKS = "development notebooks (2022) of the authors' code, ResNet-20 on CIFAR-10, not the paper"
ANALOGUE = ("data", "models", "epochs")

# 1 - rho between single runs of the steadiest score in those notebooks (VGG-16, mean confidence, rho = 0.95).
NOISE = 0.05
# Spearman's rho of normal scores is (6 / pi) arcsin(r / 2); it is nowhere further from Pearson's r, of which the
# Spearman-Brown formula speaks, than this.
_R = np.linspace(0, 1, 1001)
RANKED = float(np.abs(6 / math.pi * np.arcsin(_R / 2) - _R).max())

# One score of each family: loss, confidence, margin and EL2N are functions of one probability.
FAMILIES = ("mean_loss", "learned", "forgetting", "grand", "class_vog", "depth", "prototype", "agreement")
AVERAGED = (
    "mean_accuracy", "mean_loss", "early_el2n", "mean_margin", "mean_entropy", "forgetting", "first_learn",
    "learned", "final_loss",
)  # fmt: skip
OTHERS = ("narrow", "deep", "tanh", "family", "linear")
FEW = 2  # examples of a fingerprint
# Runs averaged in each of two groups, so that a block holds twice as many: with eight, twelve blocks would be 192
# runs, and with six blocks Holm's rule for as many scores could contradict nothing.
SEVERAL = 4


def rho(tables: Tables, score: str, runs: int = 1, run: str = "reference") -> pd.Series:
    """Consistency of one score with so many runs averaged, one value a pair of groups."""
    frame = tables["consistency"]
    chosen = (frame["run"] == run) & (frame["score"] == score) & (frame["runs"] == runs)
    return frame[chosen].set_index("pair")["spearman"]


def in_blocks(tables: Tables, score: str, runs: int) -> pd.Series:
    """Consistency with so many runs averaged, mean over the pairs within each block of 2 SEVERAL runs."""
    of_pairs = rho(tables, score, runs)
    block = of_pairs.index // (SEVERAL // runs)
    whole = len(rho(tables, score, SEVERAL))
    return of_pairs[block < whole].groupby(block[block < whole]).mean()


NOISY = ("mean_confidence", "final_confidence", "mean_accuracy")


def unlike(tables: Tables, run: str) -> dict[str, Sample]:
    """1 - rho between two runs that differ in their seed."""
    return {score: Sample.of(1 - rho(tables, score, run=run)) for score in NOISY}


def steadier(tables: Tables, steady: str, noisy: str) -> Sample:
    return Sample.of(rho(tables, steady) - rho(tables, noisy))


def same_score(tables: Tables) -> Sample:
    """The same contrast of one score with itself, between two sets of runs."""
    of_pairs = rho(tables, "mean_confidence")
    half = len(of_pairs) // 2
    return Sample.of(of_pairs[:half] - of_pairs[half : 2 * half].to_numpy())


def gain(tables: Tables) -> dict[str, Sample]:
    """rho with SEVERAL runs averaged less that of single runs."""
    return {score: Sample.of(in_blocks(tables, score, SEVERAL) - in_blocks(tables, score, 1)) for score in AVERAGED}


def gain_of_one(tables: Tables) -> dict[str, Sample]:
    """The same with single runs in place of the means: the first two of a block, less all pairs of it."""
    samples = {}
    for score in AVERAGED:
        whole = in_blocks(tables, score, 1)
        first = rho(tables, score).iloc[::SEVERAL].iloc[: len(whole)]
        samples[score] = Sample.of(pd.Series(first.to_numpy() - whole.to_numpy(), index=whole.index))
    return samples


def beside_prediction(tables: Tables) -> dict[str, Sample]:
    """rho with SEVERAL runs averaged less what the Spearman-Brown formula makes of that of single runs."""
    return {
        score: Sample.of(in_blocks(tables, score, SEVERAL) - spearman_brown(in_blocks(tables, score, 1), SEVERAL))
        for score in AVERAGED
    }


def copies_beside_prediction(tables: Tables) -> dict[str, Sample]:
    """The same for as many copies of one run, whose mean is that run."""
    ones = {score: in_blocks(tables, score, 1) for score in AVERAGED}
    return {score: Sample.of(one - spearman_brown(one, SEVERAL)) for score, one in ones.items()}


def worth_many(tables: Tables, noisy: str) -> Sample:
    """rho of mean confidence in one run less that of another score averaged over SEVERAL runs."""
    return Sample.of(in_blocks(tables, "mean_confidence", 1) - in_blocks(tables, noisy, SEVERAL))


def matrix(tables: Tables, column: str) -> tuple[list[int], np.ndarray]:
    """Blocks, and in each the correlations (blocks, families, families)."""
    frame = tables["covariance"].set_index(["block", "a", "b"])[column]
    blocks = sorted(tables["covariance"]["block"].unique())
    return blocks, np.array([[[frame[block, a, b] for b in FAMILIES] for a in FAMILIES] for block in blocks])


def first_component(tables: Tables, column: str) -> Sample:
    """Share of the variance of the families' ranks that the first component explains."""
    blocks, correlations = matrix(tables, column)
    return Sample.of(pd.Series(principal(correlations)[0][:, 0], index=blocks))


def typical_pair(tables: Tables, column: str) -> Sample:
    """Median correlation over pairs of families."""
    blocks, correlations = matrix(tables, column)
    pairs = np.triu_indices(len(FAMILIES), 1)
    return Sample.of(pd.Series(np.median(correlations[:, pairs[0], pairs[1]], axis=1), index=blocks))


SCORE = "early_el2n"


def compared(tables: Tables, other: str) -> pd.DataFrame:
    """The table `bias` of one architecture beside the reference, by run."""
    frame = tables["bias"]
    return frame[(frame["score"] == SCORE) & (frame["other"] == other)].set_index("run")


def each(other: str | None) -> dict[str, str]:
    """The architectures, or in place of each the same one."""
    return {name: other or name for name in OTHERS}


def hits(tables: Tables, other: str | None = None) -> dict[str, Sample]:
    """Share of examples whose change of rank passes Bonferroni's line: jackknife pseudo-values over runs."""
    samples = {}
    for name, beside in each(other).items():
        frame = compared(tables, beside)
        n = len(frame)
        samples[name] = Sample.of(n * frame["hits"] - (n - 1) * frame["hits_without"])
    return samples


def range_of_shifts(tables: Tables, other: str | None = None) -> dict[str, Sample]:
    """Held-out shift of the most sensitive tenth of the examples less that of the least sensitive tenth."""
    frames = {name: compared(tables, beside) for name, beside in each(other).items()}
    return {name: Sample.of(frame["most"] - frame["least"]) for name, frame in frames.items()}


def shifts(tables: Tables, tenth: str) -> dict[str, Sample]:
    """Held-out shift of rank of one tenth of the examples, in shares of their number."""
    return {name: Sample.of(compared(tables, name)[tenth]) for name in OTHERS}


def unlike_architectures(tables: Tables, other: str | None = None) -> dict[str, Sample]:
    """Rank correlation of two runs of the reference less that of one of them and one of another architecture."""
    frames = {name: compared(tables, beside) for name, beside in each(other).items()}
    return {name: Sample.of(frame["within"] - frame["between"]) for name, frame in frames.items()}


def told_better(tables: Tables, selection: str, than: str) -> dict[str, Sample]:
    """How much more often a held-out run is told by a few examples of one selection than by those of another."""
    frame = tables["fingerprint"]
    frame = frame[(frame["score"] == SCORE) & (frame["k"] == FEW)].set_index("run")
    samples = {}
    for name in OTHERS:
        one, other = (
            frame[(frame["other"] == name) & (frame["selection"] == choice)]["accuracy"]
            for choice in (selection, than)
        )
        samples[name] = Sample.of(one - other)
    return samples


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
