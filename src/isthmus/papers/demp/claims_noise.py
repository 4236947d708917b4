"""Claims about the noise that kills units, frozen before they were run at laptop scale.

Dead is a hidden unit that is zero on every training example. Kinds and sizes of noise are compared after as
many updates.
"""

from functools import partial

from isthmus.claims import Claim, Control, Direction, Monotone, Sample, Tables
from isthmus.papers.demp.rows import dead, those

# One of the 128 hidden units.
UNIT_OF_SMALL = 1 / 128
ANALOGUE = ("data", "model", "updates")


def minibatch_over_whole(tables: Tables) -> Sample:
    return Sample.of(dead(tables, run="minibatch") - dead(tables, run="gauss_live", noise=0.0))


def minibatch_over_minibatch(tables: Tables) -> Sample:
    return Sample.of(dead(tables, run="minibatch") - dead(tables, run="minibatch", order=1))


def gaussian_over_none(tables: Tables, place: int) -> Sample:
    """Dead units with Gaussian noise on live scalars less those without; place: of the size among those tried."""
    sizes = sorted(those(tables["deaths"], run="gauss_live")["noise"].unique())
    one, none = (dead(tables, run="gauss_live", noise=size) for size in (sizes[place], 0.0))
    return Sample.of(one - none)


def live_over_all(tables: Tables) -> Sample:
    """Dead units with the same noise on live scalars less those with it on all."""
    size = those(tables["deaths"], run="gauss_live")["noise"].max()
    return Sample.of(dead(tables, run="gauss_live", noise=size) - dead(tables, run="gauss_all"))


def live_over_all_removed(tables: Tables) -> Sample:
    """Units that DemP removes with noise on live scalars less those with it on all, mean over penalties."""
    everywhere = those(tables["ablation"], method="everywhere")
    live = those(tables["ablation"], method="demp", order=0)
    live = live[live["penalty"].isin(everywhere["penalty"])]
    means = [frame.groupby("seed")["neuron_sparsity"].mean() for frame in (live, everywhere)]
    return Sample.of(means[0] - means[1])


LEVELS = ("no noise", "least", "middle", "most")


def by_noise(tables: Tables) -> Sample:
    """Units removed at the four peaks of the noise, at the penalty at which all were tried."""
    frame = those(tables["networks"], run="demp", order=0)
    tried = frame.groupby("penalty")["noise"].nunique().idxmax()
    levels = frame[frame["penalty"] == tried].pivot(index="seed", columns="noise", values="neuron_sparsity")
    return Sample.of(levels.set_axis(LEVELS, axis=1))


def by_order(tables: Tables) -> Sample:
    """The same with no noise at all, and four orders of the data in place of its peaks."""
    frame = those(tables["networks"], run="demp", noise=0.0)
    return Sample.of(frame.pivot(index="seed", columns="order", values="neuron_sparsity").set_axis(LEVELS, axis=1))


def _of_noise(letter: str, says: str, statistic: object, control: Control, where: str) -> Claim:
    return Claim(
        id=f"C2{letter}",
        says=says,
        where=where,
        kind=Direction(delta=UNIT_OF_SMALL, delta_from="derived"),
        unit="share of hidden units",
        statistic=statistic,
        n=10,
        unit_of_n="seed",
        controls=(control,),
        differs_from_paper=ANALOGUE,
    )


CLAIMS = (
    _of_noise(
        "a",
        "The noise of minibatches kills: more units die than with the whole training set at each update (SGD)",
        minibatch_over_whole,
        Control("another data order in its place", minibatch_over_minibatch),
        "argument on absorbing deaths; delta: one of the hidden units",
    ),
    _of_noise(
        "b",
        "So does Gaussian noise of that size on live scalars, beside gradients of the whole training set",
        partial(gaussian_over_none, place=2),
        Control("a hundredth of the noise", partial(gaussian_over_none, place=1)),
        "argument on absorbing deaths; delta: one of the hidden units",
    ),
    _of_noise(
        "c",
        "Noise restricted to live units kills more than the same noise on all",
        live_over_all,
        Control("units removed as they die", live_over_all_removed),
        "asymmetric noise; delta: one of the hidden units",
    ),
    Claim(
        id="C2d",
        says="In DemP, more units die and are removed with more noise on live ones",
        where="asymmetric noise; delta: one of the hidden units",
        kind=Monotone(levels=LEVELS, delta=UNIT_OF_SMALL, delta_from="derived"),
        unit="share of hidden units",
        statistic=by_noise,
        n=10,
        unit_of_n="seed",
        controls=(Control("no noise, four data orders", by_order),),
        differs_from_paper=ANALOGUE,
    ),
)
