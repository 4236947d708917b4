"""What each claim judges, made of the tables of the room: a number for each pair or block of runs."""

import numpy as np
import pandas as pd

from isthmus.claims import Sample, Tables
from isthmus.difficulty.components import principal
from isthmus.difficulty.consistency import spearman_brown

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
