"""Claims about the removal of units, frozen before they were run at laptop scale: what accuracy they leave
beside other methods, and what the shape of the penalty and its place do.

Methods are compared at equal neuron sparsity, by the final accuracy on test data, seed by seed, at every
penalty of the grid. Test examples are redrawn with the seeds.
"""

from functools import partial

import pandas as pd

from isthmus.claims import AllOf, Claim, Control, Direction, Exact, PaperSays, Sample, Tables
from isthmus.papers.demp.rows import above_curve, sparsest, those
from isthmus.papers.demp.ways import REMOVAL_WAYS

CHOSEN = ("snap", "cropit", "early_cropit")
SCALARS = ("shift", "both", "weights")
# One of the 128 hidden units; validation accuracy that a practitioner would give for sparsity, as a share.
UNIT_OF_SMALL, GIVEN = 1 / 128, 0.01
# Three layers, each a sum of at most 129 terms, each rounded by at most half a unit in the last place of a float32.
ROUNDING = 3 * 129 * 2.0**-24
ANALOGUE = ("data", "model", "epochs")
V1 = "version 1, ResNet-50 on ImageNet, 80 % of the weights removed"


def of(tables: Tables, method: str, order: int = 0) -> pd.DataFrame:
    """The networks of a method."""
    return those(tables["networks"], method=method, order=order)


def with_dense(tables: Tables, method: str) -> pd.DataFrame:
    """The networks of a method, and the dense ones, where its curve begins."""
    return pd.concat([of(tables, "dense"), of(tables, method)])


def beside(tables: Tables, method: str, others: str, order: int = 0) -> Sample:
    """Points of test accuracy above another method as sparse."""
    return Sample.of(above_curve(of(tables, method, order), with_dense(tables, others)), examples=True)


def beside_each(tables: Tables, method: str) -> dict[str, Sample]:
    return {others: beside(tables, method, others) for others in CHOSEN}


def gain_in_sparsity(tables: Tables, order: int | None) -> dict[str, Sample]:
    """Sparsity within a point of dense accuracy, penalty on the scale less penalty elsewhere.

    order: None, or that of networks with the penalty on the scale that take the place of the others.
    """
    dense, scale = of(tables, "dense"), of(tables, "demp")
    found = {}
    for name in SCALARS:
        other = of(tables, "demp", order) if order is not None else those(tables["ablation"], method=name)
        found[name] = Sample.of(sparsest(scale, dense, GIVEN) - sparsest(other, dense, GIVEN))
    return found


def residual(tables: Tables, removed: str) -> Sample:
    """Largest change of a logit on training data when units are removed, over the largest logit, by network."""
    frame = tables["lossless"]
    return Sample.of(frame.set_index(frame["seed"].astype(str) + ", " + frame["network"].astype(str))[removed])


def _beside(id: str, says: str, where: str, others: str, control: Control, differs: tuple[str, ...] = ()) -> Claim:
    return Claim(
        id=id,
        says=says,
        where=where,
        kind=Direction(),
        unit="points",
        statistic=partial(beside, method="demp", others=others),
        n=10,
        unit_of_n="seed",
        controls=(control,),
        differs_from_paper=ANALOGUE,
        differs_always=differs,
    )


CLAIMS = (
    Claim(
        id="C3a",
        says="At equal neuron sparsity DemP is more accurate than SNAP, CroPit-S and EarlyCroP-S",
        where="accuracy against sparsity, ResNet-18 and VGG-16 on CIFAR-10",
        kind=AllOf(dict.fromkeys(CHOSEN, Direction())),
        unit="points",
        statistic=partial(beside_each, method="demp"),
        n=10,
        unit_of_n="seed",
        headline=True,
        other_ways=REMOVAL_WAYS,
        controls=(Control("random units in its place", partial(beside_each, method="random")),),
        paper_says=PaperSays("71.5 against 68.7 (EarlyCroP-S), 28 (CroPit-S), 28 (SNAP)", V1, "recalled"),
        differs_from_paper=ANALOGUE,
    ),
    _beside(
        "C3b",
        "It is more accurate than network slimming (the same penalty, constant, without noise)",
        "baselines of version 2",
        "slimming",
        Control(
            "slimming in its place, another data order",
            partial(beside, method="slimming", others="slimming", order=1),
        ),
    ),
    _beside(
        "C3c",
        "It is more accurate than the removal of random units before training",
        "ours: no baseline of the paper",
        "random",
        Control(
            "random units in its place, another data order",
            partial(beside, method="random", others="random", order=1),
        ),
        ("baseline",),
    ),
    Claim(
        id="C3d",
        says="So it is for ResNet-50 on ImageNet",
        where="main table",
        kind=AllOf(dict.fromkeys(CHOSEN, Direction())),
        unit="points",
        paper_says=PaperSays("71.5 against 68.7 (EarlyCroP-S), 28 (CroPit-S), 28 (SNAP)", V1, "recalled"),
        out_of_reach="ImageNet is not in the register of data sets",
        needs="ImageNet, ResNet-50, 100 epochs: several GPUs for days",
    ),
    Claim(
        id="C3e",
        says="Removing units while training makes it up to 3.56 times as fast",
        where="abstract of version 2",
        kind=Direction(delta=1.0, delta_from="paper"),
        unit="ratio of times",
        paper_says=PaperSays("3.56", "abstract of version 2", "read"),
        out_of_reach="at these widths a CPU's time does not go with the operations, which are shown instead",
        needs="wall clock on one GPU at widths of 256 and more (cifar_vgg, cifar_resnet18)",
    ),
    _beside(
        "C4",
        "With penalty and noise that rise and fall (one cycle) it is more accurate than with constant ones",
        "ablation of the schedule",
        "constant",
        Control(
            "constant ones in its place, another data order",
            partial(beside, method="constant", others="constant", order=1),
        ),
    ),
    Claim(
        id="C5a",
        says="A penalty on the scale of the normalisation alone removes more units within a point of dense accuracy"
        " than one on the shift, on both, or on all weights",
        where="ablation of the regularised parameters; delta: one of the hidden units; the measure is ours",
        kind=AllOf(dict.fromkeys(SCALARS, Direction(delta=UNIT_OF_SMALL, delta_from="derived"))),
        unit="share of hidden units",
        statistic=partial(gain_in_sparsity, order=None),
        n=10,
        unit_of_n="seed",
        controls=(Control("the scale again, another data order", partial(gain_in_sparsity, order=1)),),
        differs_from_paper=ANALOGUE,
        differs_always=("measure",),
    ),
    Claim(
        id="C5b",
        says="Removing units that are dead on the training data changes no output there",
        where="method; tolerance: rounding of float32 sums",
        kind=Exact(ROUNDING),
        unit="relative change of logits",
        statistic=partial(residual, removed="dead"),
        n=96,
        unit_of_n="network",
        controls=(Control("as many live units removed", partial(residual, removed="live")),),
        differs_from_paper=("data", "model"),
    ),
)
