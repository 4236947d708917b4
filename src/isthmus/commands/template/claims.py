"""The claims, frozen before they are run at laptop scale, and the control of each."""

from functools import partial

from isthmus.claims import Claim, Control, Direction, Sample, Tables


def gained(tables: Tables, run: str) -> Sample:
    """What a network's accuracy gains from its first checkpoint to its last, one number a seed."""
    frame = tables["accuracy"]
    by_step = frame[frame["run"] == run].pivot(index="seed", columns="step", values="accuracy")
    return Sample.of(by_step[by_step.columns.max()] - by_step[by_step.columns.min()])


CLAIMS = (
    Claim(
        id="C1",
        says="Training makes a network more accurate",
        where="the figure or table of the paper that says so",
        # What the effect must exceed, fixed beforehand, and where that number is from.
        kind=Direction(delta=0.1, delta_from="derived"),
        unit="share of examples",
        statistic=partial(gained, run="main"),
        n=12,
        unit_of_n="seed",
        controls=(Control("a rate of almost nothing", partial(gained, run="still")),),
        differs_from_paper=("data", "model"),
    ),
)
