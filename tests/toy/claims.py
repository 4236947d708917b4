"""A claim that a length is positive, and a control of which nothing is left."""

import pandas as pd

from isthmus.claims import Claim, Control, Direction, Sample, Tables


def norm(tables: Tables) -> Sample:
    return Sample.of(tables["norms"].set_index("seed")["norm"])


def nothing(tables: Tables) -> Sample:
    return Sample.of(pd.Series(0.0, index=tables["norms"]["seed"]))


CLAIMS = (
    Claim(
        id="C1",
        says="networks have a length",
        where="Fig. 1",
        kind=Direction(0.5, "paper"),
        unit="norm",
        statistic=norm,
        n=6,
        unit_of_n="seed",
        controls=(Control("no network", nothing),),
        differs_from_paper=("data",),
    ),
)
